//! The Linux side of the data plane.

#![deny(unsafe_code)]

mod door;
pub mod kernel;

pub use door::monotonic_ns;
