//! What the page shows of calls, users and monitor sessions: as the daemon knows them, and as one viewer is told.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use undertone_control_core::{
    call::{CallId, PartyName, Phase, Role},
    directory::{Directory, User, UserIndex},
    monitor::{Monitoring, SessionId, desk::State},
    permission::{Denial, Facts, LocalTime, Question, Sound, Supervisor, Via, decide},
    portal::Sight,
    trunk::Side,
};
use undertone_core::mixer::Mode;

use crate::protocol::side;

/// A call. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallRow {
    pub(crate) id: CallId,
    pub(crate) phase: Phase,
    pub(crate) caller: PartyRow,
    pub(crate) callee: PartyRow,
    pub(crate) began_ms: u64,
    pub(crate) up_ms: Option<u64>,
    /// The worse of its directions' mean opinion scores, in tenths; `None` before anything was heard.
    pub(crate) mos_tenths: Option<u8>,
    pub(crate) is_emergency: bool,
    pub(crate) sound: Sound,
    /// The users who monitor it.
    pub(crate) supervisors: Vec<String>,
}

/// A party of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartyRow {
    pub(crate) name: PartyName,
    pub(crate) side: Side,
    pub(crate) peer: String,
}

/// A monitor session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MonitorRow {
    pub(crate) id: SessionId,
    pub(crate) state: State,
    pub(crate) extension: String,
    pub(crate) call: Option<CallId>,
    pub(crate) mode: Mode,
    /// The supervisor: the user by name, and the extension.
    pub(crate) user: String,
    pub(crate) phone: String,
    pub(crate) via: Via,
    pub(crate) began_ms: u64,
}

/// Who may see and do what, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) directory: Directory,
    pub(crate) monitoring: Monitoring,
}

/// One who looks, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewer<'r> {
    pub(super) sight: Sight<'r>,
    pub(super) rights: &'r Rights,
    pub(super) time: LocalTime,
}

/// A call, as a viewer is told of it.
#[derive(Debug, Serialize)]
pub(super) struct CallView<'r> {
    id: String,
    phase: &'static str,
    direction: &'static str,
    caller: PartyView<'r>,
    callee: PartyView<'r>,
    trunk: &'r str,
    began_ms: u64,
    up_ms: Option<u64>,
    mos: Option<f64>,
    monitored: usize,
    targets: Vec<TargetView<'r>>,
}

#[derive(Debug, Serialize)]
struct PartyView<'r> {
    name: &'r str,
    number: &'r str,
    extension: &'r str,
    user: &'r str,
    side: &'static str,
    private: bool,
}

/// A party that the viewer may monitor.
#[derive(Debug, Serialize)]
struct TargetView<'r> {
    extension: &'r str,
    name: &'r str,
    /// The modes in which they may, now.
    modes: Vec<&'static str>,
    /// Why not in the others.
    denied: BTreeMap<&'static str, &'static str>,
    /// Why not at all, now; empty when they may.
    refused: &'static str,
}

/// A user, as a viewer is told of them.
#[derive(Debug, Serialize)]
pub(super) struct AgentView<'r> {
    user: &'r str,
    name: &'r str,
    extension: &'r str,
    site: &'r str,
    queues: Vec<&'r str>,
    state: &'static str,
    call: Option<String>,
    since_ms: Option<u64>,
    mos: Option<f64>,
}

/// A monitor session, as a viewer is told of it.
#[derive(Debug, Serialize)]
pub(crate) struct MonitorView<'r> {
    id: String,
    state: &'static str,
    extension: &'r str,
    call: Option<String>,
    mode: &'static str,
    own: bool,
    supervisor: SupervisorView<'r>,
    began_ms: u64,
}

#[derive(Debug, Serialize)]
struct SupervisorView<'r> {
    user: &'r str,
    name: &'r str,
    extension: &'r str,
    via: &'static str,
}

/// The users who monitor each call.
pub(super) type Supervisors = HashMap<CallId, Vec<String>>;

impl CallRow {
    /// With those who monitor it.
    pub(super) fn with(mut self, supervisors: &Supervisors) -> Self {
        self.supervisors = supervisors.get(&self.id).cloned().unwrap_or_default();
        self
    }

    pub(super) fn party(&self, role: Role) -> &PartyRow {
        match role {
            Role::Caller => &self.caller,
            Role::Callee => &self.callee,
        }
    }

    /// The users whom its parties are, by name.
    pub(super) fn users(&self) -> impl Iterator<Item = &str> {
        [&self.caller, &self.callee].into_iter().map(|party| party.name.user.as_str()).filter(|user| !user.is_empty())
    }

    fn direction(&self) -> &'static str {
        match (self.caller.side, self.callee.side) {
            (Side::OffNet, Side::OnNet) => "inbound",
            (Side::OnNet, Side::OffNet) => "outbound",
            (Side::OnNet, Side::OnNet) => "internal",
            (Side::OffNet, Side::OffNet) => "transit",
        }
    }

    /// The off-net peer that it comes from, or else the one that it goes to.
    fn trunk(&self) -> &str {
        let off_net = [&self.caller, &self.callee].into_iter().find(|party| party.side == Side::OffNet);
        off_net.map(|party| party.peer.as_str()).unwrap_or_default()
    }

    fn mos(&self) -> Option<f64> {
        self.mos_tenths.map(|tenths| f64::from(tenths) / 10.0)
    }
}

impl<'r> Viewer<'r> {
    pub(super) fn sees_call(&self, row: &CallRow) -> bool {
        self.sight.sees_call([&row.caller.name, &row.callee.name])
    }

    /// Whether they may know of a session: their own, and those of users that they see.
    pub(super) fn sees_monitor(&self, row: &MonitorRow) -> bool {
        self.sees_user(&row.user)
    }

