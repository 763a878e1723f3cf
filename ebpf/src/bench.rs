//! Programs that the benchmarks drive: generators, a bare redirect, and sinks.

#![no_std]
#![no_main]

#[path = "bench/generator.rs"]
mod generator;
#[expect(dead_code, reason = "shared with the relay, which needs more of it")]
mod packet;
#[path = "bench/tables.rs"]
mod tables;
#[path = "bench/traffic.rs"]
mod traffic;

use aya_ebpf::{
    bindings::{
        TC_ACT_SHOT,
        xdp_action::{XDP_ABORTED, XDP_DROP},
    },
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

use crate::{
    packet::Packet,
    tables::{End, Link},
};

/// Makes the frame the next packet over IPv4, and sends it to the program under test.
#[xdp]
pub fn generate(ctx: XdpContext) -> u32 {
    send(generator::write_v4(&mut Packet::new(&ctx)))
}

/// As [`generate`], with a VLAN tag.
#[xdp]
pub fn generate_vlan(ctx: XdpContext) -> u32 {
    send(generator::write_vlan(&mut Packet::new(&ctx)))
}

/// As [`generate`], over IPv6.
#[xdp]
pub fn generate_v6(ctx: XdpContext) -> u32 {
    send(generator::write_v6(&mut Packet::new(&ctx)))
}

#[inline(always)]
fn send(written: Option<()>) -> u32 {
    written.and_then(|()| tables::send(Link::ToRelay)).unwrap_or(XDP_ABORTED)
}

/// Sends every frame on as it is: what forwarding costs before any of it is decided.
#[xdp]
pub fn bare(_ctx: XdpContext) -> u32 {
    tables::send(Link::ToParty).unwrap_or(XDP_ABORTED)
}

/// As [`bare`], once a line of memory was read that belongs to the frame's stream and is in no cache when streams are
/// many: what forwarding in random order costs before anything else is done.
#[xdp]
pub fn bare_cold(ctx: XdpContext) -> u32 {
    match generator::read_stream(&Packet::new(&ctx)).and_then(tables::read_cold) {
        // Never so, but the compiler and the verifier do not know.
        Some(u64::MAX) | None => XDP_ABORTED,
        Some(_) => tables::send(Link::ToParty).unwrap_or(XDP_ABORTED),
    }
}

/// Where streams end: counts and drops.
#[xdp]
pub fn sink(_ctx: XdpContext) -> u32 {
    tables::count(End::Party);
    XDP_DROP
}

/// Where copies end: counts and drops.
#[xdp]
pub fn sink_copies(_ctx: XdpContext) -> u32 {
    tables::count(End::Monitor);
    XDP_DROP
}

/// Where streams end that a socket sent: counts and drops before the kernel's stack has any work with them.
#[classifier]
pub fn sink_sent(_ctx: TcContext) -> i32 {
    tables::count(End::Party);
    TC_ACT_SHOT
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
