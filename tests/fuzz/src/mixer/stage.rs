//! A mixer with what is around it: a data plane, two calls, supervisors, and time.

use std::collections::VecDeque;

use rtp_rs::RtpReader;
use undertone_abi::{Endpoint, Local, Policy, RowIndex};
use undertone_core::mixer::{
    CallKey, Event, Format, Mixer, Mode, Party, Person, SessionKey, SessionSpec, Sink, StreamSpec,
};

use super::{
    Name, SOUND, Setting, Sort, Step, Which, Wishes,
    letters::noise,
    people::{MS, Phone},
    trail::Trail,
};

/// How long an input may go on.
const END_NS: u64 = BEGIN_NS + 5_000 * MS;
const BEGIN_NS: u64 = 1 << 40;
/// Supervisors.
const NAMES: usize = 4;
/// A packet of ours is not longer.
const PACKET_MAX: usize = 2_048;
/// More than can happen at once.
const EVENTS_MAX: usize = 64;

pub(super) struct Stage {
    mixer: Mixer,
    now_ns: u64,
    lead_ns: u64,
    shift_ns: u64,
    copies_first: bool,
    /// Of the parties of the first call.
    phones: [Phone; 2],
    calls: [Call; 2],
    sessions: [Option<Session>; NAMES],
}

struct Call {
    key: CallKey,
    is_there: bool,
    /// What the agent and what the caller sends.
    streams: [Stream; 2],
}

#[expect(clippy::struct_excessive_bools, reason = "what is, what is wanted and what may be are three things")]
struct Stream {
    row: RowIndex,
    format: Option<Format>,
    /// What the data plane adds to its numbers, and what the mixer has told it to.
    offset: u16,
    told: u16,
    to_shift: VecDeque<(u64, u16)>,
    /// Whether it comes by.
    is_led: bool,
    to_lead: VecDeque<(u64, bool)>,
    /// Whether somebody was spoken to in it, by the mixer; and whether that could be, by the table of modes.
    is_spoken_into: bool,
    may_be_spoken_into: bool,
    /// Whether the mixer has heard of its sender.
    is_known: bool,
    /// Judged as long as only a telephone sends it.
    trail: Option<Trail>,
}

struct Session {
    place: usize,
    phone: Phone,
    speaks: bool,
    hears: bool,
    since_ns: u64,
    packets: u64,
    last: Option<(u32, u16)>,
    /// Where its packets may go.
    sources: Vec<Endpoint>,
}

/// What leaves.
#[derive(Default)]
struct Out {
    on: Vec<(RowIndex, Vec<u8>)>,
    to: Vec<(usize, Endpoint, Vec<u8>)>,
    shifts: Vec<(RowIndex, u16)>,
}

impl Sink for Out {
    fn send_on(&mut self, row: RowIndex, packet: &[u8]) {
        self.on.push((row, packet.to_vec()));
    }

    fn send_to(&mut self, session: usize, to: Endpoint, packet: &[u8]) {
        self.to.push((session, to, packet.to_vec()));
    }

    fn report_to(&mut self, _: usize, _: Endpoint, _: bool, packet: &[u8]) {
        assert!(packet.get(1).is_some_and(|kind| (200..=204).contains(kind)), "no RTCP: {packet:x?}");
    }

    fn shift(&mut self, row: RowIndex, sequence_offset: u16) {
        self.shifts.push((row, sequence_offset));
    }
}

impl Stage {
    pub(super) fn new(setting: &Setting) -> Self {
        let formats = setting.formats.map(Sort::format);
        let mut stage = Self {
            mixer: Mixer::new(BEGIN_NS, 7),
            now_ns: BEGIN_NS,
            // As late as the mixer counts on, and sooner than the next packet.
            lead_ns: u64::from(setting.lead % 16) * MS,
            shift_ns: u64::from(setting.shift % 8) * MS,
            copies_first: setting.copies_first,
            phones: [Phone::new(BEGIN_NS, formats[0], 1), Phone::new(BEGIN_NS, formats[1], 2)],
            calls: [Call::new(0), Call::new(1)],
            sessions: [const { None }; NAMES],
        };
        stage.set_call(Which(false), formats.map(Some));
        stage
    }

