//! The desk: monitor sessions, from a call to `007…` to its end.
//!
//! Sans I/O. It is told what happens ([`incoming`](Desk::incoming), [`call`](Desk::call), [`placed`](Desk::placed), [`media`](Desk::media), [`digit`](Desk::digit),
//! [`party`](Desk::party), [`call_changed`](Desk::call_changed), [`look_after`](Desk::look_after), [`present`](Desk::present), [`drained`](Desk::drained), [`ended`](Desk::ended), [`audited`](Desk::audited),
//! [`said`](Desk::said), and several times a second [`tick`](Desk::tick)), and after each of them [`poll`](Desk::poll) says what to do. Calls are looked at in the [`Element`], and never changed.
//!
//! A session that cannot be written down does not begin: what begins one waits for [`Output::Begin`] to be on the disk.

mod auditing;
mod calling;
mod counters;
mod following;
mod kept;
mod phones;
mod refusing;
mod session;
mod switching;
#[cfg(test)]
mod tests;
mod told;
mod view;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use undertone_core::{
    Dscp,
    mixer::{self, CallKey, Mode, SessionKey, SessionSpec, Signal},
};

pub use self::{
    auditing::AUDIT_GRACE,
    calling::{NotCalled, Wish},
    counters::{Counters, Refusals},
    kept::Kept,
    told::Saying,
    view::{CallStream, SessionView, State},
};
use self::{
    refusing::Attempts,
    session::{Session, Stage},
    told::Told,
};
use super::{Dialled, Monitoring, SessionId};
use crate::{
    audit::{By, Event, On, What},
    call::{Call, CallId, Media, Phase, Ports, Role},
    element::Element,
    permission::{Denial, Facts, Grant, LocalTime, Question, Supervisor, Via, decide},
    time::Nanos,
    trunk::Side,
    ua::{Cause, Incoming, MediaLeg, Placement, Terms, UaId},
};

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write down that a session begins, and say when that is done: [`Desk::audited`].
    Begin(SessionId, Event),
    /// Write something down.
    Audit(Event),
    /// Answer a call to one of our numbers.
    Accept(UaId, Terms),
    /// Refuse it: status and phrase, and the value of a Reason header.
    TurnDown(UaId, u16, &'static str, Option<String>),
    /// Have a call hear something before it is refused, or say at once that it cannot: [`Desk::said`]. The port that it is to
    /// be heard from goes by the session's name.
    SpeakEarly(SessionId, UaId, Terms),
    /// Have a call hear this, and say when it has: [`Desk::said`].
    Say(SessionId, Saying),
    /// Call a supervisor, and say what came of it: [`Desk::placed`].
    Place(SessionId, Box<Placement>),
    /// End a call of our own.
    HangUp(UaId, Cause),
    /// Ask the other end of a call of our own whether it is there, and say when it answers: [`Desk::present`].
    Probe(UaId),
    /// Tell the mixer of a call's streams: the agent's, and the caller's.
    SetCall(CallKey, [CallStream; 2]),
    /// The mixer need not follow a call any more.
    EndCall(CallKey),
    /// Open a session's port in the mixer.
    Open(SessionKey, SocketAddr, Option<Dscp>, SessionSpec),
    /// The supervisor's phone sends, or wants to hear, something else.
    Change(SessionKey, SessionSpec),
    /// Close a session's port.
    Close(SessionKey),
    /// Put a session to a call in a mode.
    Attach(SessionKey, CallKey, Mode),
    /// Have the agent and the caller of a call hear the consent tone, or no longer.
    Consent(CallKey, [bool; 2]),
    /// Take it away from its call.
    Detach(SessionKey),
    /// Play something to the supervisor alone.
    Play(SessionKey, Signal),
    /// Tell the supervisor alone why something was refused.
    Announce(SessionKey, Denial),
    /// Keep what there is of a session, in place of what was kept: [`Desk::kept`].
    Keep(SessionId),
    /// Keep nothing of it any more.
    Forget(SessionId),
    /// Copy the stream that comes to a media port to the mixer, or no longer.
    Tap(SocketAddr, bool),
    /// Lead the stream that comes to a media port by the mixer, or no longer.
    Divert(SocketAddr, bool),
}

