//! Two parties, supervisors, and a network between them and the mixer.

use std::collections::VecDeque;

use undertone_abi::{Address, Endpoint, Local, Policy, RowIndex};

use super::super::{
    codec::{Decoder, Encoder, SAMPLES_MAX},
    packet::{Header, Packet},
    *,
};

pub(super) const MS: u64 = 1_000_000;
pub(super) const CALL: CallKey = CallKey(1);
pub(super) const SEED: u64 = 11;

/// The tone that each person says, in hertz.
pub(super) const AGENT_HZ: f64 = 700.0;
pub(super) const CALLER_HZ: f64 = 1_100.0;
pub(super) const SUPERVISOR_HZ: f64 = 1_700.0;
pub(super) const SECOND_HZ: f64 = 2_300.0;

pub(super) const fn row(party: Party) -> RowIndex {
    RowIndex::new(
        Local(0),
        match party {
            Party::Agent => 20_000,
            Party::Caller => 20_002,
        },
    )
}

pub(super) const fn format(codec: Codec, packet_ms: u8) -> Format {
    Format { codec, payload_type: 96, telephone_event: Some(101), comfort_noise: Some(13), packet_ms }
}

/// What a telephone sends while its owner says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing.
    Nothing,
    /// Nothing, and its clock stands still meanwhile, as that of some does.
    Stops,
    /// Comfort noise at its beginning, and every 160 ms (RFC 3389).
    Noise,
}

/// Somebody's telephone: says a tone, and hears.
pub(super) struct Phone {
    pub(super) format: Format,
    encoder: Encoder,
    hz: f64,
    /// How high the tone is.
    pub(super) height: f64,
    /// Samples said.
    said: u64,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// When the next packet is due.
    pub(super) next_ns: u64,
    pub(super) is_silent: bool,
    pub(super) silence: Silence,
    /// Packets since it is silent, and whether the next one is the first of a talkspurt.
    silent_for: u64,
    marks: bool,
    heard_as: Format,
    decoder: Decoder,
    /// What was heard, and the packets that it came in, with their times.
    pub(super) heard: Vec<i16>,
    pub(super) packets: Vec<Vec<u8>>,
    pub(super) times: Vec<u64>,
    /// Whether every packet has its number in a header extension; and all that were sent.
    pub(super) is_numbered: bool,
    pub(super) sent: Vec<Vec<u8>>,
}

impl Phone {
    pub(super) fn new(format: Format, hz: f64, ssrc: u32) -> Self {
        Self::between(format, format, hz, ssrc)
    }

    /// A telephone that says in one format and hears in another.
    pub(super) fn between(format: Format, heard: Format, hz: f64, ssrc: u32) -> Self {
        Self {
            format,
            encoder: Encoder::new(format.codec, format.packet_ms).unwrap(),
            hz,
            height: 6_000.0,
            said: 0,
            ssrc,
            sequence: (ssrc * 1_000) as u16,
            timestamp: ssrc.wrapping_mul(77_777),
            next_ns: u64::from(ssrc) * 3 * MS,
            is_silent: false,
            silence: Silence::Nothing,
            silent_for: 0,
            marks: false,
            decoder: Decoder::new(heard.codec).unwrap(),
            heard_as: heard,
            heard: Vec::new(),
            packets: Vec::new(),
            times: Vec::new(),
            is_numbered: false,
            sent: Vec::new(),
        }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { address: Address::v4(0x0a00_0000 | self.ssrc), port: 4_000 }
    }

