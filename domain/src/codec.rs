//! `minicbor` field codecs for types it does not know.
//!
//! Maps are written in key order, so equal states have equal bytes and a state's hash is the hash of its bytes.

/// Says which flags are not worth their byte: a record ends before them.
pub fn is_false(flag: &bool) -> bool {
    !flag
}

/// Says which amounts are not worth their bytes.
pub fn is_zero(amount: &crate::Amount) -> bool {
    amount.0 == 0
}

/// Says which counts are not worth their bytes.
pub fn is_none_yet(count: &u32) -> bool {
    *count == 0
}

/// Says which rates are not worth their bytes.
pub fn is_nought(rate: &u32) -> bool {
    *rate == 0
}

/// `SmallVec` as an array.
pub mod list {
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};
    use minicbor::{Decode, Encode};
    use smallvec::{Array, SmallVec};

    /// Writes the items in order.
    pub fn encode<Ctx, A: Array, W: Write>(
        items: &SmallVec<A>,
        e: &mut Encoder<W>,
        ctx: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>>
    where
        A::Item: Encode<Ctx>,
    {
        e.array(items.len() as u64)?;
        items.iter().try_for_each(|item| item.encode(e, ctx))
    }

    /// Gathers a few items; for lists that nearly always have one, pushing it costs less than collecting.
    pub fn gather<A: Array>(items: impl Iterator<Item = A::Item>) -> SmallVec<A> {
        let mut list = SmallVec::new();
        for item in items {
            list.push(item);
        }
        list
    }

    /// Reads the items; never allocates by what the length claims.
    pub fn decode<'b, Ctx, A: Array>(d: &mut Decoder<'b>, ctx: &mut Ctx) -> Result<SmallVec<A>, DecodeError>
    where
        A::Item: Decode<'b, Ctx>,
    {
        let length = d.array()?.ok_or_else(|| DecodeError::message("an array of known length"))?;
        let mut items = SmallVec::new();
        for _ in 0..length {
            items.push(A::Item::decode(d, ctx)?);
        }
        Ok(items)
    }
}

/// `FxHashMap` as a map, sorted by key.
pub mod map {
    use std::hash::Hash;

    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};
    use minicbor::{Decode, Encode};
    use rustc_hash::FxHashMap;

    /// Writes the pairs in key order.
    pub fn encode<Ctx, K: Encode<Ctx> + Ord, V: Encode<Ctx>, W: Write>(
        map: &FxHashMap<K, V>,
        e: &mut Encoder<W>,
        ctx: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        let mut pairs: Vec<_> = map.iter().collect();
        pairs.sort_by(|a, b| a.0.cmp(b.0));
        e.map(pairs.len() as u64)?;
        pairs.into_iter().try_for_each(|(key, value)| {
            key.encode(e, ctx)?;
            value.encode(e, ctx)
        })
    }

    /// Reads the pairs.
    pub fn decode<'b, Ctx, K: Decode<'b, Ctx> + Eq + Hash, V: Decode<'b, Ctx>>(
        d: &mut Decoder<'b>,
        ctx: &mut Ctx,
    ) -> Result<FxHashMap<K, V>, DecodeError> {
        let length = d.map()?.ok_or_else(|| DecodeError::message("a map of known length"))?;
        (0..length).map(|_| Ok((K::decode(d, ctx)?, V::decode(d, ctx)?))).collect()
    }
}

/// `CompactString` as text.
pub mod text {
    use compact_str::CompactString;
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    /// Writes the text.
    pub fn encode<Ctx, W: Write>(
        text: &CompactString,
        e: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        e.str(text)?.ok()
    }

    /// Reads the text.
    pub fn decode<Ctx>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<CompactString, DecodeError> {
        Ok(CompactString::new(d.str()?))
    }
}

/// `Option<CompactString>` as text or null.
pub mod optional_text {
    use compact_str::CompactString;
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};
    use minicbor::{Decode, Encode};

    /// Writes the text or null.
    pub fn encode<Ctx, W: Write>(
        text: &Option<CompactString>,
        e: &mut Encoder<W>,
        ctx: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        text.as_deref().encode(e, ctx)
    }

    /// Reads the text or null.
    pub fn decode<Ctx>(d: &mut Decoder<'_>, ctx: &mut Ctx) -> Result<Option<CompactString>, DecodeError> {
        Ok(Option::<&str>::decode(d, ctx)?.map(CompactString::new))
    }

    /// What a field that is not there says; for `has_nil`, so that a later version may add one at the end.
    pub fn nil() -> Option<Option<CompactString>> {
        Some(None)
    }

    /// Whether a field need not be there.
    pub fn is_nil(text: &Option<CompactString>) -> bool {
        text.is_none()
    }
}

#[cfg(test)]
mod tests {
    use minicbor::{Decode, Decoder, Encode};
    use rustc_hash::FxHashMap;

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Newer {
        #[cbor(n(0), with = "super::map")]
        by_name: FxHashMap<u32, u32>,
        #[n(1)]
        last: u32,
    }

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Older {
        #[n(1)]
        last: u32,
    }

    #[test]
    fn a_reader_that_does_not_know_a_map_skips_it_whole() {
        let newer = Newer { by_name: (0..40).map(|n| (n, n)).collect(), last: 7 };
        let bytes = minicbor::to_vec(&newer).unwrap();
        assert_eq!(minicbor::decode::<Older>(&bytes).unwrap(), Older { last: 7 });
        assert_eq!(minicbor::decode::<Newer>(&bytes).unwrap(), newer);
    }

    #[test]
    fn equal_maps_have_equal_bytes_however_they_grew() {
        let bytes = |keys: &mut dyn Iterator<Item = u32>| {
            let by_name = keys.map(|n| (n, 1)).collect();
            minicbor::to_vec(Newer { by_name, last: 0 }).unwrap()
        };
        assert_eq!(bytes(&mut (0..1000)), bytes(&mut (0..1000).rev()));
    }

    #[test]
    fn a_length_that_lies_is_an_error_and_allocates_nothing() {
        for bytes in [&[0x82, 0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &[0x82, 0xbf, 0xff]] {
            assert!(Decoder::new(bytes).decode::<Newer>().is_err());
        }
    }
}
