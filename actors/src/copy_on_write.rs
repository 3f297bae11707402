//! State that answers share instead of copying: it is copied only when it changes while an answer still has it.

use std::ops::Deref;
use std::sync::Arc;

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

/// A state with its readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOnWrite<T>(Arc<T>);

impl<T: Clone> CopyOnWrite<T> {
    /// A state that nobody else has yet.
    pub fn new(state: T) -> Self {
        Self(Arc::new(state))
    }

    /// The state as it is now, for an answer.
    pub fn share(&self) -> Arc<T> {
        Arc::clone(&self.0)
    }

    /// The state, to be changed; whoever has it keeps what it was.
    pub fn to_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> Deref for CopyOnWrite<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<C, T: Encode<C>> Encode<C> for CopyOnWrite<T> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C, T: Decode<'b, C>> Decode<'b, C> for CopyOnWrite<T> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        T::decode(d, ctx).map(|state| Self(Arc::new(state)))
    }
}
