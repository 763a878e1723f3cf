//! What the benchmarks need of the machine: a core to themselves, and a network to themselves.

mod core;
mod link;
mod namespace;

pub(crate) use self::core::{go_first, pin, thread_time};
pub(crate) use link::{ethtool, ip};
pub(crate) use namespace::Namespace;
