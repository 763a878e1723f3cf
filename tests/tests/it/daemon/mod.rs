//! The program as an operator meets it: `undertone run` and the commands that speak with it.
//!
//! Most of it needs no privilege: the daemon takes the `io_uring` path on loopback addresses.

mod appliance;
mod captures;
mod configuration;
pub(crate) mod http;
mod life;
pub(crate) mod operator;
mod pinned;
pub(crate) mod program;
mod relays;
mod requests;
mod service;
