//! What the kernel side and user space agree on.
//!
//! Everything that lies in a BPF map is declared here once: its name, its size, its layout and the way it is
//! read and written. The logic that must be the same on every path — picking the live rule, learning a source,
//! counting loss — lives beside the values it works on, so that the XDP program and the `io_uring` engine run the
//! same lines.
//!
//! Two kinds of cache line make up a table: lines that user space writes ([`Published`], [`Group`], [`Config`]) and
//! lines that the kernel writes ([`Live`], [`Account`]). No line has two writers, which is why a control update
//! can never erase what the kernel learned.
//!
//! The crate does no I/O and reads no clock: time is an argument, in nanoseconds of `CLOCK_MONOTONIC`, the clock
//! behind `bpf_ktime_get_ns`.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    expect(internal_features, reason = "the BPF target has no atomic read-modify-write in `core::sync::atomic`")
)]
#![deny(unsafe_code)]

mod address;
mod cell;
mod config;
mod gap;
mod group;
mod hop;
#[cfg(test)]
mod layout;
pub mod limits;
mod poll_time;
mod published;
mod reason;
mod reception;
mod row;
mod rule;
mod source;

pub use address::{Address, Endpoint};
pub use cell::{Word32, Word64};
pub use config::{Config, LocalAddress, MediaAddress, MediaAddressSlot, Side, lane_of};
pub use group::{CopyMark, CopyRule, Group, GroupPlan, Shapes, Turn};
pub use hop::{Hop, Tag};
pub use poll_time::PollTime;
pub use published::{Packed, Published};
pub use reason::{Fate, Reason};
pub use reception::Rtp;
pub use row::{Account, Epoch, Live, Row, RowIndex, Statistics};
pub use rule::{Clock, Dscp, Head, Kind, Local, Policy, Rule, Via};
pub use source::Admission;

/// The version of every layout in this crate.
///
/// Raise it whenever a map's layout or meaning changes: a daemon that finds tables of another version pinned
/// refuses to adopt them. A test holds the layouts against `layouts/`, a file named by the version.
pub const ABI_VERSION: u32 = 4;

/// The names of the maps, as they stand in the object file and under the pin directory.
pub mod maps {
    /// One [`Row`](crate::Row) per media port: `address index * 65,536 + port`.
    pub const ROWS: &str = "ROWS";
    /// One [`Published`](crate::Published) [`Hop`](crate::Hop) per next hop.
    pub const HOPS: &str = "HOPS";
    /// One [`Group`](crate::Group) per row that is copied.
    pub const GROUPS: &str = "GROUPS";
    /// One [`Config`](crate::Config).
    pub const CONFIG: &str = "CONFIG";
    /// One nanosecond time: the last beat of the mixer's thread.
    pub const HEARTBEAT: &str = "HEARTBEAT";
    /// Packets per [`Reason`](crate::Reason), per CPU.
    pub const REASONS: &str = "REASONS";
    /// Devices that packets leave through, by device slot.
    pub const DEVICES: &str = "DEVICES";
    /// One device map per shape: which devices a packet is broadcast to, in which order.
    pub const SHAPES: &str = "SHAPES";
    /// Per CPU: the serial of the last packet that was broadcast.
    pub const SERIAL: &str = "SERIAL";
    /// Per CPU and device slot: which copy of which packet left last.
    pub const TURNS: &str = "TURNS";
    /// Per CPU: one [`PollTime`](crate::PollTime).
    pub const POLL_TIME: &str = "POLL_TIME";
    /// Row indices whose source was learned and is not the signalled one: user space finds the way to it.
    pub const MOVES: &str = "MOVES";
    /// Version and sizes of what is pinned.
    pub const META: &str = "META";
}

/// The names of the programs in the object file.
pub mod programs {
    /// Attached to every interface that media arrives on.
    pub const RELAY: &str = "relay";
    /// Runs on each frame that leaves through a device which carries copies.
    pub const EGRESS: &str = "egress";
    /// Attached to the kernel's tracepoint of the same purpose: ends the time that a poll's packets share.
    pub const POLL_END: &str = "poll_end";
    /// Attached to the far end of the mixer's link, which has to run some program to take redirected frames.
    pub const PASS: &str = "pass";
}
