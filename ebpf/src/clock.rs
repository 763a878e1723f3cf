//! When a packet came.
//!
//! Reading the kernel's clock costs as much as half of all else that is done for a packet. Packets that an interface's
//! driver handed over in one poll came together, so the first of them reads the clock for all: [`poll_end`](crate::poll_end)
//! makes the next poll read it again. Where that program does not run, every packet reads it.

use aya_ebpf::helpers::{bpf_ktime_get_ns, generated::bpf_jiffies64};
use undertone_abi::{Config, PollTime};

use crate::tables;

/// When the packet came: `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
pub(crate) fn now_ns(config: &Config) -> u64 {
    if !config.has_poll_end() {
        return read();
    }
    let Some(time) = tables::poll_time() else { return read() };
    // A packet that comes outside of any poll, as from a tunnel's process, finds a time that is at most a tick old.
    // SAFETY: the helper has no preconditions.
    let tick = unsafe { bpf_jiffies64() };
    match time.at(tick) {
        Some(now_ns) => now_ns,
        None => {
            let now_ns = read();
            time.set(tick, now_ns);
            now_ns
        }
    }
}

/// Has the next packet of this CPU read the clock.
#[inline(always)]
pub(crate) fn forget() {
    if let Some(time) = tables::poll_time() {
        time.forget();
    }
}

#[inline(always)]
fn read() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}
