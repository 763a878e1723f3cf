//! What the benchmarks need of the machine: a core to themselves, a network to themselves, and processes
//! that are measured.

mod core;
mod facts;
mod link;
mod namespace;
mod process;
mod rtpengine;
mod standstill;
mod threads;

pub(crate) use self::core::{go_before_others, go_first, pin, thread_time};
pub(crate) use facts::facts;
pub(crate) use link::{ethtool, ip};
pub(crate) use namespace::Namespace;
pub(crate) use process::{Process, sibling};
pub(crate) use rtpengine::{CONTROL_PORT, Control, Rtpengine};
pub(crate) use standstill::Standstill;
pub(crate) use threads::{Thread, threads};
