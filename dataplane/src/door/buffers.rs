//! Buffers that the kernel receives datagrams into: a provided buffer ring, `io_uring_register_buf_ring(3)`.

use std::{
    io,
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{Submitter, types::BufRingEntry};

/// The one buffer group of a ring.
pub(super) const GROUP: u16 = 0;

/// A received buffer, out of the kernel's hands until it is given back.
#[derive(Debug)]
pub(crate) struct Buffer {
    id: u16,
    /// Bytes that the kernel wrote.
    length: u16,
}

/// Buffers of one size, and the ring through which the kernel gets them.
#[derive(Debug)]
pub(super) struct Pool {
    entries: Mapping,
    memory: Mapping,
    count: u16,
    size: usize,
    /// How many were ever given to the kernel, modulo 2¹⁶.
    tail: u16,
}

impl Pool {
    /// A pool of `count` buffers (a power of two) of `size` bytes each (a multiple of 64), registered and all given
    /// to the kernel.
    ///
    /// # Safety
    ///
    /// The ring behind `submitter` has to be closed, with no receive under way, before the pool is dropped.
    pub(super) unsafe fn register(submitter: &Submitter<'_>, count: u16, size: usize) -> io::Result<Self> {
        debug_assert!(count.is_power_of_two() && size.is_multiple_of(64) && size < 65_536);
        let entries = Mapping::new(count as usize * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(count as usize * size)?;
        // SAFETY: the entries are page-aligned and live as long as the ring, as the caller promises.
        unsafe { submitter.register_buf_ring_with_flags(entries.start.as_ptr() as u64, count, GROUP, 0)? };
        let mut pool = Self { entries, memory, count, size, tail: 0 };
        for id in 0..count {
            pool.queue(id);
        }
        pool.publish();
        Ok(pool)
    }

    /// The buffer that a completion names, of which the kernel wrote `length` bytes.
    ///
    /// # Safety
    ///
    /// The kernel has just given up buffer `id`.
    pub(super) unsafe fn taken(&self, id: u16, length: usize) -> Buffer {
        debug_assert!(length <= self.size);
        Buffer { id, length: length.min(self.size) as u16 }
    }

    /// What the kernel wrote.
    pub(super) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        // SAFETY: the buffer lies within the mapping, which zeros were written to before the kernel wrote `length`
        // bytes, and it is out of the kernel's hands.
        unsafe { slice::from_raw_parts(self.at(buffer.id), buffer.length as usize) }
    }

    /// What the kernel wrote, to be changed.
    pub(super) fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8] {
        // SAFETY: as in `bytes`; the borrow of the pool is unique.
        unsafe { slice::from_raw_parts_mut(self.at(buffer.id), buffer.length as usize) }
    }

    /// Readies a buffer for the kernel, which sees it with the next [`publish`](Self::publish).
    #[expect(clippy::needless_pass_by_value, reason = "who gives a buffer back does not have it any more")]
    pub(super) fn give_back(&mut self, buffer: Buffer) {
        self.queue(buffer.id);
    }

    /// Shows the kernel all that was given back.
    pub(super) fn publish(&mut self) {
        let base = self.entries.start.cast::<BufRingEntry>();
        // SAFETY: the tail lies in the first entry's unused bytes, within the mapping, aligned; the kernel reads it
        // with acquire semantics.
        unsafe {
            AtomicU16::from_ptr(BufRingEntry::tail(base.as_ptr()).cast_mut()).store(self.tail, Ordering::Release);
        }
    }

    fn queue(&mut self, id: u16) {
        let index = self.tail & (self.count - 1);
        let address = self.at(id) as u64;
        // SAFETY: the index is below the number of entries, all of which lie in the mapping; the kernel does not read
        // an entry beyond the published tail. The setters leave the bytes of the tail alone.
        unsafe {
            let entry = &mut *self.entries.start.cast::<BufRingEntry>().as_ptr().add(index as usize);
            entry.set_addr(address);
            entry.set_len(self.size as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn at(&self, id: u16) -> *mut u8 {
        assert!(id < self.count, "a buffer of another pool");
        // SAFETY: the id is below `count`, so the result lies within the mapping.
        unsafe { self.memory.start.as_ptr().add(id as usize * self.size) }
    }
}

/// Anonymous memory, page-aligned and zeroed.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: plain memory with one owner.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(length: usize) -> io::Result<Self> {
        // SAFETY: a new private mapping at an address of the kernel's choice touches nothing of ours.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mapped at null"))?;
        Ok(Self { start, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
