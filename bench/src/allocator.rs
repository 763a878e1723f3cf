//! The allocator, which counts: the crate's one door to unsafe code.

#![expect(unsafe_code, reason = "an allocator is made of it; this file is the crate's only door")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use mimalloc::MiMalloc;
use nix::unistd::gettid;

/// The daemon's allocator, which counts how often each thread asks for memory.
pub(crate) struct Counting;

/// Threads that are told apart, those that have ended among them. Later ones are not counted.
const THREADS_MAX: usize = 4_096;

struct Counter {
    thread: AtomicI32,
    asked: AtomicU64,
}

static COUNTERS: [Counter; THREADS_MAX] =
    [const { Counter { thread: AtomicI32::new(0), asked: AtomicU64::new(0) } }; THREADS_MAX];
/// How many threads have asked for a counter.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The place of the thread's counter, once it has one.
    static COUNTER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How often a thread that there is has asked for memory so far, by its number in the kernel; `None` for one that was never
/// seen to ask.
pub(crate) fn asked(thread: i32) -> Option<u64> {
    // The number may have been another's before.
    let taken = COUNTERS.iter().take(TAKEN.load(Relaxed)).rev();
    taken.into_iter().find(|counter| counter.thread.load(Relaxed) == thread).map(|counter| counter.asked.load(Relaxed))
}

fn count() {
    // A thread that is ending has no such word any more; it asks for nothing that matters.
    let place = COUNTER.try_with(|place| place.get().unwrap_or_else(|| take_counter(place)));
    if let Some(counter) = place.ok().and_then(|place| COUNTERS.get(place)) {
        counter.asked.fetch_add(1, Relaxed);
    }
}

#[cold]
fn take_counter(place: &Cell<Option<usize>>) -> usize {
    let taken = TAKEN.fetch_add(1, Relaxed);
    place.set(Some(taken));
    if let Some(counter) = COUNTERS.get(taken) {
        counter.thread.store(gettid().as_raw(), Relaxed);
    }
    taken
}

// SAFETY: everything is done by an allocator; counting allocates nothing, because all that it takes is made without.
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
    fn what_a_thread_asks_for_is_counted_as_its_own() {
        let own = || asked(gettid().as_raw());
        let other = std::thread::spawn(move || {
            drop(std::hint::black_box(Box::new([0_u8; 100])));
            own()
        });
        let before = own();
        for _ in 0..1_000 {
            drop(std::hint::black_box(Box::new([0_u8; 100])));
        }
        let after = own();
        assert!(after >= before.map(|before| before + 1_000), "{before:?} and {after:?}");
        let others = other.join().expect("no panic").expect("a thread that has asked");
        assert!((1..1_000).contains(&others), "{others} of another thread");
        assert_eq!(asked(-1), None);
    }
}
