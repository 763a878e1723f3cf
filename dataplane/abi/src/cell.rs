//! The one door to memory that another CPU, or the other side of the kernel boundary, may change at any time.
//!
//! A word is read and written whole; ordering between words is made by [`acquire`] and [`release`]. On the host these
//! are relaxed atomics and fences. The BPF target knows no fence: its programs run on strongly ordered machines or
//! take what the loads give, and [`Published`](crate::Published) checks what it read.

#![cfg_attr(target_arch = "bpf", expect(unsafe_code, reason = "shared memory; this file is the crate's only door"))]

#[cfg(not(target_arch = "bpf"))]
pub use host::{Word32, Word64};
#[cfg(not(target_arch = "bpf"))]
pub(crate) use host::{acquire, release};

#[cfg(target_arch = "bpf")]
pub use bpf::{Word32, Word64};
#[cfg(target_arch = "bpf")]
pub(crate) use bpf::{acquire, release};

#[cfg(not(target_arch = "bpf"))]
mod host {
    use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

    /// A 32-bit word of shared memory.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct Word32(AtomicU32);

    impl Word32 {
        /// A word that holds `value`.
        pub const fn new(value: u32) -> Self {
            Self(AtomicU32::new(value))
        }

        /// The word as it is now.
        #[inline(always)]
        pub fn load(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }

        /// Writes the word. Only its one writer may call this.
        #[inline(always)]
        pub fn store(&self, value: u32) {
            self.0.store(value, Ordering::Relaxed);
        }
    }

    /// A 64-bit word of shared memory.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct Word64(AtomicU64);

    impl Word64 {
        /// A word that holds `value`.
        pub const fn new(value: u64) -> Self {
            Self(AtomicU64::new(value))
        }

        /// The word as it is now.
        #[inline(always)]
        pub fn load(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        /// Writes the word. Only its one writer may call this.
        #[inline(always)]
        pub fn store(&self, value: u64) {
            self.0.store(value, Ordering::Relaxed);
        }

        /// Adds to the word, whoever else does at the same time.
        #[inline(always)]
        pub fn add(&self, value: u64) {
            self.0.fetch_add(value, Ordering::Relaxed);
        }

        /// Flips the bits of `mask`, whoever else changes the word at the same time.
        #[inline(always)]
        pub fn flip(&self, mask: u64) {
            self.0.fetch_xor(mask, Ordering::Relaxed);
        }

        /// Sets the bits of `mask`, whoever else changes the word at the same time.
        #[inline(always)]
        pub fn set(&self, mask: u64) {
            self.0.fetch_or(mask, Ordering::Relaxed);
        }

        /// Replaces `old` by `new`; false when the word was no longer `old`.
        #[inline(always)]
        pub fn replace(&self, old: u64, new: u64) -> bool {
            self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        }
    }

    /// Loads before this call happen before loads after it.
    #[inline(always)]
    pub(crate) fn acquire() {
        fence(Ordering::Acquire);
    }

    /// Stores before this call happen before stores after it.
    #[inline(always)]
    pub(crate) fn release() {
        fence(Ordering::Release);
    }
}

#[cfg(target_arch = "bpf")]
mod bpf {
    use core::{
        cell::UnsafeCell,
        intrinsics::{AtomicOrdering, atomic_cxchg, atomic_or, atomic_xadd, atomic_xor},
        sync::atomic::{Ordering, compiler_fence},
    };

    /// A 32-bit word of shared memory.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct Word32(UnsafeCell<u32>);

    /// A 64-bit word of shared memory.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct Word64(UnsafeCell<u64>);

    // SAFETY: every access is one aligned load, store or atomic instruction, which the hardware does whole.
    unsafe impl Sync for Word32 {}
    // SAFETY: as above.
    unsafe impl Sync for Word64 {}

    impl Word32 {
        /// The word as it is now.
        #[inline(always)]
        pub fn load(&self) -> u32 {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe { self.0.get().read_volatile() }
        }

        /// Writes the word. Only its one writer may call this.
        #[inline(always)]
        pub fn store(&self, value: u32) {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe { self.0.get().write_volatile(value) }
        }
    }

    impl Word64 {
        /// The word as it is now.
        #[inline(always)]
        pub fn load(&self) -> u64 {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe { self.0.get().read_volatile() }
        }

        /// Writes the word. Only its one writer may call this.
        #[inline(always)]
        pub fn store(&self, value: u64) {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe { self.0.get().write_volatile(value) }
        }

        /// Adds to the word, whoever else does at the same time.
        #[inline(always)]
        pub fn add(&self, value: u64) {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(self.0.get(), value) };
        }

        /// Flips the bits of `mask`, whoever else changes the word at the same time.
        #[inline(always)]
        pub fn flip(&self, mask: u64) {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe { atomic_xor::<u64, u64, { AtomicOrdering::Relaxed }>(self.0.get(), mask) };
        }

        /// Sets the bits of `mask`, whoever else changes the word at the same time.
        #[inline(always)]
        pub fn set(&self, mask: u64) {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe { atomic_or::<u64, u64, { AtomicOrdering::Relaxed }>(self.0.get(), mask) };
        }

        /// Replaces `old` by `new`; false when the word was no longer `old`.
        #[inline(always)]
        pub fn replace(&self, old: u64, new: u64) -> bool {
            // SAFETY: the cell's pointer is aligned and points to a live value.
            unsafe {
                atomic_cxchg::<u64, { AtomicOrdering::Relaxed }, { AtomicOrdering::Relaxed }>(self.0.get(), old, new).1
            }
        }
    }

    /// Loads before this call are issued before loads after it.
    #[inline(always)]
    pub(crate) fn acquire() {
        compiler_fence(Ordering::Acquire);
    }

    /// Stores before this call are issued before stores after it.
    #[inline(always)]
    pub(crate) fn release() {
        compiler_fence(Ordering::Release);
    }
}
