//! Calls between peers that are programs of others: what they send each other goes through the daemon.
//!
//! On loopback addresses and the `io_uring` path without privilege; over XDP and IPv6 in a lab of namespaces.

mod baresip;
mod codecs;
mod dns;
mod exchange;
mod ground;
mod headers;
mod identities;
mod monitor;
mod names;
mod own;
mod peer;
mod portal;
mod quality;
mod recording;
mod restarts;
mod scenarios;
mod sipp;
mod speech;
mod strangers;
mod tls;
mod transports;
mod trouble;
mod volume;
