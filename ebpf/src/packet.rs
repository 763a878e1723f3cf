//! The one door to packet memory.

use core::{mem::MaybeUninit, ptr};

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_ktime_get_ns, bpf_xdp_adjust_head, bpf_xdp_adjust_meta, bpf_xdp_load_bytes, generated::bpf_jiffies64,
    },
    programs::XdpContext,
};
use undertone_abi::CopyMark;
use undertone_wire::{Frame, Room};

/// The packet that a program runs on.
pub(crate) struct Packet<'a> {
    ctx: &'a XdpContext,
}

impl<'a> Packet<'a> {
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext) -> Self {
        Self { ctx }
    }

    /// The interface it arrived on.
    #[inline(always)]
    pub(crate) fn ingress_interface(&self) -> u32 {
        // SAFETY: the context is valid for the whole run of the program.
        unsafe { (*self.ctx.ctx).ingress_ifindex }
    }

    /// The interface it leaves through; for the egress program only.
    #[inline(always)]
    pub(crate) fn egress_interface(&self) -> u32 {
        // SAFETY: the context is valid for the whole run of the program.
        unsafe { (*self.ctx.ctx).egress_ifindex }
    }

    /// `CLOCK_MONOTONIC` in nanoseconds.
    #[inline(always)]
    pub(crate) fn clock_ns() -> u64 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_ktime_get_ns() }
    }

    /// The kernel's ticks, 1 to 10 ms each. Costs one read of memory.
    #[inline(always)]
    pub(crate) fn tick() -> u64 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_jiffies64() }
    }

    /// Takes away what metadata the packet has: a frame that crossed a veth keeps what was written before.
    #[inline(always)]
    pub(crate) fn unmark(&mut self) {
        let length = self.ctx.data() as i32 - self.ctx.metadata() as i32;
        if length != 0 {
            self.move_metadata(length);
        }
    }

    /// Puts `mark` in front of the packet. False when the driver has no room for it.
    #[inline(always)]
    pub(crate) fn mark(&mut self, mark: CopyMark) -> bool {
        let length = self.ctx.data() as i32 - self.ctx.metadata() as i32;
        if !self.move_metadata(length - CopyMark::LENGTH as i32) {
            return false;
        }
        let start = self.ctx.metadata();
        if start + CopyMark::LENGTH > self.ctx.data() {
            return false;
        }
        // SAFETY: the bytes from `start` on are metadata, checked above; the kernel aligns metadata to four bytes.
        unsafe { ptr::write(start as *mut CopyMark, mark) };
        true
    }

    /// What [`mark`](Self::mark) wrote, if it did.
    #[inline(always)]
    pub(crate) fn read_mark(&self) -> Option<CopyMark> {
        let start = self.ctx.metadata();
        if start + CopyMark::LENGTH > self.ctx.data() {
            return None;
        }
        // SAFETY: the bytes from `start` on are metadata, checked above; every pattern is a `CopyMark`.
        let mark = unsafe { ptr::read(start as *const CopyMark) };
        (mark.magic == CopyMark::MAGIC).then_some(mark)
    }

    #[inline(always)]
    fn move_metadata(&mut self, bytes: i32) -> bool {
        // SAFETY: the helper checks the bounds.
        unsafe { bpf_xdp_adjust_meta(self.ctx.as_ptr().cast(), bytes) == 0 }
    }

    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<*mut [u8; N]> {
        let start = self.ctx.data() + offset;
        if start + N > self.ctx.data_end() { None } else { Some(start as *mut [u8; N]) }
    }
}

impl Frame for Packet<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        self.ctx.data_end() - self.ctx.data()
    }

    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        // SAFETY: the bytes lie within the packet, checked by `at`; nobody else changes them while we borrow it.
        self.at(offset).map(|bytes| unsafe { &*bytes })
    }

    #[inline(always)]
    fn peek<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: the helper checks the bounds of the packet; `bytes` is as long as it is told.
        let result =
            unsafe { bpf_xdp_load_bytes(self.ctx.as_ptr().cast(), offset as u32, bytes.as_mut_ptr().cast(), N as u32) };
        // SAFETY: on success the helper has written all of it.
        if result == 0 { Some(unsafe { bytes.assume_init() }) } else { None }
    }

    #[inline(always)]
    fn write<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        // SAFETY: as in `read`, and the borrow is unique.
        self.at(offset).map(|bytes| unsafe { &mut *bytes })
    }
}

impl Room for Packet<'_> {
    #[inline(always)]
    fn move_front(&mut self, bytes: i32) -> bool {
        // SAFETY: the helper checks the bounds; no reference into the packet outlives a call.
        unsafe { bpf_xdp_adjust_head(self.ctx.as_ptr().cast(), bytes) == 0 }
    }
}