/// A call that is followed.
#[derive(Debug)]
struct Watched {
    agent: Role,
    /// The extension that the agent has.
    target: String,
    /// What the mixer was told of its streams.
    streams: [CallStream; 2],
    /// Whether they are led by the mixer.
    diverted: [bool; 2],
    /// Whether the agent and the caller hear the consent tone.
    told: [bool; 2],
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    monitoring: Arc<Monitoring>,
    sessions: BTreeMap<SessionId, Session>,
    by_ua: HashMap<UaId, SessionId>,
    /// Calls that hear something and end.
    told: HashMap<SessionId, Told>,
    /// Refusals of late.
    attempts: Attempts,
    /// As time was at the last [`tick`](Self::tick).
    now: Nanos,
    /// Whether the audit cannot be written now.
    is_unaudited: bool,
    calls: HashMap<CallId, Watched>,
    ports: Ports,
    next: u64,
    counters: Counters,
    outputs: VecDeque<Output>,
}

/// Sessions at a time.
const SESSIONS_MAX: usize = 10_000;
/// Decoded and encoded for supervisors, the most wanted first.
const CODECS: [mixer::Codec; 7] = [
    mixer::Codec::Opus,
    mixer::Codec::G722,
    mixer::Codec::Pcma,
    mixer::Codec::Pcmu,
    mixer::Codec::L16(mixer::SampleRate::Hz16000),
    mixer::Codec::L16(mixer::SampleRate::Hz48000),
    mixer::Codec::L16(mixer::SampleRate::Hz8000),
];

