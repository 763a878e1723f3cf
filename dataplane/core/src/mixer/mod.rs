//! The mixer's decisions, without I/O and without a clock: packets and time in, packets out.
//!
//! A [`Mixer`] has calls and sessions. A call is two streams that go on in the data plane; a copy of each is *heard*
//! ([`hear`](Mixer::hear)), and where a supervisor speaks, the stream itself comes by and goes back
//! ([`pass`](Mixer::pass)). A session is a supervisor with a stream of its own both ways: what comes from the supervisor's
//! phone is *taken* ([`take`](Mixer::take)), and what goes there is mixed when time says so ([`tick`](Mixer::tick)).
//!
//! The order of calls: any of these four, then [`poll`](Mixer::poll) until there is no event; [`tick`](Mixer::tick) when
//! [`deadline_ns`](Mixer::deadline_ns) is over. What leaves goes to the [`Sink`] at once. Nothing allocates per packet.

mod bench;
mod call;
mod clip;
pub mod codec;
mod convert;
pub mod dtmf;
mod due;
mod ear;
mod format;
mod gain;
mod hearing;
mod limiter;
mod line;
mod mode;
pub(crate) mod packet;
mod plc;
pub mod resample;
mod rtcp;
mod session;
pub mod signal;
mod splice;
mod tail;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod tones;
mod wheel;

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxHashMap;
use slab::Slab;
use undertone_abi::{Endpoint, RowIndex};

use self::{
    bench::Bench,
    call::{Call, Stream},
    codec::CodecError,
    dtmf::Digit,
    due::{AT_ONCE, Due},
    hearing::forget_call,
    session::{Session, Sessions},
    wheel::Wheel,
};
pub use self::{
    call::{Party, StreamSpec},
    clip::Clip,
    format::{Codec, Format, SampleRate},
    line::Counts,
    mode::{Mode, Person},
    rtcp::{Qualities, Quality},
    session::SessionSpec,
    signal::Signal,
};

/// A session that has left a mixer, with all that its phone has said and heard.
pub struct Moved(Box<Session>);

/// Names a call, by whoever controls the mixer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// Names a session, by whoever controls the mixer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub u64);

/// Where packets go.
pub trait Sink {
    /// A packet goes on to the party that the stream at `row` is for.
    fn send_on(&mut self, row: RowIndex, packet: &[u8]);

    /// A packet goes to a supervisor's phone.
    fn send_to(&mut self, session: usize, to: Endpoint, packet: &[u8]);

    /// A packet of RTCP goes to a supervisor's phone: from a port of its own, or from that of RTP.
    fn report_to(&mut self, session: usize, to: Endpoint, is_beside: bool, packet: &[u8]);

    /// From now on the data plane has to add as much to the sequence numbers of the stream at `row`, where it does not
    /// come by here.
    fn shift(&mut self, row: RowIndex, sequence_offset: u16);
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A supervisor has pressed a key.
    Digit(SessionKey, Digit),
    /// Nobody speaks to the other party of this one any more: its stream need not come by.
    Drained(CallKey, Party),
    /// A party has begun to send a payload type that the call's [`Format`] does not have: it may be another of the codecs that
    /// were agreed on.
    OtherType(CallKey, Party),
}

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionReport {
    /// The call it is at.
    pub call: Option<CallKey>,
    /// Its mode.
    pub mode: Mode,
    /// What became of the supervisor's packets.
    pub mic: Counts,
    /// When the supervisor's phone was last heard of, by RTP or RTCP.
    pub heard_ns: Option<u64>,
    /// What RTCP tells.
    pub rtcp: Qualities,
    /// Packets beyond what a phone sends, dropped.
    pub flooded: u64,
    /// Packets from elsewhere, dropped.
    pub strangers: u64,
}

/// What was counted of all sessions, those that are over too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets beyond what phones send, dropped.
    pub flooded: u64,
    /// Packets from elsewhere, dropped.
    pub strangers: u64,
}

/// A mixer: calls, and the supervisors at them.
pub struct Mixer {
    calls: Slab<Call>,
    sessions: Sessions,
    call_keys: HashMap<CallKey, usize>,
    session_keys: HashMap<SessionKey, usize>,
    rows: FxHashMap<RowIndex, (usize, Party)>,
    wheel: Wheel<Due>,
    /// What is due in this turn.
    due: Vec<Due>,
    bench: Box<Bench>,
    events: VecDeque<Event>,
    /// What was counted of sessions that are over.
    past: Totals,
    /// What is left of a party's loudness while somebody else is heard in its stream.
    ducked: f32,
    /// Makes what nobody is to guess, or numbers to begin with.
    seed: u64,
}