    /// The packet that is due, if one is.
    pub(super) fn say(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        if now_ns < self.next_ns {
            return None;
        }
        self.next_ns += u64::from(self.format.packet_ms) * MS;
        let rate = self.format.codec.rate();
        let count = rate.samples(self.format.packet_ms.into());
        let ticks = self.format.codec.clock().hz() / 1000 * u32::from(self.format.packet_ms);
        let sound: Vec<i16> = (self.said..self.said + count as u64)
            .map(|at| ((at as f64 / f64::from(rate.hz()) * self.hz * std::f64::consts::TAU).sin() * self.height) as i16)
            .collect();
        self.said += count as u64;
        let timestamp = self.timestamp;
        if !self.is_silent || self.silence != Silence::Stops {
            self.timestamp = timestamp.wrapping_add(ticks);
        }
        if self.is_silent {
            let since = self.silent_for * u64::from(self.format.packet_ms);
            self.silent_for += 1;
            self.marks = true;
            let is_noise = self.silence == Silence::Noise && since % 160 < u64::from(self.format.packet_ms);
            let payload_type = self.format.comfort_noise.filter(|_| is_noise)?;
            return Some(self.packet(payload_type, timestamp, &[63]));
        }
        self.silent_for = 0;
        let mut payload = [0; 4096];
        let length = self.encoder.encode(&sound, &mut payload).unwrap();
        Some(self.packet(self.format.payload_type, timestamp, &payload[..length]))
    }

    /// A packet with the next number.
    pub(super) fn packet(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let marker = self.marks && payload_type == self.format.payload_type;
        self.marks &= !marker;
        let header = Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = header.to_bytes().to_vec();
        if self.is_numbered {
            packet[0] |= 0x10;
            packet.extend([0xbe, 0xde, 0, 1]);
            packet.extend((self.sent.len() as u32).to_be_bytes());
        }
        packet.extend(payload);
        if self.is_numbered {
            self.sent.push(packet.clone());
        }
        packet
    }

    fn hear(&mut self, now_ns: u64, packet: &[u8]) {
        let mut sound = [0; SAMPLES_MAX];
        let read = Packet::read(packet).expect("RTP");
        if read.payload_type == self.heard_as.payload_type {
            let length = self.decoder.decode(read.payload, &mut sound).unwrap_or_default();
            self.heard.extend(&sound[..length]);
        }
        self.packets.push(packet.to_vec());
        self.times.push(now_ns);
    }

    /// How strong a tone is in the last 200 ms heard, as the height of a sine.
    pub(super) fn strength(&self, hz: f64) -> f64 {
        self.strength_within(hz, 200)
    }

    /// The same in the last milliseconds heard.
    pub(super) fn strength_within(&self, hz: f64, ms: usize) -> f64 {
        let rate = f64::from(self.heard_as.codec.rate().hz());
        let length = self.heard_as.codec.rate().samples(ms).min(self.heard.len());
        let sound = &self.heard[self.heard.len() - length..];
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (at, sample) in sound.iter().enumerate() {
            let angle = at as f64 / rate * hz * std::f64::consts::TAU;
            sine += angle.sin() * f64::from(*sample);
            cosine += angle.cos() * f64::from(*sample);
        }
        2.0 * sine.hypot(cosine) / length.max(1) as f64
    }

    /// Whether a tone is heard, and clearly so; or clearly not.
    pub(super) fn hears(&self, hz: f64) -> bool {
        let strength = self.strength(hz);
        assert!(!(300.0..3_000.0).contains(&strength), "{hz} Hz is neither heard nor not: {strength:.0}");
        strength >= 3_000.0
    }

    pub(super) fn forget(&mut self) {
        self.heard.clear();
        self.packets.clear();
        self.times.clear();
    }
}

/// A supervisor with a telephone.
pub(super) struct Supervisor {
    pub(super) place: usize,
    pub(super) phone: Phone,
    /// Packets on their way to the mixer.
    under_way: VecDeque<(u64, Vec<u8>)>,
}