impl Desk {
    /// A desk without sessions. `ports` are those of supervisors' phones, outside of the media ports. `first` is the number
    /// of the first session: none that was before.
    pub fn new(monitoring: Arc<Monitoring>, ports: Ports, first: u64) -> Self {
        Self {
            monitoring,
            sessions: BTreeMap::new(),
            by_ua: HashMap::new(),
            told: HashMap::new(),
            attempts: Attempts::default(),
            now: Nanos(0),
            is_unaudited: false,
            calls: HashMap::new(),
            ports,
            next: first,
            counters: Counters::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Works by another configuration from now on; what it does not permit any more, ends.
    pub fn set_monitoring<M: Media>(&mut self, monitoring: Arc<Monitoring>, time: LocalTime, element: &Element<M>) {
        self.monitoring = monitoring;
        let sessions: Vec<_> = self.sessions.keys().copied().collect();
        for id in sessions {
            self.check_again(id, time, element);
        }
        let calls: Vec<_> = self.calls.keys().copied().collect();
        for call in calls {
            self.follow_modes(call);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What was counted.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The sessions that there are.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView<'_>> {
        self.sessions.iter().map(|(id, session)| SessionView::new(*id, session))
    }

    /// Somebody calls one of our numbers.
    pub fn incoming<M: Media>(&mut self, now: Nanos, time: LocalTime, incoming: &Incoming, element: &Element<M>) {
        let by = By {
            user: incoming.party.user.clone(),
            extension: incoming.party.extension.clone(),
            via: Via::Phone,
            address: incoming.from.to_string(),
        };
        match self.monitoring.dialled(&incoming.number) {
            Some(Dialled::Extension(extension)) => {
                let side = element.trunks().peer(incoming.peer).map_or(Side::OffNet, |peer| peer.side);
                match self.admit(&by, side, &extension, Mode::Listen, time, element) {
                    Ok(call) => self.begin(now, by, extension, call, incoming),
                    Err(denial) => self.refuse_call(incoming, by, &extension, None, denial),
                }
            }
            Some(Dialled::Code(code)) => self.dialled(time, by, code, incoming, element),
            None => self.outputs.push_back(Output::TurnDown(incoming.id, 404, "No Such Number", None)),
        }
    }

    /// The call that a supervisor may monitor.
    fn admit<M: Media>(
        &self,
        by: &By,
        side: Side,
        target: &str,
        mode: Mode,
        time: LocalTime,
        element: &Element<M>,
    ) -> Result<Option<CallId>, Denial> {
        if self.sessions.len() >= SESSIONS_MAX {
            return Err(Denial::NoRoom);
        }
        if self.is_unaudited {
            return Err(Denial::Unaudited);
        }
        let call = find(element, target, None);
        self.decide(by, side, target, mode, call, time, element)?;
        match call {
            Some((call, _)) => Ok(Some(call.id)),
            None if self.monitoring.follow => Ok(None),
            None => Err(Denial::NoCall),
        }
    }

    /// What is known of a call whose party `agent` is to be monitored.
    pub fn facts<'c, M: Media>(&self, call: &'c Call, agent: Role, element: &Element<M>) -> Facts<'c> {
        Facts::of(call, agent, &self.monitoring, view::sound(call, element.media()))
    }

    /// What is configured.
    pub fn monitoring(&self) -> &Monitoring {
        &self.monitoring
    }

    #[expect(clippy::too_many_arguments, reason = "what a question is made of")]
    fn decide<M: Media>(
        &self,
        by: &By,
        side: Side,
        target: &str,
        mode: Mode,
        call: Option<(&Call, Role)>,
        now: LocalTime,
        element: &Element<M>,
    ) -> Result<Grant, Denial> {
        let facts = call.map(|(call, agent)| self.facts(call, agent, element));
        let supervisor =
            if by.user.is_empty() { Supervisor::Extension(&by.extension) } else { Supervisor::User(&by.user) };
        let question = Question { supervisor, via: by.via, side, target, mode, call: facts, now };
        decide(&self.monitoring, &element.trunks().directory, &question)
    }

    /// A session begins as soon as that is written down.
    fn begin(&mut self, now: Nanos, by: By, target: String, call: Option<CallId>, incoming: &Incoming) {
        let Some(at) = incoming.media.and_then(|media| self.take_port(media)) else {
            return self.turn_down(incoming.id, by, &target, call, Denial::NoRoom);
        };
        self.next += 1;
        let id = SessionId(self.next);
        let session = Session::new(now, Some(incoming.id), by, target, call, at);
        let event = Event {
            on: On { extension: session.target.clone(), ..On::default() },
            call,
            session: Some(id),
            mode: Some(Mode::Listen),
            ..Event::new(What::SessionStarted, session.by.clone())
        };
        self.by_ua.insert(incoming.id, id);
        self.sessions.insert(id, session);
        self.outputs.push_back(Output::Begin(id, event));
    }

    fn take_port(&mut self, media: std::net::IpAddr) -> Option<SocketAddr> {
        let index = self.ports.addresses().position(|address| address == media)?;
        let port = self.ports.take(u8::try_from(index).ok()?)?;
        Some(SocketAddr::new(media, port))
    }

    fn turn_down(&mut self, ua: UaId, by: By, target: &str, call: Option<CallId>, denial: Denial) {
        let denial = self.refused(by, target, call, None, None, denial);
        self.outputs.push_back(turn_down(ua, denial));
    }

    /// What a supervisor's phone sends and wants was agreed on, or is something else.
    pub fn media<M: Media>(&mut self, ua: UaId, leg: &MediaLeg, time: LocalTime, element: &Element<M>) {
        let Some(id) = self.by_ua.get(&ua).copied() else { return };
        if self.say(id, leg) {
            return;
        }
        let was_called = self.sessions.get(&id).is_some_and(|session| session.stage == Stage::Calling);
        // It has rung for a while: they may have lost the right to meanwhile, or the call be another one.
        if was_called && !self.check_again(id, time, element) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(remote) = leg.remote.or(session.remote) else { return };
        session.remote = Some(remote);
        let spec = spec_of(leg, remote);
        if session.stage == Stage::Up {
            return self.outputs.push_back(Output::Change(key(id), spec));
        }
        session.stage = Stage::Up;
        let (at, call, mode) = (session.at, session.call, session.mode);
        self.outputs.push_back(Output::Open(key(id), at, leg.dscp, spec));
        self.outputs.push_back(Output::Keep(id));
        if let Some(call) = call {
            self.attach(id, call, mode, element);
        }
    }

    /// What is to be kept of a session; `None` when it is not up.
    pub fn kept<M: Media>(&self, id: SessionId, element: &Element<M>) -> Option<Kept> {
        let session = self.sessions.get(&id).filter(|session| session.stage == Stage::Up)?;
        Some(Kept::new(id, session, element.ua_snapshot(session.ua?)?))
    }

    /// The call with a supervisor's phone has to be kept anew.
    pub fn phone_changed(&mut self, ua: UaId) {
        if let Some(id) = self.by_ua.get(&ua).copied() {
            self.outputs.push_back(Output::Keep(id));
        }
    }

    /// Takes up a session from before the daemon was started, in the mode that it had. The call with its phone is `ua` now,
    /// and its media `leg`. False for what cannot go on.
    pub fn restore<M: Media>(
        &mut self,
        kept: &Kept,
        ua: UaId,
        leg: &MediaLeg,
        time: LocalTime,
        element: &Element<M>,
    ) -> bool {
        let Some((id, session)) = kept.session(ua) else { return false };
        if session.call.is_some_and(|call| element.call(call).is_none()) || !self.claim_port(session.at) {
            return false;
        }
        self.next = self.next.max(id.0);
        self.by_ua.insert(ua, id);
        self.sessions.insert(id, session);
        self.media(ua, leg, time, element);
        true
    }

    fn claim_port(&mut self, at: SocketAddr) -> bool {
        self.ports.claim(at.ip(), at.port())
    }

    /// Whether a stream is led by the mixer for a session.
    pub fn leads(&self, at: SocketAddr) -> bool {
        let led = |watched: &Watched| {
            watched.streams.iter().zip(watched.diverted).any(|(stream, led)| led && stream.at == at)
        };
        self.calls.values().any(led)
    }

    /// The supervisor's end of a session is somebody else now: a phone was handed on.
    pub fn party<M: Media>(&mut self, ua: UaId, extension: &str, user: &str, time: LocalTime, element: &Element<M>) {
        let Some(id) = self.by_ua.get(&ua).copied() else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        extension.clone_into(&mut session.by.extension);
        user.clone_into(&mut session.by.user);
        self.check_again(id, time, element);
    }

    /// Ends a session that is not permitted any more; one whose mode alone is not goes back to listening. False when it ends.
    fn check_again<M: Media>(&mut self, id: SessionId, time: LocalTime, element: &Element<M>) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let (by, target, mode, call) = (session.by.clone(), session.target.clone(), session.mode, session.call);
        let place = call.and_then(|call| element.call(call)).and_then(|call| Some((call, role_of(call, &target)?)));
        let Err(denial) = self.decide(&by, Side::OnNet, &target, mode, place, time, element) else { return true };
        let listens = self.decide(&by, Side::OnNet, &target, Mode::Listen, place, time, element).is_ok();
        let on = On { extension: target, ..On::default() };
        let event = Event::new(What::RightsWithdrawn, by);
        let reason = denial.key().into();
        self.outputs.push_back(Output::Audit(Event { on, call, session: Some(id), mode: Some(mode), reason, ..event }));
        match call {
            Some(call) if listens => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.mode = Mode::Listen;
                }
                self.outputs.extend([Output::Attach(key(id), call_key(call), Mode::Listen), Output::Keep(id)]);
                self.follow_modes(call);
                self.play_refusal(id, Some(denial));
                true
            }
            _ => !self.hang_up(id, Cause::by_us(denial.sip_status(), denial.sip_phrase())),
        }
    }

    /// Ends a session, from our side.
    pub fn hang_up(&mut self, id: SessionId, cause: Cause) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        match session.ua {
            Some(ua) => self.outputs.push_back(Output::HangUp(ua, cause)),
            None => self.over(id, &cause),
        }
        true
    }

    /// Ends a session because somebody asks for it, how and from where.
    pub fn end(&mut self, id: SessionId, (via, address): (Via, &str)) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.ended_by = Some((via, address.to_owned()));
        self.hang_up(id, Cause::by_us(200, "Ended by the Operator"))
    }

    /// A call of our own is over.
    pub fn ended(&mut self, ua: UaId, cause: &Cause) {
        if let Some(id) = self.by_ua.remove(&ua) {
            self.forget_told(id);
            self.over(id, cause);
        }
    }

    /// A session is over.
    fn over(&mut self, id: SessionId, cause: &Cause) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.ports.give(session.at.ip(), session.at.port());
        self.outputs.extend([Output::Close(key(id)), Output::Forget(id)]);
        if session.stage != Stage::Unwritten {
            let on = On { extension: session.target.clone(), ..On::default() };
            let event = Event::new(What::SessionEnded, session.by.clone()).with("status", cause.status);
            let event = match &session.ended_by {
                Some((via, address)) => event.with("ended_via", via.key()).with("ended_from", address.as_str()),
                None => event,
            };
            let (mode, reason) = (Some(session.mode), cause.text.clone());
            self.outputs.push_back(Output::Audit(Event {
                on,
                call: session.call,
                session: Some(id),
                mode,
                reason,
                ..event
            }));
        }
        if let Some(call) = session.call {
            self.left(call);
        }
    }
}

