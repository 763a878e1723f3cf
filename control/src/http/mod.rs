//! HTTP for machines: health, metrics, calls, peers, records, and a WebSocket of events.
//!
//! Handlers have to be `Send`, and what they ask about lives on the daemon's one thread. They leave a question at the
//! [`Desk`](desk::Desk), and that thread puts it to the [`Appliance`] between two messages. [`News`] goes the other way: who
//! follows it gets a text per event, and who does not keep up is let go.
//!
//! Nothing here asks who somebody is. The configuration says who can reach the address; [`guard`] keeps out web pages of
//! others, which a browser on this host would let in.

mod api;
mod counts;
mod desk;
mod events;
mod follow;
mod guard;
mod metrics;
mod problem;
mod server;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, rc::Rc};

use tokio::task::JoinSet;

pub(crate) use self::{
    events::News,
    metrics::{CallsOfPeer, Measures, PhaseCounts, SipMeasures},
};
use crate::{
    failure::Failure,
    protocol::{CallView, PeerView, Refusal, UserView},
};

/// What can be asked of the daemon. Each is answered at once.
pub(crate) trait Appliance {
    /// Why it wants no new calls; nothing when it does.
    fn unready(&self) -> Vec<String>;

    /// Everything that is measured.
    fn measures(&self) -> Measures;

    /// The calls that there are, the oldest first.
    fn calls(&self) -> Result<Vec<CallView>, Refusal>;

    /// One call.
    fn call(&self, id: &str) -> Result<CallView, Refusal>;

    /// The peers that there are.
    fn peers(&self) -> Result<Vec<PeerView>, Refusal>;

    /// The users that there are.
    fn users(&self) -> Result<Vec<UserView>, Refusal>;

    /// Ends a call. Says what was done.
    fn hang_up(&self, id: &str) -> Result<Vec<String>, Refusal>;

    /// The database of call records.
    fn database(&self) -> Result<PathBuf, Refusal>;
}

/// Begins to answer HTTP at an address, on the current thread's local tasks.
pub(crate) fn start(
    listen: SocketAddr,
    appliance: Rc<dyn Appliance>,
    news: News,
    tasks: &mut JoinSet<()>,
) -> Result<SocketAddr, Failure> {
    let failed = |error| server::taken(listen, &error);
    let listener = server::open(listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (desk, questions) = desk::open();
    let state = api::State::new(desk, news);
    let counts = state.counts.clone();
    let router = api::router(state, address.ip().is_loopback());
    tasks.spawn_local(desk::attend(appliance, questions));
    tasks.spawn_local(server::accept(listener, router, counts));
    Ok(address)
}