    pub(super) const fn is_over(&self) -> bool {
        self.now_ns >= END_NS
    }

    pub(super) fn take(&mut self, step: Step) {
        let now_ns = self.now_ns;
        match step {
            Step::Run(ms) => (0..ms).for_each(|_| self.step()),
            Step::Silent(side, is_silent, stops) => {
                let phone = &mut self.phones[side.party() as usize];
                (phone.is_silent, phone.stops) = (is_silent, stops);
            }
            Step::Aside(side, aside, payload) => self.phones[side.party() as usize].aside = Some((aside, payload)),
            Step::Garbled(side, length, fill) => {
                self.phones[side.party() as usize].garble(noise(length % 2_000, fill).collect());
            }
            Step::Call(which, Some(formats)) => self.set_call(which, formats.map(|sort| sort.map(Sort::format))),
            Step::Call(which, None) => self.end_call(which),
            Step::Packet(which, side, led, letter) => self.disturb(which, side.party(), led.0, &letter.to_bytes()),
            Step::Bytes(which, side, led, bytes) => self.disturb(which, side.party(), led.0, &bytes),
            Step::Session(name, sort, wishes) => self.set_session(name, sort.format(), wishes),
            Step::End(name) => {
                self.mixer.remove_session(now_ns, name.key());
                self.sessions[name.index()] = None;
            }
            Step::Attach(name, which, manner) => self.attach(name, which, manner.mode()),
            Step::Detach(name) => self.mixer.detach(now_ns, name.key()),
            Step::Speaks(name, speaks) => {
                if let Some(session) = &mut self.sessions[name.index()] {
                    session.speaks = speaks;
                }
            }
            Step::FromPhone(name, source, letter) => self.come(name, source.0, &letter.to_bytes()),
            Step::Consent(which, is_heard) => {
                let call = &mut self.calls[which.index()];
                for (party, _) in Party::BOTH.into_iter().zip(is_heard).filter(|(_, is_heard)| *is_heard) {
                    call.streams[party.other() as usize].may_be_spoken_into |= call.is_there;
                }
                self.mixer.set_consent(now_ns, call.key, is_heard).expect("coders");
            }
            Step::Ducking(decibels) => self.mixer.set_ducking(decibels),
            Step::Play(name, tune) => self.mixer.play(name.key(), tune.signal()),
        }
        self.follow();
    }

    /// All go, and nothing is left to do.
    pub(super) fn end(mut self) {
        for name in 0..NAMES {
            self.take(Step::End(Name(name as u8)));
        }
        self.end_call(Which(false));
        self.end_call(Which(true));
        for _ in 0..30 {
            self.now_ns += 10 * MS;
            let mut out = Out::default();
            self.mixer.tick(self.now_ns, &mut out);
            assert!(out.on.is_empty() && out.to.is_empty(), "somebody who is gone is heard");
        }
        assert_eq!(self.mixer.deadline_ns(), None, "something is left to do");
        assert_eq!(self.mixer.poll(), None);
    }

    fn set_call(&mut self, which: Which, formats: [Option<Format>; 2]) {
        let call = &mut self.calls[which.index()];
        for (stream, format) in call.streams.iter_mut().zip(formats) {
            // Who says that a stream has become another one has done before what was told of it.
            stream.to_shift.clear();
            stream.offset = stream.told;
            let rate = |format: Option<Format>| format.map(|format| format.codec.rate());
            if !call.is_there || format.is_none() || rate(format) != rate(stream.format) {
                stream.is_known = false;
                if let Some(trail) = &mut stream.trail {
                    trail.forget_invented();
                }
            }
            if let Some(trail) = &mut stream.trail {
                trail.forget_times();
            }
            stream.format = format;
        }
        call.is_there = true;
        let spec =
            |stream: &Stream| StreamSpec { row: stream.row, format: stream.format, sequence_offset: stream.offset };
        self.mixer.set_call(self.now_ns, call.key, call.streams.each_ref().map(spec)).expect("decoders");
        if which.index() == 0 {
            for (phone, format) in self.phones.iter_mut().zip(formats) {
                phone.set_format(format.unwrap_or(phone.format));
            }
        }
    }

