//! HTTP for machines: health, metrics, calls, peers, records, and a WebSocket of events.
//!
//! Handlers have to be `Send`, and what they ask about lives on the daemon's one thread. They leave a question at the
//! [`Desk`], and that thread puts it to the [`Appliance`] between two messages. [`News`] goes the other way: who
//! follows it gets a text per event, and who does not keep up is let go.
//!
//! Nothing here asks who somebody is. The configuration says who can reach the address; [`guard`] keeps out web pages of
//! others, which a browser on this host would let in.

mod api;
mod body;
mod counts;
mod desk;
mod events;
mod follow;
mod guard;
mod metrics;
mod monitors;
mod problem;
mod recordings;
mod server;
pub(crate) mod socket;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    rc::Rc,
};

use tokio::{net::TcpListener, task::JoinSet};
use undertone_core::mixer::Mode;

pub(crate) use self::{
    api::{AuditQuery, aside, audit_filter, audit_rows},
    body::read as read_body,
    counts::Counts,
    desk::{Desk, attend},
    events::News,
    metrics::{CallsOfPeer, Measures, MonitorMeasures, PhaseCounts, RecordingMeasures, SipMeasures},
    monitors::Change,
    problem::Problem,
    server::{Client, accept},
};
use crate::{
    failure::Failure,
    protocol::{CallView, MonitorSpec, MonitorView, PeerView, RecordingSpec, RecordingView, Refusal, UserView},
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

    /// The monitor sessions that there are, the oldest first.
    fn monitors(&self) -> Result<Vec<MonitorView>, Refusal>;

    /// One of them.
    fn monitor(&self, id: &str) -> Result<MonitorView, Refusal>;

    /// Has a supervisor called, who is to monitor an extension. The session has its name at once. `from` is, here and below, the
    /// address of who asks.
    fn begin_monitor(&self, spec: MonitorSpec, from: IpAddr) -> Result<MonitorView, Refusal>;

    /// Gives one of them another mode.
    fn switch_monitor(&self, id: &str, mode: Mode, from: IpAddr) -> Result<MonitorView, Refusal>;

    /// Ends one of them. Says what was done.
    fn end_monitor(&self, id: &str, from: IpAddr) -> Result<Vec<String>, Refusal>;

    /// The recordings that run, the oldest first.
    fn recordings(&self) -> Result<Vec<RecordingView>, Refusal>;

    /// One of them, by its call.
    fn recording(&self, call: &str) -> Result<RecordingView, Refusal>;

    /// Records a call.
    fn begin_recording(&self, spec: RecordingSpec, from: IpAddr) -> Result<RecordingView, Refusal>;

    /// Ends the recording of a call. Says what was done.
    fn end_recording(&self, call: &str, from: IpAddr) -> Result<Vec<String>, Refusal>;

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
    let listener = self::listen(listen, "http.listen")?;
    let address = listener.local_addr().map_err(|error| server::taken(listen, "http.listen", &error))?;
    let (desk, questions) = Desk::open();
    let state = api::State::new(desk, news);
    let counts = state.counts.clone();
    let router = api::router(state, address.ip().is_loopback());
    tasks.spawn_local(attend(appliance, questions));
    tasks.spawn_local(accept(listener, None, router, counts));
    Ok(address)
}

/// Opens a listener at the address of a key of the configuration.
pub(crate) fn listen(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    server::open(address).map_err(|error| server::taken(address, key, &error))
}
