//! Programs that the benchmarks drive: a generator, a bare redirect and a sink.

#![no_std]
#![no_main]

use aya_ebpf::{macros::xdp, programs::XdpContext, bindings::xdp_action::XDP_DROP};

/// Counts and drops.
#[xdp]
pub fn sink(_ctx: XdpContext) -> u32 {
    XDP_DROP
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