    fn end_call(&mut self, which: Which) {
        let call = &mut self.calls[which.index()];
        self.mixer.remove_call(self.now_ns, call.key);
        call.is_there = false;
        for stream in &mut call.streams {
            (stream.is_spoken_into, stream.may_be_spoken_into) = (false, false);
            // Times that were moved are the sender's again.
            if let Some(trail) = &mut stream.trail {
                trail.forget_times();
            }
        }
    }

    fn set_session(&mut self, name: Name, format: Format, wishes: Wishes) {
        let ssrc = 100 + name.index() as u32;
        let phone = Phone::new(self.now_ns, format, ssrc);
        let remote = phone.endpoint();
        let policy = [Policy::Strict, Policy::SameHost, Policy::Latch][usize::from(wishes.policy % 3)];
        let spec = SessionSpec { format, remote, policy, hears: wishes.hears, tones: wishes.tones, rtcp: None };
        let place = self.mixer.set_session(self.now_ns, name.key(), spec).expect("coders");
        if let Some(session) = &mut self.sessions[name.index()] {
            assert_eq!(place, session.place, "a session that goes on stays where it is");
            session.phone.set_format(format);
            session.hears = wishes.hears;
            return;
        }
        assert!(self.sessions.iter().flatten().all(|other| other.place != place), "two sessions at one place");
        self.sessions[name.index()] = Some(Session {
            place,
            phone,
            speaks: true,
            hears: wishes.hears,
            since_ns: self.now_ns,
            packets: 0,
            last: None,
            sources: vec![remote],
        });
    }

    fn attach(&mut self, name: Name, which: Which, mode: Mode) {
        let call = &mut self.calls[which.index()];
        self.mixer.attach(self.now_ns, name.key(), call.key, mode).expect("coders");
        if self.sessions[name.index()].is_none() || !call.is_there {
            return;
        }
        for (party, stream) in Party::BOTH.into_iter().zip(&mut call.streams) {
            stream.may_be_spoken_into |= mode.hears(party.other().person(), Person::Supervisor);
        }
    }

    /// Something comes to a supervisor's port, from its telephone, its host or elsewhere.
    fn come(&mut self, name: Name, source: u8, bytes: &[u8]) {
        let Some(session) = &mut self.sessions[name.index()] else {
            let nobody = Endpoint { port: 1, ..self.phones[0].endpoint() };
            return self.mixer.take(self.now_ns, usize::from(source), nobody, bytes);
        };
        let own = session.phone.endpoint();
        let source = match source % 3 {
            0 => own,
            1 => Endpoint { port: own.port + 1, ..own },
            _ => self.phones[0].endpoint(),
        };
        session.sources.push(source);
        self.mixer.take(self.now_ns, session.place, source, bytes);
    }

    /// Something comes as a party's stream that no telephone sends.
    fn disturb(&mut self, which: Which, party: Party, is_led: bool, bytes: &[u8]) {
        self.calls[which.index()].streams[party as usize].trail = None;
        if is_led {
            self.pass(which.index(), party, bytes);
        } else {
            self.mixer.hear(self.now_ns, self.calls[which.index()].streams[party as usize].row, bytes);
        }
    }

    /// Lets a millisecond pass.
    fn step(&mut self) {
        if self.is_over() {
            return;
        }
        self.now_ns += MS;
        for stream in self.calls.iter_mut().flat_map(|call| &mut call.streams) {
            stream.do_what_is_due(self.now_ns);
        }
        for party in Party::BOTH {
            if let Some(packet) = self.phones[party as usize].say(self.now_ns) {
                self.arrive(party, packet);
            }
        }
        for session in self.sessions.iter_mut().flatten().filter(|session| session.speaks) {
            if let Some(packet) = session.phone.say(self.now_ns) {
                self.mixer.take(self.now_ns, session.place, session.phone.endpoint(), &packet);
            }
        }
        self.follow();
        self.tick();
        self.follow();
    }

