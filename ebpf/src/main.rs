//! The XDP programs.
//!
//! [`relay`] runs on every interface that media arrives on; [`egress`] on every frame that leaves through a device
//! which carries copies. Both compute an [`Outcome`] and end in one `match` that turns it into an XDP action.
//! [`poll_end`] keeps their clock.

#![no_std]
#![no_main]

mod clock;
mod copies;
mod packet;
mod relay;
mod tables;

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS},
    macros::{raw_tracepoint, xdp},
    programs::{RawTracePointContext, XdpContext},
};
use undertone_abi::Reason;

use crate::packet::Packet;

/// What happens to a packet.
pub(crate) enum Outcome {
    /// It leaves through one device.
    Send { device: u8, reason: Reason },
    /// It leaves through every device of a shape.
    Broadcast { shape: u16, reason: Reason },
    /// The kernel's stack has it.
    Pass(Reason),
    /// It ends here.
    Drop(Reason),
}

/// Forwards, copies and diverts media; passes everything else.
#[xdp]
pub fn relay(ctx: XdpContext) -> u32 {
    let mut packet = Packet::new(&ctx);
    let (action, reason) = match relay::walk(&mut packet) {
        Outcome::Send { device, reason } => (tables::send(device), reason),
        Outcome::Broadcast { shape, reason } => (tables::broadcast(shape), reason),
        Outcome::Pass(reason) => (Some(XDP_PASS), reason),
        Outcome::Drop(reason) => (Some(XDP_DROP), reason),
    };
    tables::count(if action.is_some() { reason } else { Reason::NoHop });
    action.unwrap_or(XDP_DROP)
}

/// Makes each frame of a broadcast the copy it is.
#[xdp(map = "devmap")]
pub fn egress(ctx: XdpContext) -> u32 {
    let mut packet = Packet::new(&ctx);
    match copies::turn_into_copy(&mut packet) {
        // Not a copy, or the stream itself among its copies: it was counted on its way in.
        Ok(None) => XDP_PASS,
        Ok(Some(reason)) => {
            tables::count(reason);
            XDP_PASS
        }
        Err(reason) => {
            tables::count(reason);
            XDP_DROP
        }
    }
}

/// Passes everything. A virtual device takes redirected frames only while its other end runs a program.
#[xdp]
pub fn pass(_: XdpContext) -> u32 {
    XDP_PASS
}

/// Runs whenever a CPU has polled an interface: what comes next did not come with what came before.
#[raw_tracepoint(tracepoint = "napi_poll")]
pub fn poll_end(_: RawTracePointContext) -> i32 {
    clock::forget();
    0
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here can panic: the linker would refuse a program that could.
    loop {}
}

/// Some helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
