//! The data plane's decisions, without I/O and without a clock.
//!
//! [`Plane`] turns what control wants — relays, copies, diverts — into writes to tables, with the effects that a write
//! cannot have asked of the shell around it, the [`Fabric`]. The tables are [`Memory`]: BPF maps on the XDP path, the process's own on the `io_uring` path.

#![forbid(unsafe_code)]

pub mod engine;
mod fabric;
mod memory;
pub mod mixer;
mod mos;
mod plane;
pub mod recorder;
mod relay;
mod way;

pub use fabric::{Fabric, FabricError};
pub use memory::{HeapMemory, Memory};
pub use mos::{Quality, mos};
pub use plane::{Capacity, Plane, PlaneError, Refused, StreamReport, groups_for, streams_copied};
pub use relay::{Clock, CopyId, Dscp, End, Kind, Mixer, MonitorPort, Node, Policy, Relay};
pub use way::{Link, Way};