    fn sees_user(&self, name: &str) -> bool {
        self.rights.directory.index_of(name).is_some_and(|user| self.sight.sees(user))
    }

    pub(super) fn is_own(&self, row: &MonitorRow) -> bool {
        row.user == self.sight.user().name
    }

    /// A call that they see.
    pub(super) fn call(&self, row: &'r CallRow) -> CallView<'r> {
        CallView {
            id: row.id.to_string(),
            phase: row.phase.key(),
            direction: row.direction(),
            caller: PartyView::new(&row.caller),
            callee: PartyView::new(&row.callee),
            trunk: row.trunk(),
            began_ms: row.began_ms,
            up_ms: row.up_ms,
            mos: row.mos(),
            monitored: row.supervisors.iter().filter(|user| self.sees_user(user)).count(),
            targets: Role::BOTH.into_iter().filter_map(|agent| self.target(row, agent)).collect(),
        }
    }

    /// A party of a call, if they may ever monitor it.
    fn target(&self, row: &'r CallRow, agent: Role) -> Option<TargetView<'r>> {
        let [party, other] = [agent, agent.other()].map(|role| row.party(role));
        if row.phase != Phase::Up || party.name.extension.is_empty() || !self.sight.pages().monitoring {
            return None;
        }
        let facts = Facts {
            sides: [party.side, other.side],
            other: &other.name.extension,
            other_number: &other.name.number,
            is_emergency: row.is_emergency,
            sound: row.sound,
        };
        let question = Question {
            supervisor: Supervisor::User(&self.sight.user().name),
            via: Via::Portal,
            side: Side::OnNet,
            target: &party.name.extension,
            mode: Mode::Listen,
            call: Some(facts),
            now: self.time,
        };
        let Rights { directory, monitoring } = self.rights;
        let mut target = TargetView {
            extension: &party.name.extension,
            name: &party.name.name,
            modes: Vec::new(),
            denied: BTreeMap::new(),
            refused: "",
        };
        for mode in Mode::ALL {
            match decide(monitoring, directory, &Question { mode, ..question }) {
                Ok(_) => target.modes.push(mode.key()),
                Err(denial) if is_for_ever(denial) => return None,
                Err(denial) => drop(target.denied.insert(mode.key(), denial.complaint())),
            }
        }
        // A session begins by listening.
        target.refused = target.denied.get(Mode::Listen.key()).copied().unwrap_or_default();
        Some(target)
    }

    pub(super) fn monitor(&self, row: &'r MonitorRow) -> MonitorView<'r> {
        let user = self.rights.directory.user_named(&row.user);
        MonitorView::new(row, user.map(User::shown_name).unwrap_or_default(), self.is_own(row))
    }

    /// The users whose doings they see, by their places, where there is a page of them.
    pub(super) fn agents(&self) -> impl Iterator<Item = UserIndex> {
        let count = if self.sight.pages().agents { self.rights.directory.users().len() } else { 0 };
        (0..count as u32).map(UserIndex).filter(|user| self.sight.sees(*user))
    }

    /// What a user does, who is in these calls and monitors in these sessions.
    pub(super) fn agent<'a>(
        &self,
        index: UserIndex,
        calls: impl Iterator<Item = &'a CallRow>,
        monitors: impl Iterator<Item = &'a MonitorRow>,
    ) -> Option<AgentView<'r>> {
        let user = self.rights.directory.user(index)?;
        let queues = self.rights.directory.queues().iter().filter(|queue| queue.agents.contains(&index));
        let call = calls.max_by_key(|call| (call.phase == Phase::Up, call.began_ms));
        let session = monitors.max_by_key(|session| session.began_ms);
        let (state, since_ms) = match (call, session) {
            (Some(call), _) if call.phase == Phase::Up => ("in-call", call.up_ms),
            (Some(call), _) => ("ringing", Some(call.began_ms)),
            (None, Some(session)) => ("monitoring", Some(session.began_ms)),
            (None, None) => ("free", None),
        };
        Some(AgentView {
            user: &user.name,
            name: user.shown_name(),
            extension: user.extensions.first().map(String::as_str).unwrap_or_default(),
            site: user.site.as_deref().unwrap_or_default(),
            queues: queues.map(|queue| queue.name.as_str()).collect(),
            state,
            call: call.map(|call| call.id.to_string()),
            since_ms,
            mos: call.and_then(CallRow::mos),
        })
    }
}

impl<'r> MonitorView<'r> {
    /// A session of a user's own, whose name for people is `name`.
    pub(super) fn own(row: &'r MonitorRow, name: &'r str) -> Self {
        Self::new(row, name, true)
    }

    fn new(row: &'r MonitorRow, name: &'r str, own: bool) -> Self {
        Self {
            id: row.id.to_string(),
            state: row.state.key(),
            extension: &row.extension,
            call: row.call.map(|call| call.to_string()),
            mode: row.mode.key(),
            own,
            supervisor: SupervisorView { user: &row.user, name, extension: &row.phone, via: row.via.key() },
            began_ms: row.began_ms,
        }
    }
}

impl<'r> PartyView<'r> {
    fn new(row: &'r PartyRow) -> Self {
        let PartyName { number, extension, name, user, is_private, source: _ } = &row.name;
        Self { name, number, extension, user, side: side(row.side), private: *is_private }
    }
}

/// Whether a denial is for as long as the configuration stays and the call lasts, and no control is to be there.
const fn is_for_ever(denial: Denial) -> bool {
    matches!(
        denial,
        Denial::UnknownSupervisor | Denial::OwnCall | Denial::Protected | Denial::UnknownExtension | Denial::NoRule
    )
}
