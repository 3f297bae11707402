//! Encoding to memory.

/// Bytes in memory as the encoder sees them. The encoder writes a few bytes at a time, and the implementation that comes
/// with it is a call into another crate for each.
pub(crate) struct Memory<'a>(pub(crate) &'a mut Vec<u8>);

impl minicbor::encode::Write for Memory<'_> {
    type Error = std::convert::Infallible;

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