impl Mixer {
    /// A mixer with nothing to do.
    pub fn new(now_ns: u64, seed: u64) -> Self {
        Self {
            calls: Slab::new(),
            sessions: Slab::new(),
            call_keys: HashMap::new(),
            session_keys: HashMap::new(),
            rows: FxHashMap::default(),
            wheel: Wheel::new(now_ns),
            due: Vec::with_capacity(AT_ONCE),
            bench: Bench::new(),
            events: VecDeque::new(),
            past: Totals::default(),
            ducked: 1.0,
            seed,
        }
    }

    /// Follows a call: what the agent sends, and what the caller sends. One of that name is there already, or is changed.
    pub fn set_call(&mut self, now_ns: u64, key: CallKey, streams: [StreamSpec; 2]) -> Result<(), CodecError> {
        if let Some(at) = self.call_keys.get(&key).copied() {
            return self.change_call(now_ns, at, streams);
        }
        let [agent, caller] = &streams;
        let call = Call {
            key,
            streams: [Stream::new(agent)?, Stream::new(caller)?],
            sessions: Vec::new(),
            consent: [false; 2],
        };
        let at = self.calls.insert(call);
        self.call_keys.insert(key, at);
        for (party, stream) in Party::BOTH.into_iter().zip(streams) {
            self.rows.insert(stream.row, (at, party));
        }
        Ok(())
    }

    /// Streams have another codec, or come to another port.
    fn change_call(&mut self, now_ns: u64, at: usize, streams: [StreamSpec; 2]) -> Result<(), CodecError> {
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        let was_led = call.streams.each_ref().map(Stream::is_led);
        for stream in &call.streams {
            forget_row(&mut self.rows, stream.row, at);
        }
        for (party, spec) in Party::BOTH.into_iter().zip(streams) {
            self.rows.insert(spec.row, (at, party));
        }
        for ((party, now), spec) in Party::BOTH.into_iter().zip(&mut call.streams).zip(streams) {
            let next = match (&mut now.tap, &mut now.splice, spec.format) {
                (Some(tap), Some(splice), Some(format)) if now.row == spec.row && tap.rate() == format.codec.rate() => {
                    tap.set_format(format)?;
                    splice.set_format(format, tap, &self.sessions)?;
                    now.set_format(format);
                    continue;
                }
                (None, None, None) if now.row == spec.row => continue,
                (_, Some(splice), Some(_)) if now.row == spec.row => splice.inserted(),
                _ => spec.sequence_offset,
            };
            for session in &call.sessions {
                if let Some(ear) = self.sessions.get_mut(*session).and_then(|session| session.ear.as_mut()) {
                    ear.forget_party(now_ns, party.index(), now.tap.as_mut(), &mut self.bench);
                }
            }
            *now = Stream::new(&StreamSpec { sequence_offset: next, ..spec })?;
        }
        let sessions = std::mem::take(&mut call.sessions);
        let spoken = sessions.iter().try_for_each(|session| self.speak_now(now_ns, *session, at));
        if let Some(call) = self.calls.get_mut(at) {
            call.sessions = sessions;
        }
        let told = spoken.and_then(|()| self.tell_now(now_ns, at));
        if let Some(key) = self.calls.get(at).map(|call| call.key) {
            self.settle(key, was_led);
        }
        told
    }

    /// Says of those streams that were led before, when the call was another or [another mixer's](Self::remove_call), whether
    /// they need not be.
    pub fn settle(&mut self, key: CallKey, was_led: [bool; 2]) {
        for (party, _) in Party::BOTH.into_iter().zip(was_led).filter(|(_, was_led)| *was_led) {
            if !self.is_spoken_into(key, party) {
                self.events.push_back(Event::Drained(key, party));
            }
        }
    }

    /// Follows a call no longer. Its supervisors hear nothing until they are [put](Self::attach) to another one. Says which of
    /// the agent's and the caller's streams were led.
    pub fn remove_call(&mut self, now_ns: u64, key: CallKey) -> [bool; 2] {
        let removed = self.call_keys.remove(&key).and_then(|at| Some((at, self.calls.try_remove(at)?)));
        let Some((at, mut call)) = removed else { return [false; 2] };
        let was_led = call.streams.each_ref().map(Stream::is_led);
        for stream in &call.streams {
            forget_row(&mut self.rows, stream.row, at);
        }
        for session in std::mem::take(&mut call.sessions) {
            forget_call(now_ns, session, &mut call, &mut self.sessions, &mut self.bench);
            if let Some(session) = self.sessions.get_mut(session) {
                session.call = None;
            }
        }
        was_led
    }

    /// A supervisor's phone is there: hears nobody yet, and is heard by nobody. One of that name goes on with what is
    /// `spec` now. Says which place the session has, for [`take`](Self::take) and [`Sink::send_to`].
    pub fn set_session(&mut self, now_ns: u64, key: SessionKey, spec: SessionSpec) -> Result<usize, CodecError> {
        if let Some(at) = self.session_keys.get(&key).copied() {
            self.change_session(now_ns, at, spec)?;
            return Ok(at);
        }
        let seed = self.random();
        let at = self.sessions.insert(Session::new(now_ns, key, spec, seed)?);
        self.session_keys.insert(key, at);
        self.set_ear(at);
        Ok(at)
    }