    /// A packet of a party's comes to the data plane.
    fn arrive(&mut self, party: Party, mut packet: Vec<u8>) {
        let call = &self.calls[0];
        let stream = &call.streams[party as usize];
        let (row, is_led, is_heard) = (stream.row, stream.is_led, call.is_there && stream.format.is_some());
        let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(stream.offset);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        if self.copies_first {
            self.mixer.hear(self.now_ns, row, &packet);
        }
        if is_led {
            self.pass(0, party, &packet);
        } else if let Some(trail) = &mut self.calls[0].streams[party as usize].trail {
            trail.go_on(&packet);
        }
        if !self.copies_first {
            self.mixer.hear(self.now_ns, row, &packet);
        }
        self.calls[0].streams[party as usize].is_known |= is_heard;
    }

    /// A packet comes by.
    fn pass(&mut self, at: usize, party: Party, packet: &[u8]) {
        let (call, mut out) = (&mut self.calls[at], Out::default());
        let stream = &mut call.streams[party as usize];
        let is_spoken_into = self.mixer.is_spoken_into(call.key, party);
        self.mixer.pass(self.now_ns, stream.row, packet, &mut out);
        assert!(out.to.is_empty() && out.shifts.is_empty());
        let [(row, left)] = out.on.as_slice() else { panic!("{} packets of one", out.on.len()) };
        assert_eq!(*row, stream.row, "another stream");
        let is_read = packet.len() <= PACKET_MAX && !packet.get(1).is_some_and(|kind| (192..=223).contains(kind));
        match RtpReader::new(packet) {
            Ok(reader) if is_read && call.is_there && stream.format.is_some() => {
                let is_plain = !is_spoken_into || reader.payload_type() != SOUND;
                compare(packet, left, reader.payload_offset(), is_plain);
                if !is_spoken_into && stream.trail.is_some() {
                    assert_eq!(left[4..8], packet[4..8], "another time though nobody speaks");
                }
            }
            _ => assert_eq!(left, packet, "what is not read goes on as it came"),
        }
        if let Some(trail) = &mut stream.trail {
            trail.go_on(left);
        }
        self.follow();
    }

    fn tick(&mut self) {
        let mut out = Out::default();
        self.mixer.tick(self.now_ns, &mut out);
        assert_eq!(out.on.len(), out.shifts.len(), "what is slipped in is told");
        for (count, ((row, packet), (shifted, offset))) in out.on.iter().zip(&out.shifts).enumerate() {
            assert!(out.on[..count].iter().all(|(other, _)| other != row), "two packets at once");
            assert_eq!(row, shifted);
            let mut streams = self.calls.iter_mut().filter(|call| call.is_there).flat_map(|call| &mut call.streams);
            let stream = streams.find(|stream| stream.row == *row).expect("a call");
            assert!(stream.may_be_spoken_into, "nobody is to be heard");
            assert_eq!(*offset, stream.told.wrapping_add(1));
            stream.told = *offset;
            stream.to_shift.push_back((self.now_ns + self.shift_ns, *offset));
            assert!(packet.len() <= PACKET_MAX && packet[1] & 0x7f == SOUND, "{packet:x?}");
            if let Some(trail) = &mut stream.trail {
                trail.slip_in(packet, stream.is_known);
            }
        }
        for (count, (place, to, packet)) in out.to.iter().enumerate() {
            assert!(out.to[..count].iter().all(|(other, ..)| other != place), "two packets at once");
            let mut sessions = self.sessions.iter_mut().flatten();
            sessions.find(|session| session.place == *place).expect("a session").hear(self.now_ns, *to, packet);
        }
        let deadline_ns = self.mixer.deadline_ns();
        assert!(deadline_ns.is_none_or(|deadline_ns| deadline_ns > self.now_ns), "what is due is done");
    }