/// The scene.
pub(super) struct Scene {
    pub(super) mixer: Mixer,
    pub(super) now_ns: u64,
    pub(super) agent: Phone,
    pub(super) caller: Phone,
    pub(super) supervisors: Vec<Supervisor>,
    /// What the data plane adds to numbers, and whether it leads streams by here: of the agent's and of the caller's.
    pub(super) offsets: [u16; 2],
    pub(super) is_diverted: [bool; 2],
    pub(super) events: Vec<Event>,
    /// RTCP that went to supervisors' phones: where to, and whether from a port of its own.
    pub(super) reports: Vec<(Endpoint, bool, Vec<u8>)>,
    /// How long what the supervisors say is under way, by packet, in milliseconds; `None` loses it.
    pub(super) network: fn(u64) -> Option<u64>,
    /// The same of what the parties say.
    pub(super) party_network: fn(u64) -> Option<u64>,
    /// How long it takes until streams are led as the mixer wants it, and until numbers are shifted as it says, in
    /// milliseconds.
    pub(super) lead_ms: u64,
    pub(super) shift_ms: u64,
    /// Whether the copy of a packet comes before the packet.
    pub(super) copies_first: bool,
    sent: u64,
    said: u64,
    parties_under_way: Vec<(u64, Party, Vec<u8>)>,
    to_lead: VecDeque<(u64, [bool; 2])>,
    to_shift: VecDeque<(u64, RowIndex, u16)>,
}

/// What leaves the mixer.
#[derive(Default)]
pub(super) struct Out {
    pub(super) on: Vec<(RowIndex, Vec<u8>)>,
    to: Vec<(usize, Endpoint, Vec<u8>)>,
    pub(super) reports: Vec<(Endpoint, bool, Vec<u8>)>,
    shifts: Vec<(RowIndex, u16)>,
}

impl Sink for Out {
    fn send_on(&mut self, row: RowIndex, packet: &[u8]) {
        self.on.push((row, packet.to_vec()));
    }

    fn send_to(&mut self, session: usize, to: Endpoint, packet: &[u8]) {
        self.to.push((session, to, packet.to_vec()));
    }

    fn report_to(&mut self, _: usize, to: Endpoint, is_beside: bool, packet: &[u8]) {
        self.reports.push((to, is_beside, packet.to_vec()));
    }

    fn shift(&mut self, row: RowIndex, sequence_offset: u16) {
        self.shifts.push((row, sequence_offset));
    }
}

impl Scene {
    pub(super) fn new(agent: Format, caller: Format) -> Self {
        let mut mixer = Mixer::new(0, SEED);
        let spec = |party, format| StreamSpec { row: row(party), format: Some(format), sequence_offset: 0 };
        mixer.set_call(0, CALL, [spec(Party::Agent, agent), spec(Party::Caller, caller)]).unwrap();
        Self {
            mixer,
            now_ns: 0,
            agent: Phone::between(agent, caller, AGENT_HZ, 1),
            caller: Phone::between(caller, agent, CALLER_HZ, 2),
            supervisors: Vec::new(),
            offsets: [0; 2],
            is_diverted: [false; 2],
            events: Vec::new(),
            reports: Vec::new(),
            network: |_| Some(0),
            party_network: |_| Some(0),
            lead_ms: 0,
            shift_ms: 0,
            copies_first: false,
            sent: 0,
            said: 0,
            parties_under_way: Vec::new(),
            to_lead: VecDeque::new(),
            to_shift: VecDeque::new(),
        }
    }

    /// A supervisor comes, and listens.
    pub(super) fn join(&mut self, format: Format, hz: f64) -> SessionKey {
        let key = SessionKey(self.supervisors.len() as u64 + 1);
        let mut phone = Phone::new(format, hz, 10 + key.0 as u32);
        phone.next_ns = self.now_ns;
        let spec = SessionSpec {
            format,
            remote: phone.endpoint(),
            rtcp: None,
            policy: Policy::Strict,
            hears: true,
            tones: false,
        };
        let place = self.mixer.set_session(self.now_ns, key, spec).unwrap();
        self.supervisors.push(Supervisor { place, phone, under_way: VecDeque::new() });
        self.set_mode(key, Mode::Listen);
        key
    }

    pub(super) fn set_mode(&mut self, key: SessionKey, mode: Mode) {
        self.mixer.attach(self.now_ns, key, CALL, mode).unwrap();
        self.follow();
    }