    fn change_session(&mut self, now_ns: u64, at: usize, spec: SessionSpec) -> Result<(), CodecError> {
        let Some(session) = self.sessions.get_mut(at) else { return Ok(()) };
        let call = session.call.filter(|_| session.is_another(&spec));
        let Some(call) = call else { return session.set_spec(spec) };
        // Who heard it hears what it was, and then what it is.
        self.fall_silent(now_ns, at, call);
        if let Some(session) = self.sessions.get_mut(at) {
            session.set_spec(spec)?;
        }
        self.follow_others(at);
        self.speak_now(now_ns, at, call)
    }

    /// A supervisor is gone.
    pub fn remove_session(&mut self, now_ns: u64, key: SessionKey) {
        if let Some(Moved(session)) = self.release_session(now_ns, key) {
            self.past = self.past.with(&session);
        }
    }

    /// A supervisor is to be at a call of [another mixer's](Self::adopt_session), and at none until then.
    pub fn release_session(&mut self, now_ns: u64, key: SessionKey) -> Option<Moved> {
        self.detach(now_ns, key);
        let session = self.sessions.try_remove(self.session_keys.remove(&key)?)?;
        Some(Moved(Box::new(session)))
    }

    /// A supervisor comes from another mixer. Says which place the session has here.
    pub fn adopt_session(&mut self, Moved(mut session): Moved) -> usize {
        let key = session.key;
        if let Some(ear) = &mut session.ear {
            ear.on_wheel = None;
        }
        let at = self.sessions.insert(*session);
        self.session_keys.insert(key, at);
        self.set_ear(at);
        at
    }

    /// Puts a supervisor to a call, in this mode, or into another mode at the same call. Nothing happens where there is no
    /// such call or session.
    pub fn attach(&mut self, now_ns: u64, key: SessionKey, call: CallKey, mode: Mode) -> Result<(), CodecError> {
        let (Some(at), Some(call)) = (self.session_keys.get(&key).copied(), self.call_keys.get(&call).copied()) else {
            return Ok(());
        };
        if self.sessions.get(at).and_then(|session| session.call) != Some(call) {
            self.detach(now_ns, key);
            if let Some(call) = self.calls.get_mut(call) {
                call.sessions.push(at);
            }
        }
        if let Some(session) = self.sessions.get_mut(at) {
            (session.call, session.mode) = (Some(call), mode);
        }
        self.follow_others(at);
        self.speak_now(now_ns, at, call)
    }

    /// Takes a supervisor away from the call.
    pub fn detach(&mut self, now_ns: u64, key: SessionKey) {
        let Some(at) = self.session_keys.get(&key).copied() else { return };
        let Some(session) = self.sessions.get_mut(at) else { return };
        let Some(place) = session.call.take() else { return };
        session.mode = Mode::Listen;
        self.fall_silent(now_ns, at, place);
        let Some(call) = self.calls.get_mut(place) else { return };
        call.sessions.retain(|session| *session != at);
        forget_call(now_ns, at, call, &mut self.sessions, &mut self.bench);
    }

    /// Has the consent tone be heard by the agent and by the caller, or no longer: 1400 Hz for half a second every 15
    /// seconds. Nothing happens where there is no such call.
    pub fn set_consent(&mut self, now_ns: u64, key: CallKey, is_heard: [bool; 2]) -> Result<(), CodecError> {
        let Some(at) = self.call_keys.get(&key).copied() else { return Ok(()) };
        if let Some(call) = self.calls.get_mut(at) {
            call.consent = is_heard;
        }
        self.tell_now(now_ns, at)
    }

    /// Makes a party softer by so many decibels while somebody else is heard in its stream; 0, as at first, leaves it as it
    /// is.
    pub fn set_ducking(&mut self, decibels: u8) {
        self.ducked = 10_f32.powf(-f32::from(decibels) / 20.0);
    }

    /// Plays something to a supervisor alone.
    pub fn play(&mut self, key: SessionKey, signal: Signal) {
        let session = self.session_keys.get(&key).and_then(|at| self.sessions.get_mut(*at));
        if let Some(ear) = session.and_then(|session| session.ear.as_mut()) {
            ear.signals_mut().play(signal);
        }
    }

    /// Plays a recording to a supervisor alone.
    pub fn say(&mut self, key: SessionKey, clip: &Clip) {
        let session = self.session_keys.get(&key).and_then(|at| self.sessions.get_mut(*at));
        if let Some(ear) = session.and_then(|session| session.ear.as_mut()) {
            ear.say(clip);
        }
    }

