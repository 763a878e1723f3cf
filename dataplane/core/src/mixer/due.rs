//! What time asks for: packets to supervisors, and those that are slipped into streams.

use super::{CallKey, Event, Mixer, Party, SessionKey, Sink, packet};

/// How many packets to supervisors are made, or slipped in, until those that go on have their turn: a fraction of a millisecond.
pub(super) const AT_ONCE: usize = 32;

/// What is to be done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A session's next packet. With the key, because its place may be another's by then; and when, by which it is known from
    /// an earlier wish.
    Ear(usize, SessionKey, u64),
    /// A packet that is slipped into a stream; and when, by which it is known from an earlier wish.
    Splice(usize, CallKey, Party, u64),
}

impl Mixer {
    /// Does what time asks for. When that is much, only some of it, for packets may wait that go on: the
    /// [deadline](Self::deadline_ns) is over then.
    pub fn tick(&mut self, now_ns: u64, sink: &mut impl Sink) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.turn(now_ns, AT_ONCE, &mut due);
        for due in due.drain(..) {
            match due {
                Due::Ear(at, key, set_ns) => self.sound(now_ns, (at, key, set_ns), sink),
                Due::Splice(at, key, party, set_ns) => self.slip_in(now_ns, (at, key, party, set_ns), sink),
            }
        }
        self.due = due;
    }

    /// Sends a session's next packet.
    fn sound(&mut self, now_ns: u64, (at, key, set_ns): (usize, SessionKey, u64), sink: &mut impl Sink) {
        let Some(session) = self.sessions.get_mut(at).filter(|session| session.key == key) else { return };
        let on_wheel = session.ear.as_mut().and_then(|ear| ear.on_wheel.take_if(|on_wheel| *on_wheel == set_ns));
        if on_wheel.is_none() {
            return;
        }
        let (to, call) = (session.remote(), session.call);
        // It hears other sessions, and is one.
        let Some(mut ear) = session.ear.take_if(|ear| ear.next_ns() <= now_ns) else {
            // Nobody had looked at the wheel for longer than it can be set ahead.
            return self.set_ear(at);
        };
        let call = call.and_then(|call| self.calls.get_mut(call));
        let length = ear.tick(now_ns, call, &mut self.sessions, &mut self.bench);
        let packet = self.bench.packet.get(..length).filter(|packet| !packet.is_empty());
        if let Some(packet) = packet {
            sink.send_to(at, to, packet);
        }
        let octets = packet.map(|packet| packet.len().saturating_sub(packet::HEADER));
        let Some(session) = self.sessions.get_mut(at) else { return };
        session.ear = Some(ear);
        if let Some(octets) = octets {
            session.rtcp.count(octets);
        }
        session.listen_for_tones(now_ns, &mut self.bench, |digit| self.events.push_back(Event::Digit(key, digit)));
        if session.rtcp.is_due(now_ns) {
            self.report_to(now_ns, at, sink);
        }
        self.set_ear(at);
    }

    /// Sets when a session's next packet is due.
    pub(super) fn set_ear(&mut self, at: usize) {
        let Some(session) = self.sessions.get_mut(at) else { return };
        let key = session.key;
        let Some(ear) = session.ear.as_mut().filter(|ear| ear.on_wheel.is_none()) else { return };
        let next_ns = ear.next_ns();
        ear.on_wheel = Some(next_ns);
        self.wheel.set(next_ns, Due::Ear(at, key, next_ns));
    }

    /// Tells a supervisor's phone what we have sent, and how its packets come.
    fn report_to(&mut self, now_ns: u64, at: usize, sink: &mut impl Sink) {
        let seed = self.random();
        let Some(session) = self.sessions.get_mut(at) else { return };
        let Some(ours) = session.ours(now_ns) else { return };
        let Some(length) = session.rtcp.report(now_ns, ours, seed, &mut self.bench.packet[..]) else { return };
        let (to, is_beside) = session.remote_rtcp();
        if let Some(packet) = self.bench.packet.get(..length) {
            sink.report_to(at, to, is_beside, packet);
        }
    }

    /// Slips a packet into a stream whose sender is silent, if it is time.
    fn slip_in(&mut self, now_ns: u64, (at, key, party, set_ns): (usize, CallKey, Party, u64), sink: &mut impl Sink) {
        let seed = self.random();
        let Some(call) = self.calls.get_mut(at).filter(|call| call.key == key) else { return };
        let stream = call.stream_mut(party);
        let (row, Some(splice)) = (stream.row, &mut stream.splice) else { return };
        if splice.on_wheel.take_if(|on_wheel| *on_wheel == set_ns).is_none() {
            return;
        }
        let passed = splice.slip_in(now_ns, &mut self.sessions, &mut self.bench, seed);
        if let Some(packet) = self.bench.packet.get(..passed.length).filter(|packet| !packet.is_empty()) {
            // What the party sends from now on is numbered behind it.
            sink.shift(row, splice.inserted());
            sink.send_on(row, packet);
        }
        if passed.is_drained {
            self.events.push_back(Event::Drained(key, party));
        }
        self.set_splice(at, party);
    }

    /// Sets when a splice is due.
    pub(super) fn set_splice(&mut self, at: usize, party: Party) {
        let Some(call) = self.calls.get_mut(at) else { return };
        let key = call.key;
        let Some(splice) = &mut call.stream_mut(party).splice else { return };
        if let Some(next_ns) = splice.deadline_ns()
            && splice.on_wheel.is_none_or(|on_wheel| next_ns < on_wheel)
        {
            splice.on_wheel = Some(next_ns);
            self.wheel.set(next_ns, Due::Splice(at, key, party, next_ns));
        }
    }
}
