//! A frame in ordinary memory, for tests and fuzzers.

extern crate std;

use std::{vec, vec::Vec};

use crate::{Frame, Room};

/// A frame with headroom, as a driver has it.
#[derive(Clone, Debug)]
pub struct Buffer {
    memory: Vec<u8>,
    front: usize,
}

impl Buffer {
    /// A copy of `frame`, with `headroom` bytes before it.
    pub fn new(headroom: usize, frame: &[u8]) -> Self {
        let mut memory = vec![0xee; headroom];
        memory.extend_from_slice(frame);
        Self { memory, front: headroom }
    }

    /// The frame as it is now.
    pub fn bytes(&self) -> &[u8] {
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
