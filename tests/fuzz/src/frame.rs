//! Packet memory.

use undertone_wire::{Frame, Room};

/// A frame with headroom, as a driver has it.
pub(crate) struct Buffer {
    memory: Vec<u8>,
    front: usize,
}

impl Buffer {
    const HEADROOM: usize = 128;

    pub(crate) fn new(frame: &[u8]) -> Self {
        let mut memory = vec![0; Self::HEADROOM];
        memory.extend_from_slice(frame);
        Self { memory, front: Self::HEADROOM }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.get(self.front..).unwrap_or_default()
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
        self.memory.get_mut(self.front..)?.get_mut(offset..)?.first_chunk_mut()
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
