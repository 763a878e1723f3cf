//! The data plane's decisions, without I/O and without a clock.
//!
//! [`Plane`] turns what control wants — relays, copies, diverts — into writes to tables and into [`Command`]s for the
//! shell around it. The tables are [`Memory`]: BPF maps on the XDP path, the process's own on the `io_uring` path.

#![forbid(unsafe_code)]

mod memory;
mod way;

pub use memory::{HeapMemory, Memory};
pub use way::{Link, Way};
