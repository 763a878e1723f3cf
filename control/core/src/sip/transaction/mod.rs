//! Transactions (RFC 3261 §17 with the corrections of RFC 6026), without sockets and without a clock.
//!
//! [`Clients`] are the requests that we have sent, [`Servers`] those that we were sent. Both keep the bytes they may have
//! to send again, and nothing once that is over: a transaction that only waits for stragglers is its key and a deadline.
//! Their owner keeps what a transaction is about in a tag.
//!
//! The order of calls: `receive` with what came; then `begin` and `respond` as their owner decides; `timeout` whenever
//! [`deadline`](Clients::deadline) is over. What is to be sent is appended to a list that the caller brings.

mod clients;
mod servers;
mod slots;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use super::Flow;

pub use self::{
    clients::{ClientId, Clients, Expired, Heard},
    servers::{Arrived, ServerId, Servers},
};

/// Round-trip time, estimated (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest time between repetitions, of other requests than INVITE and of responses to INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// How long a transaction tries (timers B, F and H), and how long an accepted one waits (timers L and M).
pub const PATIENCE: Duration = Duration::from_secs(32);

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Where.
    pub flow: Flow,
    /// What.
    pub bytes: Bytes,
}

/// Twice as long as before, up to a bound.
fn longer(gap: Duration, max: Duration) -> Duration {
    (gap * 2).min(max)
}