    /// Has the data plane do what the mixer wants.
    fn follow(&mut self) {
        for count in 0.. {
            assert!(count < EVENTS_MAX, "so much at once");
            match self.mixer.poll() {
                Some(Event::Drained(key, party)) => {
                    let call = self.calls.iter_mut().find(|call| call.is_there && call.key == key).expect("a call");
                    let stream = &mut call.streams[party as usize];
                    assert!(stream.is_spoken_into, "told once, and only where somebody has spoken");
                    assert!(!self.mixer.is_spoken_into(key, party), "told, and not so");
                    stream.is_spoken_into = false;
                }
                Some(Event::OtherType(key, _)) => {
                    assert!(self.calls.iter().any(|call| call.is_there && call.key == key), "of nobody's call");
                }
                Some(Event::Digit(key, _)) => {
                    let names = (0..NAMES).filter(|name| self.sessions[*name].is_some());
                    assert!(names.map(|name| SessionKey(name as u64)).any(|name| name == key), "nobody's digit");
                }
                None => break,
            }
        }
        for call in &mut self.calls {
            for (party, stream) in Party::BOTH.into_iter().zip(&mut call.streams) {
                let is_spoken_into = self.mixer.is_spoken_into(call.key, party);
                assert!(is_spoken_into || !stream.is_spoken_into, "need not come by any more, and that is not told");
                assert!(stream.may_be_spoken_into || !is_spoken_into, "nobody is to be heard");
                stream.is_spoken_into = is_spoken_into;
                stream.to_lead.push_back((self.now_ns + self.lead_ns, is_spoken_into));
                stream.do_what_is_due(self.now_ns);
            }
        }
    }
}

/// What left is what came but for its number and time; where it is not `is_plain`, but for its sound, too.
fn compare(came: &[u8], left: &[u8], header: usize, is_plain: bool) {
    assert_eq!(left[1], came[1], "another kind");
    assert_eq!(left.get(8..header), came.get(8..header), "another header");
    if is_plain {
        assert_eq!((left[0], &left[header..]), (came[0], &came[header..]), "another payload though nobody speaks");
    } else {
        assert_eq!(left[0] & 0xdf, came[0] & 0xdf);
    }
}

impl Call {
    fn new(at: u16) -> Self {
        let stream = |party: u16| Stream {
            row: RowIndex::new(Local(0), 20_000 + 4 * at + 2 * party),
            format: None,
            offset: 0,
            told: 0,
            to_shift: VecDeque::new(),
            is_led: false,
            to_lead: VecDeque::new(),
            is_spoken_into: false,
            may_be_spoken_into: false,
            is_known: false,
            trail: (at == 0).then(Trail::default),
        };
        Self { key: CallKey(at.into()), is_there: false, streams: [stream(0), stream(1)] }
    }
}

impl Stream {
    fn do_what_is_due(&mut self, now_ns: u64) {
        while let Some((_, offset)) = self.to_shift.pop_front_if(|it| it.0 <= now_ns) {
            self.offset = offset;
        }
        while let Some((_, is_led)) = self.to_lead.pop_front_if(|it| it.0 <= now_ns) {
            self.is_led = is_led;
        }
    }
}

impl Session {
    /// A packet comes to the supervisor's telephone.
    fn hear(&mut self, now_ns: u64, to: Endpoint, packet: &[u8]) {
        assert!(self.hears && packet.len() <= PACKET_MAX);
        assert!(self.sources.contains(&to), "to {to:?}, where nobody is");
        let packet = RtpReader::new(packet).expect("RTP");
        assert_eq!(packet.payload_type(), self.phone.format.payload_type);
        let (ssrc, sequence) = (packet.ssrc(), u16::from(packet.sequence_number()));
        if let Some((source, last)) = self.last.replace((ssrc, sequence)) {
            assert_eq!((ssrc, sequence), (source, last.wrapping_add(1)), "one stream, numbered one by one");
        }
        self.packets += 1;
        assert!(self.packets <= (now_ns - self.since_ns) / (10 * MS) + 1, "faster than any telephone");
    }
}

impl Name {
    const fn index(self) -> usize {
        self.0 as usize % NAMES
    }

    const fn key(self) -> SessionKey {
        SessionKey(self.index() as u64)
    }
}

impl Which {
    fn index(self) -> usize {
        usize::from(self.0)
    }
}
