//! The Linux side of the data plane.
//!
//! [`Dataplane`] is what control drives. Below it stand two paths for packets, chosen once when it is opened: XDP
//! programs with their tables in the kernel, and sockets with `io_uring` in this process. Both run the same rules.

#![deny(unsafe_code)]

mod counts;
mod dataplane;
mod door;
mod error;
pub mod host;
pub mod kernel;
mod mixer;
mod options;
pub mod sockets;
mod sockets_path;
mod threads;
pub mod ways;
mod xdp;

pub use undertone_abi::{Fate, Reason, Statistics};
pub use undertone_core::{
    Capacity, Clock, CopyId, Dscp, End, Kind, MonitorPort, Node, PlaneError, Policy, Quality, Refused, Relay,
    StreamReport, mos,
};

pub use self::{
    dataplane::Dataplane,
    door::monotonic_ns,
    error::OpenError,
    kernel::KernelError,
    mixer::{MixerError, MixerEvent, Mixing, Reports, SESSIONS_MAX, SessionReport},
    options::{Adopted, InterfacePath, MixerOptions, Options, Path, PathChoice},
};
