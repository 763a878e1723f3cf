//! The allocator, which counts: the crate's one door to unsafe code.

#![expect(unsafe_code, reason = "an allocator is made of it; this file is the crate's only door")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use mimalloc::MiMalloc;

/// The daemon's allocator, which counts how often the threads of what is measured ask for memory.
pub(crate) struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// How often memory was asked for so far, by all threads but those of the benchmark's own.
pub(crate) fn asked() -> u64 {
    ASKED.load(Ordering::Relaxed)
}

/// The calling thread is one of the benchmark's own.
pub(crate) fn leave_out_this_thread() {
    IS_OURS.set(true);
}

fn count() {
    // A thread that is ending has no such word any more; it asks for nothing that matters.
    if IS_OURS.try_with(Cell::get) == Ok(false) {
        ASKED.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: everything is done by an allocator; counting allocates nothing, because the word of a thread is made without.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises; all memory is MiMalloc's.
        unsafe { MiMalloc.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_counts_unless_its_thread_is_left_out() {
        let before = asked();
        drop(std::hint::black_box(Box::new([0_u8; 100])));
        assert!(asked() > before);
        let counted = std::thread::spawn(|| {
            leave_out_this_thread();
            IS_OURS.get()
        });
        assert!(counted.join().expect("no panic"));
    }
}
