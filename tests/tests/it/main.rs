//! What the parts do together.
//!
//! Tests that need root stand in modules named `privileged`; without root, `--skip privileged` leaves them out.

mod bench;
mod calls;
mod daemon;
mod demo;
mod fuzz_seeds;
mod lab;
mod paths;
mod refusals;
mod restart;
mod xdp_model;
