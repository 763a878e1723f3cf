//! A UDP payload as packet memory.

use undertone_wire::Frame;

/// A payload without the headers in front of it.
pub(super) struct Payload<'a>(pub(super) &'a mut [u8]);

impl Frame for Payload<'_> {
    fn length(&self) -> usize {
        self.0.len()
    }

    fn read<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.0.get(offset..)?.first_chunk()
    }

    fn peek<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.read(offset).copied()
    }

    fn write<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        self.0.get_mut(offset..)?.first_chunk_mut()
    }
}