/// The newest call of an extension that is up; with `after`, the one before it in time, or else the newest.
fn find<'a, M: Media>(element: &'a Element<M>, target: &str, after: Option<CallId>) -> Option<(&'a Call, Role)> {
    let mut calls: Vec<_> = element
        .calls()
        .filter(|call| call.phase == Phase::Up)
        .filter_map(|call| Some((call, role_of(call, target)?)))
        .collect();
    calls.sort_by_key(|(call, _)| (std::cmp::Reverse(call.answered), call.id));
    let Some(after) = after else { return calls.into_iter().next() };
    let at = calls.iter().position(|(call, _)| call.id == after);
    let others = calls.len() > 1;
    let next = at.map_or(0, |at| (at + 1) % calls.len().max(1));
    calls.into_iter().nth(next).filter(|_| others || at.is_none())
}

/// Which party of a call has an extension, on our side.
fn role_of(call: &Call, extension: &str) -> Option<Role> {
    Role::BOTH.into_iter().find(|role| !extension.is_empty() && call.leg(*role).party.extension == extension)
}

/// How the mixer speaks with a phone that is at `remote`.
fn spec_of(leg: &MediaLeg, remote: SocketAddr) -> SessionSpec {
    SessionSpec {
        format: leg.format,
        remote: remote.into(),
        rtcp: leg.remote_rtcp.filter(|_| !leg.rtcp_mux).map(Into::into),
        policy: leg.learn,
        hears: leg.sends,
        tones: leg.arriving.telephone_event.is_none(),
    }
}

fn turn_down(ua: UaId, denial: Denial) -> Output {
    Output::TurnDown(ua, denial.sip_status(), denial.sip_phrase(), Some(denial.reason_header()))
}

/// How the mixer names a session.
pub const fn key(id: SessionId) -> SessionKey {
    SessionKey(id.0)
}

/// How the mixer names a call.
pub const fn call_key(id: CallId) -> CallKey {
    CallKey(id.0)
}
