//! Events, as those who follow them read them: a JSON object each.

use std::{net::SocketAddr, time::SystemTime};

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;
use undertone_control_core::{
    audit,
    call::{CallId, Phase, Record},
    element::Event,
    recording::{Recording, Told},
    trunk::PeerIndex,
};
use undertone_core::mixer::Mode;

use crate::{
    monitor,
    protocol::{CallView, MonitorView, PeerView, RecordingView, SupervisorView},
    recording,
    sip::{Audience, Sip, now},
    storage::{PastCall, shown},
};

/// Events that may wait for a follower to read them. With one more it has missed one.
pub(super) const QUEUE: usize = 1024;

/// Tells followers what happens. A handle.
#[derive(Clone, Debug)]
pub(crate) struct News {
    channel: broadcast::Sender<Utf8Bytes>,
}

/// An event with its time.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    #[serde(flatten)]
    what: What,
    /// When it happened: RFC 3339, UTC.
    at: String,
}

/// What happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum What {
    /// How things stand when somebody begins to follow: everything else comes after it.
    Snapshot { calls: Vec<CallView>, peers: Vec<PeerView>, monitors: Vec<MonitorView>, recordings: Vec<RecordingView> },
    /// A call has begun. `call` is null when it ended in the same moment, as one that no peer has room for.
    CallBegun { id: String, call: Option<CallView> },
    /// Its callee rings.
    CallRinging { id: String, call: Option<CallView> },
    /// Its callee has answered.
    CallUp { id: String, call: Option<CallView> },
    /// A party, caller or callee, turns out to be another one than was thought, or somebody else speaks now.
    CallIdentity { id: String, party: &'static str, call: Option<CallView> },
    /// It is over.
    CallEnded { id: String, record: PastCall },
    /// A call was not taken. It never began.
    CallRefused { peer: String, dialled: String, status: u16, why: String },
    /// Media of a call cannot be relayed.
    MediaFailed { id: String, why: String },
    /// A monitor session has begun. `monitor` is null when it ended in the same moment.
    MonitorStarted { id: String, monitor: Option<MonitorView> },
    /// The supervisor's phone is connected.
    MonitorUp { id: String, monitor: MonitorView },
    /// The session is in another mode.
    MonitorMode { id: String, monitor: Option<MonitorView> },
    /// It goes on with another call, or waits for one.
    MonitorCall { id: String, monitor: Option<MonitorView> },
    /// It is over.
    MonitorEnded { id: String, supervisor: SupervisorView, extension: String, reason: String },
    /// A session, or a change of one, was refused: `id` is null where there is none. `reason` is the one in the audit.
    MonitorRefused {
        id: Option<String>,
        supervisor: SupervisorView,
        extension: String,
        mode: Option<&'static str>,
        reason: String,
    },
    /// A call is recorded from now on. `id` is the call's, as of those that follow.
    RecordingStarted { id: String, recording: RecordingView },
    /// Its streams are others: of another codec, or at other ports.
    RecordingChanged { id: String, recording: RecordingView },
    /// Its file is not written any more. The call goes on, and so do copies to a recorder of the operator's.
    RecordingFailed { id: String, recording: RecordingView, reason: &'static str },
    /// It is over, and its file whole.
    RecordingEnded { id: String, recording: RecordingView, reason: &'static str },
    /// A call is not recorded that was to be.
    RecordingRefused { id: String, reason: &'static str },
    /// A peer answers again.
    PeerUp { peer: String },
    /// A peer does not answer.
    PeerDown { peer: String },
    /// One of several targets of a peer answers again.
    TargetUp { peer: String, target: SocketAddr },
    /// One of several targets of a peer does not answer.
    TargetDown { peer: String, target: SocketAddr },
}

impl News {
    pub(crate) fn new() -> Self {
        Self { channel: broadcast::Sender::new(QUEUE) }
    }

    /// What happens from now on.
    pub(super) fn follow(&self) -> broadcast::Receiver<Utf8Bytes> {
        self.channel.subscribe()
    }

    /// Tells everybody who follows.
    pub(super) fn tell(&self, what: What) {
        // Nobody follows any more: so be it.
        let _ = self.channel.send(text(&Item::now(what)));
    }

    fn has_followers(&self) -> bool {
        self.channel.receiver_count() > 0
    }
}

impl Item {
    pub(super) fn now(what: What) -> Self {
        Self { what, at: shown(Timestamp::now()) }
    }
}

/// An item as it is sent.
pub(super) fn text(item: &Item) -> Utf8Bytes {
    // The types above have no maps with keys that are not texts, so that this cannot fail.
    serde_json::to_string(item).unwrap_or_default().into()
}

impl Audience for News {
    fn happened(&self, sip: &Sip, event: &Event) {
        if self.has_followers() {
            self.tell(what(sip, event));
        }
    }

    fn ended(&self, record: &Record, at: SystemTime) {
        if self.has_followers() {
            self.tell(What::CallEnded { id: record.id.to_string(), record: PastCall::new(record, at) });
        }
    }
}

impl monitor::Audience for News {
    fn written(&self, event: &audit::Event, session: Option<MonitorView>) {
        if self.has_followers()
            && let Some(what) = monitored(event, session)
        {
            self.tell(what);
        }
    }

    fn connected(&self, session: &MonitorView) {
        if self.has_followers() {
            self.tell(What::MonitorUp { id: session.id.clone(), monitor: session.clone() });
        }
    }
}

impl recording::Audience for News {
    fn told(&self, told: &Told, view: &dyn Fn(&Recording) -> RecordingView) {
        if !self.has_followers() {
            return;
        }
        let view = |recording: &Recording| (recording.call.to_string(), view(recording));
        self.tell(match told {
            Told::Started(recording) => {
                let (id, recording) = view(recording);
                What::RecordingStarted { id, recording }
            }
            Told::Changed(recording) => {
                let (id, recording) = view(recording);
                What::RecordingChanged { id, recording }
            }
            Told::Failed(recording, fault) => {
                let (id, recording) = view(recording);
                What::RecordingFailed { id, recording, reason: fault.key() }
            }
            Told::Ended(recording, reason) => {
                let (id, recording) = view(recording);
                What::RecordingEnded { id, recording, reason }
            }
            Told::Refused(call, refusal) => What::RecordingRefused { id: call.to_string(), reason: refusal.key() },
        });
    }
}

/// What followers are told of a row of the audit, where they are.
fn monitored(event: &audit::Event, monitor: Option<MonitorView>) -> Option<What> {
    let id = event.session.map(|id| id.to_string());
    let (supervisor, extension) = (SupervisorView::from(&event.by), event.on.extension.clone());
    let (mode, reason) = (event.mode.map(Mode::key), event.reason.clone());
    Some(match event.what {
        audit::What::SessionStarted => What::MonitorStarted { id: id?, monitor },
        audit::What::ModeChanged | audit::What::RightsWithdrawn => What::MonitorMode { id: id?, monitor },
        audit::What::CallChanged => What::MonitorCall { id: id?, monitor },
        audit::What::SessionEnded => What::MonitorEnded { id: id?, supervisor, extension, reason },
        audit::What::Refused => What::MonitorRefused { id, supervisor, extension, mode, reason },
        _ => return None,
    })
}

fn what(sip: &Sip, event: &Event) -> What {
    let name = |peer: PeerIndex| {
        sip.with(|element| element.trunks().peer(peer).map(|peer| peer.name.clone()).unwrap_or_default())
    };
    match event {
        Event::Call(id, phase) => {
            let (id, call) = (id.to_string(), view(sip, *id, *phase));
            match phase {
                Phase::Trying => What::CallBegun { id, call },
                Phase::Ringing => What::CallRinging { id, call },
                Phase::Up => What::CallUp { id, call },
            }
        }
        Event::Identity(id, role) => {
            let call = sip.with(|element| Some(CallView::new(element.call(*id)?, element.trunks(), now().0)));
            What::CallIdentity { id: id.to_string(), party: role.key(), call }
        }
        Event::Refused { peer, dialled, status, why } => {
            What::CallRefused { peer: name(*peer), dialled: dialled.clone(), status: *status, why: why.clone() }
        }
        Event::Media(id, why) => What::MediaFailed { id: id.to_string(), why: why.clone() },
        Event::Peer(peer, true) => What::PeerUp { peer: name(*peer) },
        Event::Peer(peer, false) => What::PeerDown { peer: name(*peer) },
        Event::Target(peer, target, true) => What::TargetUp { peer: name(*peer), target: *target },
        Event::Target(peer, target, false) => What::TargetDown { peer: name(*peer), target: *target },
    }
}

/// The call as the event found it: it may have come further since.
fn view(sip: &Sip, id: CallId, phase: Phase) -> Option<CallView> {
    let view = sip.with(|element| Some(CallView::new(element.call(id)?, element.trunks(), now().0)));
    view.map(|view| CallView { phase: phase.key().into(), ..view })
}
