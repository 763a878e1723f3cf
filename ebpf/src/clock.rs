//! When a packet came.
//!
//! Reading the kernel's clock costs as much as half of all else that is done for a packet. Packets that an interface's
//! driver handed over in one poll came together, so the first of them reads the clock for all: [`poll_end`](crate::poll_end)
//! makes the next poll read it again. Where that program does not run, every packet reads it.

use undertone_abi::Config;

use crate::{packet::Packet, tables};

/// When the packet came: `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
pub(crate) fn now_ns(config: &Config) -> u64 {
    if !config.has_poll_end() {
        return Packet::clock_ns();
    }
    let Some(time) = tables::poll_time() else { return Packet::clock_ns() };
    // A packet that comes outside of any poll, as from a tunnel's process, finds a time that is at most a tick old.
    let tick = Packet::tick();
    match time.at(tick) {
        Some(now_ns) => now_ns,
        None => {
            let now_ns = Packet::clock_ns();
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
