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

#[cfg(test)]
pub(crate) mod buffer {
    use super::{Frame, Room};

    /// A frame with headroom, as a driver has it.
    #[derive(Clone, Debug)]
    pub(crate) struct Buffer {
        memory: Vec<u8>,
        front: usize,
    }

    impl Buffer {
        const HEADROOM: usize = 256;

        pub(crate) fn new(frame: &[u8]) -> Self {
            let mut memory = vec![0xee; Self::HEADROOM];
            memory.extend_from_slice(frame);
            Self { memory, front: Self::HEADROOM }
        }

        pub(crate) fn bytes(&self) -> &[u8] {
            &self.memory[self.front..]
        }
    }

    impl Frame for Buffer {
        fn length(&self) -> usize {
            self.bytes().len()
        }

        fn read<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
            self.bytes().get(offset..)?.first_chunk()
        }

        fn peek<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
            self.read(offset).copied()
        }

        fn write<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
            self.memory[self.front..].get_mut(offset..)?.first_chunk_mut()
        }
    }

    impl Room for Buffer {
        fn move_front(&mut self, bytes: i32) -> bool {
            match self.front.checked_add_signed(bytes as isize) {
                Some(front) if front <= self.memory.len() => {
                    self.front = front;
                    true
                }
                _ => false,
            }
        }
    }
}
