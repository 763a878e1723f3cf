//! One supervisor at one call.

use std::net::SocketAddr;

use undertone_core::mixer::{Mode, Party, Person};

use super::phones::Presence;
use crate::{
    audit::By,
    call::CallId,
    monitor::Collector,
    permission::Via,
    time::Nanos,
    ua::{Placement, UaId},
};

/// A monitor session.
#[derive(Debug)]
pub(super) struct Session {
    /// The call with the supervisor's phone; `None` until it is placed.
    pub(super) ua: Option<UaId>,
    /// That call, for as long as it is to be placed.
    pub(super) placement: Option<Box<Placement>>,
    /// Who monitors.
    pub(super) by: By,
    /// The extension that is monitored.
    pub(super) target: String,
    /// Its call; `None` while one is waited for.
    pub(super) call: Option<CallId>,
    /// The party that has the extension, as the mixer names parties: whoever is monitored first is its agent.
    pub(super) party: Party,
    pub(super) mode: Mode,
    /// The port that the supervisor's phone sends to.
    pub(super) at: SocketAddr,
    /// Where the phone is.
    pub(super) remote: Option<SocketAddr>,
    pub(super) stage: Stage,
    /// Whether it was told to end for want of an audit.
    pub(super) is_ending: bool,
    /// How and from where it was asked to end.
    pub(super) ended_by: Option<(Via, String)>,
    pub(super) collector: Collector,
    pub(super) since: Nanos,
    /// Whether the phone is there.
    pub(super) presence: Presence,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// That it begins is being written down.
    Auditing,
    /// That cannot be written down: it does not begin.
    Unwritten,
    /// The phone is being called.
    Calling,
    /// The phone's call is answered, and nothing is heard yet.
    Answered,
    /// The mixer has it.
    Up,
}

impl Session {
    pub(super) fn new(
        since: Nanos,
        ua: Option<UaId>,
        by: By,
        target: String,
        call: Option<CallId>,
        at: SocketAddr,
    ) -> Self {
        Self {
            ua,
            placement: None,
            by,
            target,
            call,
            party: Party::Agent,
            mode: Mode::Listen,
            at,
            remote: None,
            stage: Stage::Auditing,
            is_ending: false,
            ended_by: None,
            collector: Collector::default(),
            since,
            presence: Presence::default(),
        }
    }

    /// Who a party of the call is to this session.
    pub(super) const fn sees(&self, party: Party) -> Person {
        match self.party {
            Party::Agent => party.person(),
            Party::Caller => party.other().person(),
        }
    }
}
