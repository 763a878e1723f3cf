//! A value that one side writes and the other reads whole.

use crate::{
    cell::{Word32, acquire, release},
    limits::PUBLISHED_READS_MAX,
};

/// A value that travels through shared memory as seven words.
pub trait Packed: Copy {
    /// The value in words.
    fn pack(&self) -> [u32; 7];
    /// The value from words that [`pack`](Self::pack) made.
    fn unpack(words: &[u32; 7]) -> Self;
}

/// Two slots and the number of the last write: one cache line.
///
/// The slot that the number's lowest bit names is live. A writer fills the other slot and then stores the next
/// number, so a reader sees the old value or the new one. A reader that was overtaken twice could see a slot being
/// filled again; it notices because the number has moved, and looks again. Nobody ever waits.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Published {
    number: Word32,
    /// A word for the owner's use, written apart from the slots. See [`Row`](crate::Row).
    aux: Word32,
    slots: [[Word32; 7]; 2],
}

const _: () = assert!(size_of::<Published>() == 64 && align_of::<Published>() == 64);

impl Published {
    /// The live value. `None` when the writer was faster [`PUBLISHED_READS_MAX`] times in a row. What was never
    /// written reads as zeros.
    #[inline(always)]
    pub fn read<T: Packed>(&self) -> Option<T> {
        for _ in 0..PUBLISHED_READS_MAX {
            if let Some(words) = self.try_read() {
                return Some(T::unpack(&words));
            }
        }
        None
    }

    /// One word of the live value, for a reader that needs no more yet. A word is never torn.
    #[inline(always)]
    pub(crate) fn peek<const WORD: usize>(&self) -> u32 {
        let live = self.number.load() & 1;
        acquire();
        self.slots[live as usize][WORD].load()
    }

    #[inline(always)]
    fn try_read(&self) -> Option<[u32; 7]> {
        let number = self.number.load();
        acquire();
        let words = copy(&self.slots[(number & 1) as usize]);
        acquire();
        if self.number.load() == number { Some(words) } else { None }
    }

    /// Makes `value` the live one. Only the line's one writer may call this.
    #[inline]
    pub fn write<T: Packed>(&self, value: &T) {
        let next = self.number.load().wrapping_add(1);
        // A reader that still sees the last number may be overtaken while this slot is filled: it must not read
        // what comes now under a number that came before.
        release();
        for (word, packed) in self.slots[(next & 1) as usize].iter().zip(value.pack()) {
            word.store(packed);
        }
        release();
        self.number.store(next);
    }

    /// The owner's word.
    #[inline(always)]
    pub fn aux(&self) -> u32 {
        self.aux.load()
    }

    /// Sets the owner's word, after all that was written before. Only the line's one writer may call this.
    #[inline]
    pub fn set_aux(&self, value: u32) {
        release();
        self.aux.store(value);
    }
}

#[inline(always)]
fn copy(slot: &[Word32; 7]) -> [u32; 7] {
    let [a, b, c, d, e, f, g] = slot;
    [a.load(), b.load(), c.load(), d.load(), e.load(), f.load(), g.load()]
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicBool, atomic::Ordering},
        thread,
    };

    use super::*;

    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Same(u32);

    impl Packed for Same {
        fn pack(&self) -> [u32; 7] {
            [self.0; 7]
        }
        fn unpack(words: &[u32; 7]) -> Self {
            assert!(words.iter().all(|word| *word == words[0]), "torn: {words:?}");
            Self(words[0])
        }
    }

    #[test]
    fn the_last_write_is_live() {
        let cell = Published::default();
        for value in 1..10 {
            cell.write(&Same(value));
            assert_eq!(cell.read::<Same>(), Some(Same(value)));
        }
    }

    #[test]
    fn a_reader_never_sees_half_a_write() {
        let cell = Arc::new(Published::default());
        let done = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (cell, done) = (Arc::clone(&cell), Arc::clone(&done));
            move || {
                let mut newest = 0;
                while !done.load(Ordering::Relaxed) {
                    if let Some(Same(value)) = cell.read() {
                        assert!(value >= newest, "went back from {newest} to {value}");
                        newest = value;
                    }
                }
                newest
            }
        });
        for value in 1..=200_000 {
            cell.write(&Same(value));
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() <= 200_000);
    }
}
