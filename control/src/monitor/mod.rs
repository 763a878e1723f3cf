//! Monitoring calls: the [`Desk`] with its surroundings: calls of our own, the mixer, the data plane, the audit.

mod announcements;

use std::{
    cell::RefCell,
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    task::spawn_local,
    time::{interval, sleep, timeout},
};
use tracing::{error, info, warn};
use undertone_control_core::{
    audit,
    call::{Call, CallId, Media, Ports, Role},
    config,
    element::Element,
    monitor::{
        Digit, Monitoring, SessionId,
        desk::{self, CallStream, Counters, Desk, Kept, NotCalled, Output, Saying, SessionView, Wish},
    },
    permission::{Denial, LocalTime, Sound, Via},
    time::Nanos,
    ua::{self, Cause, Event, OwnNumber, UaId},
};
use undertone_core::{
    CopyId,
    mixer::{Mode, SessionKey, Signal, StreamSpec},
};
use undertone_dataplane::{Dataplane, MixerEvent, Mixing, Reports};

pub(crate) use self::announcements::Announcements;
use crate::{
    protocol::{MonitorView, PhoneView},
    sip::{Sip, Switchboard, now},
    storage::Storage,
    when,
};

/// How long a session may wait until it is written down that it begins.
const AUDIT_PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether supervisors' phones are still there.
const LOOK: Duration = Duration::from_secs(1);
/// How often the desk is told what time it is, and whether the audit can be written.
const BEAT: Duration = Duration::from_millis(250);
/// Digits of an extension behind the prefix at most.
const EXTENSION_MAX: u8 = 16;
/// How long a call goes on after what it was to hear.
const SILENCE: Duration = Duration::from_millis(300);

/// The desk and its surroundings. A handle.
#[derive(Clone)]
pub(crate) struct Monitor {
    shared: Rc<Shared>,
}

/// Who wants to know what happens at the desk while it happens.
pub(crate) trait Audience {
    /// Something was written down. `session` is the one that it is about, as it is now, where it is still there.
    fn written(&self, event: &audit::Event, session: Option<MonitorView>);

    /// A supervisor's phone is connected.
    fn connected(&self, session: &MonitorView);
}

struct Shared {
    desk: RefCell<Desk>,
    dataplane: Dataplane,
    storage: Rc<Storage>,
    /// Copies of streams to the mixer, by the media port that the stream comes to.
    taps: RefCell<HashMap<SocketAddr, CopyId>>,
    announcements: RefCell<Announcements>,
    audience: RefCell<Vec<Box<dyn Audience>>>,
}

impl Monitor {
    /// Begins to answer supervisors, where the data plane has a mixer.
    pub(crate) fn start(
        sip: &Sip,
        config: &config::Config,
        dataplane: &Dataplane,
        storage: &Rc<Storage>,
    ) -> Option<Self> {
        let monitoring = &config.sip.as_ref()?.monitoring;
        let mixing = dataplane.mixing()?;
        let (first, last) = config.media.monitor_ports();
        let ports = Ports::new(&config.media.addresses, first, last);
        // Names of sessions are not used twice, also not by the next daemon.
        let number = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default() << 12;
        let shared = Shared {
            desk: RefCell::new(Desk::new(Arc::new(monitoring.clone()), ports, number)),
            dataplane: dataplane.clone(),
            storage: Rc::clone(storage),
            taps: RefCell::default(),
            announcements: RefCell::new(announcements(monitoring)),
            audience: RefCell::default(),
        };
        let this = Self { shared: Rc::new(shared) };
        sip.set_switchboard(this.clone());
        answer(sip, monitoring);
        mixing.set_ducking(monitoring.ducking);
        this.take_up(sip);
        let (watcher, of) = (this.clone(), sip.clone());
        spawn_local(async move {
            let mut beat = interval(BEAT);
            loop {
                beat.tick().await;
                watcher.tick(&of);
            }
        });
        if let Some(mut events) = mixing.take_events() {
            let (this, sip) = (this.clone(), sip.clone());
            spawn_local(async move {
                while let Some(event) = events.recv().await {
                    this.mixed(&sip, event);
                }
            });
        }
        let looking = (this.clone(), sip.clone());
        spawn_local(async move {
            let (this, sip) = looking;
            let mut beat = interval(LOOK);
            loop {
                beat.tick().await;
                this.look_after_phones(&sip);
            }
        });
        Some(this)
    }