    /// What is known of a session.
    pub fn report(&self, key: SessionKey) -> Option<SessionReport> {
        let session = self.sessions.get(*self.session_keys.get(&key)?)?;
        Some(SessionReport {
            call: session.call.and_then(|call| self.calls.get(call)).map(|call| call.key),
            mode: session.mode,
            mic: session.mic.counts(),
            heard_ns: session.mic.heard_ns().max(session.qualities().heard_ns),
            rtcp: session.qualities(),
            flooded: session.flooded,
            strangers: session.strangers,
        })
    }

    /// Whether there is nobody to listen to and nobody who listens.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.sessions.is_empty()
    }

    /// The sessions that there are.
    pub fn sessions(&self) -> impl Iterator<Item = SessionKey> + '_ {
        self.sessions.iter().map(|(_, session)| session.key)
    }

    /// What was counted of all sessions.
    pub fn totals(&self) -> Totals {
        self.sessions.iter().fold(self.past, |totals, (_, session)| totals.with(session))
    }

    /// The media ports that a call's streams come to.
    pub fn rows_of(&self, key: CallKey) -> Option<[RowIndex; 2]> {
        let call = self.calls.get(*self.call_keys.get(&key)?)?;
        Some(call.streams.each_ref().map(|stream| stream.row))
    }

    /// Whether a stream has to come by: somebody speaks to the other party.
    pub fn is_spoken_into(&self, key: CallKey, party: Party) -> bool {
        let call = self.call_keys.get(&key).and_then(|at| self.calls.get(*at));
        call.is_some_and(|call| call.stream(party).is_led())
    }

    /// A copy of a packet of the stream at `row` has come.
    pub fn hear(&mut self, now_ns: u64, row: RowIndex, packet: &[u8]) {
        if let Some((call, party)) = self.rows.get(&row).copied()
            && let Some(call) = self.calls.get_mut(call)
            && call.stream_mut(party).hear(now_ns, packet, &mut self.bench)
        {
            self.events.push_back(Event::OtherType(call.key, party));
        }
    }

    /// A packet of the stream at `row` comes by: it goes on, with voices in it where somebody speaks.
    pub fn pass(&mut self, now_ns: u64, row: RowIndex, packet: &[u8], sink: &mut impl Sink) {
        let place = self.rows.get(&row).copied();
        let Some((call, party, Stream { tap, splice: Some(splice), .. })) = place.and_then(|(at, party)| {
            let call = self.calls.get_mut(at)?;
            Some((call.key, party, call.stream_mut(party)))
        }) else {
            // A stream that nobody speaks into comes by while it is being led back.
            return sink.send_on(row, packet);
        };
        let passed = splice.pass(now_ns, packet, tap.as_ref(), &mut self.sessions, &mut self.bench, self.ducked);
        match self.bench.packet.get(..passed.length) {
            Some(mixed) if passed.length > 0 => sink.send_on(row, mixed),
            _ => sink.send_on(row, packet),
        }
        if passed.is_drained {
            self.events.push_back(Event::Drained(call, party));
        }
    }

    /// A packet has come to the port of the session at this place.
    pub fn take(&mut self, now_ns: u64, session: usize, source: Endpoint, packet: &[u8]) {
        let Some(session) = self.sessions.get_mut(session) else { return };
        let Some(packet) = session.admit(now_ns, source, packet) else { return };
        if !session.mic.receive(now_ns, &packet, &mut self.bench.scratch) {
            return;
        }
        session.note(now_ns, &packet);
        if session.is_event(&packet)
            && let Some(press) = session.digits.packet(packet.payload, packet.ssrc, packet.timestamp, now_ns)
        {
            self.events.push_back(Event::Digit(session.key, press.digit));
        }
    }

    /// A packet has come to the port of RTCP of the session at this place.
    pub fn take_rtcp(&mut self, now_ns: u64, session: usize, source: Endpoint, packet: &[u8]) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.admit_rtcp(now_ns, source, packet);
        }
    }

    /// When to call [`tick`](Self::tick); `None` while there is nothing to do.
    pub fn deadline_ns(&self) -> Option<u64> {
        self.wheel.deadline_ns()
    }

    /// The next event.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next of a row of numbers that look like chance (splitmix64).
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl std::ops::Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { flooded: self.flooded + other.flooded, strangers: self.strangers + other.strangers }
    }
}

impl Totals {
    const fn with(self, session: &Session) -> Self {
        Self { flooded: self.flooded + session.flooded, strangers: self.strangers + session.strangers }
    }
}

/// A media port is a call's no longer, unless it is another's by now.
fn forget_row(rows: &mut FxHashMap<RowIndex, (usize, Party)>, row: RowIndex, call: usize) {
    if rows.get(&row).is_some_and(|(at, _)| *at == call) {
        rows.remove(&row);
    }
}
