//! The data plane, as calls see it.

use std::net::SocketAddr;

use undertone_control_core::call::{Media, MediaFailure};
use undertone_core::{PlaneError, Relay, StreamReport};
use undertone_dataplane::Dataplane;

/// A data plane that calls are relayed by.
pub(crate) struct DataplaneMedia(pub(super) Dataplane);

impl Media for DataplaneMedia {
    fn add(&mut self, relay: &Relay) -> Result<(), MediaFailure> {
        self.0.add(relay).map_err(failure)
    }

    fn change(&mut self, relay: &Relay) -> Result<(), MediaFailure> {
        self.0.change(relay).map_err(failure)
    }

    fn remove(&mut self, at: SocketAddr) {
        if let Err(error) = self.0.remove(at) {
            tracing::warn!(%at, %error, "a relay was not there any more");
        }
    }

    fn report(&self, at: SocketAddr) -> Option<StreamReport> {
        self.0.report(at).ok()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn failure(error: PlaneError) -> MediaFailure {
    MediaFailure(error.to_string())
}