    /// Ends sessions whose phones have vanished.
    fn look_after_phones(&self, sip: &Sip) {
        let is_idle = self.shared.desk.borrow().sessions().next().is_none();
        if is_idle {
            return;
        }
        let reports: HashMap<_, _> = self.reports().sessions.into_iter().collect();
        let heard = |key| reports.get(&key).and_then(|report| report.heard_ns).map(Nanos);
        self.shared.desk.borrow_mut().look_after(now(), heard);
        self.perform(sip);
    }

    /// What the mixer knows of all sessions.
    pub(crate) fn reports(&self) -> Reports {
        self.shared.dataplane.mixing().map(Mixing::reports).unwrap_or_default()
    }

    /// The sessions that there are, with what is known of their phones, the oldest first.
    pub(crate) fn views(&self) -> Vec<MonitorView> {
        let reports: HashMap<_, _> = self.reports().sessions.into_iter().collect();
        let now_ns = now().0;
        let view = |session: SessionView<'_>| MonitorView {
            phone: reports.get(&desk::key(session.id)).map(|report| PhoneView::new(report, now_ns)),
            ..MonitorView::new(&session, now_ns)
        };
        self.look(|sessions| sessions.map(view).collect())
    }

    /// Works by another configuration from now on.
    pub(crate) fn set_monitoring(&self, sip: &Sip, monitoring: &Monitoring) {
        answer(sip, monitoring);
        if let Some(mixing) = self.shared.dataplane.mixing() {
            mixing.set_ducking(monitoring.ducking);
        }
        *self.shared.announcements.borrow_mut() = announcements(monitoring);
        let monitoring = Arc::new(monitoring.clone());
        sip.with(|element| self.shared.desk.borrow_mut().set_monitoring(monitoring, wall(), element));
        self.perform(sip);
    }

    /// Tells somebody what happens from now on.
    pub(crate) fn add_audience(&self, audience: impl Audience + 'static) {
        self.shared.audience.borrow_mut().push(Box::new(audience));
    }

    /// Looks at the sessions that there are.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut dyn Iterator<Item = SessionView<'_>>) -> T) -> T {
        look(&mut self.shared.desk.borrow().sessions())
    }

    /// Whether a call is one to or from an emergency number, and what the mixer can do with its sound.
    pub(crate) fn facts<M: Media>(&self, call: &Call, element: &Element<M>) -> (bool, Sound) {
        let facts = self.shared.desk.borrow().facts(call, Role::Callee, element);
        (facts.is_emergency, facts.sound)
    }

    /// What is configured.
    pub(crate) fn monitoring(&self) -> Monitoring {
        self.shared.desk.borrow().monitoring().clone()
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> Counters {
        self.shared.desk.borrow().counters()
    }

    /// Tells the desk what time it is, and whether the audit can be written.
    fn tick(&self, sip: &Sip) {
        let failing = self.shared.storage.audit_failing();
        self.shared.desk.borrow_mut().tick(now(), failing);
        self.perform(sip);
    }

    /// Has a supervisor called, who is to monitor an extension when they answer.
    pub(crate) fn call(&self, sip: &Sip, wish: Wish) -> Result<SessionId, NotCalled> {
        self.tick(sip);
        let outcome = sip.with(|element| self.shared.desk.borrow_mut().call(now(), wall(), wish, element));
        self.perform(sip);
        outcome
    }

    /// Gives a session another mode.
    pub(crate) fn switch(&self, sip: &Sip, id: SessionId, mode: Mode, from: (Via, &str)) -> Result<(), Denial> {
        let outcome = sip.with(|element| self.shared.desk.borrow_mut().switch(id, mode, from, wall(), element));
        self.perform(sip);
        outcome
    }

    /// Ends a session. False when there is no such.
    pub(crate) fn end(&self, sip: &Sip, id: SessionId, from: (Via, &str)) -> bool {
        let was_there = self.shared.desk.borrow_mut().end(id, from);
        self.perform(sip);
        was_there
    }

    /// Takes up the sessions that an earlier daemon left, in the modes that they had.
    fn take_up(&self, sip: &Sip) {
        let storage = &self.shared.storage;
        let kept = storage.kept_sessions().unwrap_or_else(|error| {
            warn!(%error, "sessions from before cannot be read");
            Vec::new()
        });
        let (mut up, mut over) = (0_u32, 0_u32);
        for json in kept {
            let Ok(kept) = serde_json::from_str::<Kept>(&json) else { continue };
            let ua = sip.drive(|element| element.restore_ua(&kept.ua));
            let is_up = ua.is_some_and(|ua| {
                sip.with(|element| {
                    let leg = element.ua(ua).and_then(|ua| ua.media().copied());
                    leg.is_some_and(|leg| self.shared.desk.borrow_mut().restore(&kept, ua, &leg, wall(), element))
                })
            });
            if is_up {
                up += 1;
                continue;
            }
            over += 1;
            if let Some(ua) = ua {
                sip.drive(|element| element.hang_up(now(), ua, Cause::by_us(480, "The Session Cannot Go On")));
            }
            if let Ok(id) = kept.id.parse() {
                storage.forget_session(id);
            }
        }
        self.perform(sip);
        if up + over > 0 {
            info!(sessions = up, given_up = over, "took up the sessions of an earlier daemon");
        }
        // Nobody speaks into the others any more.
        for report in self.shared.dataplane.reports().into_iter().filter(|report| report.divert) {
            let is_calls = sip.with(|element| element.is_of_call(report.at));
            if is_calls && !self.shared.desk.borrow().leads(report.at) {
                let _ = self.shared.dataplane.set_divert(report.at, false);
            }
        }
    }

    fn keep_session(&self, sip: &Sip, id: SessionId) {
        let kept = sip.with(|element| self.shared.desk.borrow().kept(id, element));
        if let Some(json) = kept.and_then(|kept| serde_json::to_string(&kept).ok()) {
            self.shared.storage.keep_session(id, json);
        }
    }

    /// Something has happened in the mixer.
    fn mixed(&self, sip: &Sip, event: MixerEvent) {
        match event {
            MixerEvent::Digit(key, digit) => {
                if let Some(digit) = Digit::from_event(digit.event()) {
                    let id = SessionId(key.0);
                    let desk = &self.shared.desk;
                    sip.with(|element| desk.borrow_mut().digit(now(), wall(), id, digit, element));
                }
            }
            MixerEvent::Drained(call, party) => self.shared.desk.borrow_mut().drained(call, party),
            MixerEvent::OtherType(call, _) => {
                sip.with(|element| self.shared.desk.borrow_mut().other_type(call, element));
            }
        }
        self.perform(sip);
    }

    /// Does what the desk wants done.
    fn perform(&self, sip: &Sip) {
        loop {
            // What is done may tell the desk something.
            let output = self.shared.desk.borrow_mut().poll();
            let Some(output) = output else { return };
            self.act(sip, output);
        }
    }

    fn act(&self, sip: &Sip, output: Output) {
        let Some(mixing) = self.shared.dataplane.mixing() else { return };
        match output {
            Output::Begin(id, event) => self.begin(sip, id, event),
            Output::Audit(event) => {
                self.tell(&event);
                self.audit(event);
            }
            Output::Accept(ua, terms) => {
                if let Err(error) = sip.drive(|element| element.accept(now(), ua, &terms)) {
                    info!(%ua, %error, "a supervisor's call is not answered");
                }
            }
            Output::TurnDown(ua, status, phrase, reason) => {
                sip.drive(|element| element.turn_down(now(), ua, status, phrase, reason));
            }
            Output::SpeakEarly(id, ua, terms) => {
                if !sip.drive(|element| element.speak_early(now(), ua, &terms)) {
                    self.shared.desk.borrow_mut().said(id);
                }
            }
            Output::Say(id, saying) => self.say_and_end(sip, mixing, id, saying),
            Output::Place(id, placement) => {
                let desk = &self.shared.desk;
                // The desk knows the call before anything is told of it.
                sip.drive(|element| {
                    let outcome = element.place(now(), *placement);
                    desk.borrow_mut().placed(id, outcome);
                });
            }
            Output::HangUp(ua, cause) => {
                sip.drive(|element| element.hang_up(now(), ua, cause));
            }
            Output::Probe(ua) => {
                sip.drive(|element| element.probe(now(), ua));
            }
            Output::SetCall(call, streams) => {
                if let [Some(agent), Some(caller)] = streams.map(|stream| self.spec(stream)) {
                    mixing.set_call(call, [agent, caller]);
                } else {
                    warn!(?call, "a call's media is not the data plane's");
                }
            }
            Output::EndCall(call) => mixing.end_call(call),
            Output::Open(session, at, dscp, spec) => {
                self.tell_connected(SessionId(session.0));
                if let Err(error) = mixing.open(session, at, dscp, spec) {
                    warn!(%at, %error, "a session has no port");
                    let cause = Cause::by_us(503, "No Port for the Session");
                    self.shared.desk.borrow_mut().hang_up(SessionId(session.0), cause);
                }
            }
            Output::Change(session, spec) => mixing.change(session, spec),
            Output::Close(session) => mixing.close(session),
            Output::Attach(session, call, mode) => mixing.attach(session, call, mode),
            Output::Consent(call, is_heard) => mixing.set_consent(call, is_heard),
            Output::Detach(session) => mixing.detach(session),
            Output::Play(session, signal) => mixing.play(session, signal),
            Output::Announce(session, denial) => {
                if self.say(mixing, session, denial).is_none() {
                    mixing.play(session, Signal::Refusal);
                }
            }
            Output::Keep(id) => self.keep_session(sip, id),
            Output::Forget(id) => self.shared.storage.forget_session(id),
            Output::Tap(at, true) => self.tap(at),
            Output::Tap(at, false) => self.untap(at),
            Output::Divert(at, on) => {
                if let Err(error) = self.shared.dataplane.set_divert(at, on) {
                    warn!(%at, on, %error, "a stream cannot be led by the mixer");
                }
            }
        }
    }

    /// Writes down that a session begins, and begins it when that is on the disk.
    fn begin(&self, sip: &Sip, id: SessionId, event: audit::Event) {
        let (storage, told) = (&self.shared.storage, event.clone());
        let ticket = match storage.audit_failing() {
            Some(_) => None,
            None => storage.audit(event, SystemTime::now()).ok(),
        };
        let written = ticket.map(|ticket| storage.audited(ticket));
        let (this, sip) = (self.clone(), sip.clone());
        spawn_local(async move {
            let is_written = match written {
                Some(written) => timeout(AUDIT_PATIENCE, written).await.is_ok(),
                None => false,
            };
            if is_written {
                this.tell(&told);
            } else {
                warn!(session = %id, "a monitor session does not begin: the audit cannot be written");
            }
            this.shared.desk.borrow_mut().audited(id, is_written);
            this.perform(&sip);
        });
    }

    /// Has a call hear why it is refused, and end then.
    fn say_and_end(&self, sip: &Sip, mixing: &Mixing, id: SessionId, saying: Saying) {
        let key = desk::key(id);
        let said = saying.announcement.and_then(|denial| self.say(mixing, key, denial));
        let lasts = said.unwrap_or_else(|| {
            saying.signal.into_iter().for_each(|signal| mixing.play(key, signal));
            saying.lasts
        });
        let (this, sip) = (self.clone(), sip.clone());
        spawn_local(async move {
            sleep(lasts + SILENCE).await;
            this.shared.desk.borrow_mut().said(id);
            this.perform(&sip);
        });
    }

    /// Says to a session why something was refused. How long that takes; `None` where no recording says it.
    fn say(&self, mixing: &Mixing, session: SessionKey, denial: Denial) -> Option<Duration> {
        let announcements = self.shared.announcements.borrow();
        let clip = announcements.of(denial)?;
        mixing.say(session, clip.clone());
        Some(Duration::from_millis(clip.duration_ms()))
    }

    fn view(&self, id: SessionId) -> Option<MonitorView> {
        let view = |it: SessionView<'_>| MonitorView::new(&it, now().0);
        self.look(|mut sessions| Iterator::find(&mut sessions, |it| it.id == id).map(view))
    }

    fn tell(&self, event: &audit::Event) {
        for audience in &*self.shared.audience.borrow() {
            audience.written(event, event.session.and_then(|id| self.view(id)));
        }
    }

    fn tell_connected(&self, id: SessionId) {
        if let Some(view) = self.view(id) {
            for audience in &*self.shared.audience.borrow() {
                audience.connected(&view);
            }
        }
    }

    fn audit(&self, event: audit::Event) {
        if self.shared.storage.audit(event, SystemTime::now()).is_err() {
            warn!("the audit has no room: something that a supervisor did is not written down");
        }
    }

    fn spec(&self, stream: CallStream) -> Option<StreamSpec> {
        let dataplane = &self.shared.dataplane;
        let sequence_offset = dataplane.report(stream.at).ok()?.sequence_offset;
        Some(StreamSpec { row: dataplane.row(stream.at)?, format: stream.format, sequence_offset })
    }

    fn tap(&self, at: SocketAddr) {
        match self.shared.dataplane.tap(at) {
            Ok(id) => drop(self.shared.taps.borrow_mut().insert(at, id)),
            Err(error) => warn!(%at, %error, "a stream cannot be listened to"),
        }
    }

    fn untap(&self, at: SocketAddr) {
        if let Some(id) = self.shared.taps.borrow_mut().remove(&at) {
            // The stream may be over already.
            let _ = self.shared.dataplane.remove_copy(at, id);
        }
    }
}