    /// Has the consent tone be heard by the agent and by the caller.
    pub(super) fn set_consent(&mut self, is_heard: [bool; 2]) {
        self.mixer.set_consent(self.now_ns, CALL, is_heard).unwrap();
        self.follow();
    }

    /// Leads streams by here as the mixer wants it, as control does.
    fn follow(&mut self) {
        while let Some(event) = self.mixer.poll() {
            self.events.push(event);
        }
        let wanted = Party::BOTH.map(|party| self.mixer.is_spoken_into(CALL, party));
        self.to_lead.push_back((self.now_ns + self.lead_ms * MS, wanted));
        while let Some((_, wanted)) = self.to_lead.pop_front_if(|it| it.0 <= self.now_ns) {
            self.is_diverted = wanted;
        }
    }

    pub(super) fn phone(&mut self, party: Party) -> &mut Phone {
        match party {
            Party::Agent => &mut self.agent,
            Party::Caller => &mut self.caller,
        }
    }

    pub(super) fn forget(&mut self) {
        self.agent.forget();
        self.caller.forget();
        self.supervisors.iter_mut().for_each(|supervisor| supervisor.phone.forget());
    }

    /// Lets so many milliseconds pass.
    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now_ns += MS;
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now_ns;
        let mut out = Out::default();
        while let Some((_, row, offset)) = self.to_shift.pop_front_if(|it| it.0 <= now) {
            self.offsets[usize::from(row != self::row(Party::Agent))] = offset;
        }
        for party in Party::BOTH {
            if let Some(packet) = self.phone(party).say(now) {
                self.send(party, packet);
            }
        }
        let all = std::mem::take(&mut self.parties_under_way);
        let (arrived, under_way): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.0 <= now);
        self.parties_under_way = under_way;
        for (_, party, packet) in arrived {
            self.arrive(party, packet, &mut out);
        }
        for supervisor in &mut self.supervisors {
            if let Some(packet) = supervisor.phone.say(now) {
                self.sent += 1;
                if let Some(delay_ms) = (self.network)(self.sent) {
                    supervisor.under_way.push_back((now + delay_ms * MS, packet));
                }
            }
            let all = std::mem::take(&mut supervisor.under_way);
            let (arrived, under_way): (VecDeque<_>, VecDeque<_>) = all.into_iter().partition(|it| it.0 <= now);
            supervisor.under_way = under_way;
            for (_, packet) in arrived {
                self.mixer.take(now, supervisor.place, supervisor.phone.endpoint(), &packet);
            }
        }
        self.mixer.tick(now, &mut out);
        self.follow();
        for (at, packet) in out.on {
            let to = if at == row(Party::Agent) { Party::Caller } else { Party::Agent };
            self.phone(to).hear(now, &packet);
        }
        for (place, to, packet) in out.to {
            let supervisor = self.supervisors.iter_mut().find(|it| it.place == place).expect("a supervisor");
            assert_eq!(to, supervisor.phone.endpoint());
            supervisor.phone.hear(now, &packet);
        }
        self.reports.append(&mut out.reports);
        for (at, offset) in out.shifts {
            self.to_shift.push_back((now + self.shift_ms * MS, at, offset));
        }
    }

    /// A party's packet is on its way to the data plane.
    pub(super) fn send(&mut self, party: Party, packet: Vec<u8>) {
        self.said += 1;
        if let Some(delay_ms) = (self.party_network)(self.said) {
            self.parties_under_way.push((self.now_ns + delay_ms * MS, party, packet));
        }
    }

    /// A packet of a party's comes to the data plane.
    fn arrive(&mut self, party: Party, mut packet: Vec<u8>, out: &mut Out) {
        let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(self.offsets[party.index()]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        if self.copies_first {
            self.mixer.hear(self.now_ns, row(party), &packet);
        }
        if self.is_diverted[party.index()] {
            self.mixer.pass(self.now_ns, row(party), &packet, out);
        } else {
            let now = self.now_ns;
            self.phone(party.other()).hear(now, &packet);
        }
        if !self.copies_first {
            self.mixer.hear(self.now_ns, row(party), &packet);
        }
    }
}
