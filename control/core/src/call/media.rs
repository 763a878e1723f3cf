//! What a call asks of the data plane.

use std::net::SocketAddr;

use undertone_core::{Relay, StreamReport};

/// The data plane would not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MediaFailure(pub String);

/// The data plane, as a call sees it.
pub trait Media {
    /// Adds a relay. Nothing has changed after an error.
    fn add(&mut self, relay: &Relay) -> Result<(), MediaFailure>;

    /// Changes the relay between the same two ports. Nothing has changed after an error.
    fn change(&mut self, relay: &Relay) -> Result<(), MediaFailure>;

    /// Removes the relay that a port belongs to.
    fn remove(&mut self, at: SocketAddr);

    /// The stream that arrives at a port, as it is now.
    fn report(&self, at: SocketAddr) -> Option<StreamReport>;
}
