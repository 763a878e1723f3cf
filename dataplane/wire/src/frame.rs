//! Packet memory.

/// An Ethernet frame that can be read and changed in place.
pub trait Frame {
    /// Bytes in the frame, from the destination MAC address on.
    fn length(&self) -> usize;

    /// `N` bytes from `offset` on, if they are there. `offset` is a constant, or one of few.
    fn read<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;

    /// A copy of `N` bytes from an `offset` that can be anything: slow, for what few packets have.
    fn peek<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// `N` bytes from `offset` on, if they are there, to be written.
    fn write<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]>;
}

/// A frame whose front can be moved.
pub trait Room: Frame {
    /// Moves the front of the frame by `bytes`: forwards, taking bytes away, or back, adding bytes of no particular
    /// value. False when there is no room, and then nothing has changed.
    #[must_use]
    fn move_front(&mut self, bytes: i32) -> bool;
}