impl Switchboard for Monitor {
    fn happened(&self, sip: &Sip, event: &Event) {
        if matches!(event, Event::Incoming(_)) {
            self.tick(sip);
        }
        let desk = &self.shared.desk;
        sip.with(|element| {
            let mut desk = desk.borrow_mut();
            match event {
                Event::Incoming(incoming) => desk.incoming(now(), wall(), incoming, element),
                Event::Media(ua, leg) => desk.media(*ua, leg, wall(), element),
                Event::Party(ua, party) => desk.party(*ua, &party.extension, &party.user, wall(), element),
                Event::Digit { id, digit, .. } => desk.digit_of_ua(now(), wall(), *id, *digit, element),
                Event::Present(ua) => desk.present(now(), *ua),
                Event::Ended(ua, cause) => desk.ended(*ua, cause),
                Event::Ringing(_) | Event::Up(_) => {}
            }
        });
        self.perform(sip);
    }

    fn call_changed(&self, sip: &Sip, call: CallId) {
        sip.with(|element| self.shared.desk.borrow_mut().call_changed(call, wall(), element));
        self.perform(sip);
    }

    fn keep(&self, sip: &Sip, call: UaId) {
        self.shared.desk.borrow_mut().phone_changed(call);
        self.perform(sip);
    }
}

/// Has the numbers that supervisors dial answered.
fn answer(sip: &Sip, monitoring: &Monitoring) {
    let prefix = OwnNumber::Prefix { prefix: monitoring.prefix.clone(), more_max: EXTENSION_MAX };
    let codes = monitoring.codes.all().map(|(digits, _)| OwnNumber::Exactly(digits.to_owned()));
    let numbers = if monitoring.enabled { codes.chain([prefix]).collect() } else { Vec::new() };
    sip.drive(|element| element.set_own(numbers, ua::Limits::default()));
}

/// The recordings that are configured. Without them, tones are heard.
fn announcements(monitoring: &Monitoring) -> Announcements {
    Announcements::load(&monitoring.announcements).unwrap_or_else(|failure| {
        error!(reason = failure.sentences(), "nobody hears announcements, and tones are played instead");
        Announcements::default()
    })
}

/// What the node's clock on the wall shows.
fn wall() -> LocalTime {
    when::on_the_wall(Timestamp::now(), &TimeZone::system())
}
