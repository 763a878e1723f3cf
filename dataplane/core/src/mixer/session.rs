//! A supervisor: a microphone, an ear, and a mode.

use slab::Slab;
use undertone_abi::{Endpoint, Policy};

use super::{
    Format, Mode, SessionKey,
    bench::Bench,
    codec::CodecError,
    dtmf::{Digit, Events},
    ear::Ear,
    line::{Line, Reader},
    packet::{self, Packet},
    rtcp::{Ours, Qualities, Rtcp},
    tones::Detector,
};

/// The supervisors there are.
pub(super) type Sessions = Slab<Session>;

/// Packets that a supervisor's phone may send in a second: more than twice as many as the shortest packets take.
const PACKETS_PER_S: u64 = 250;
/// Packets that may come at once.
const PACKETS_AT_ONCE: u64 = 50;

/// How a supervisor's phone sends and what it wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSpec {
    /// How its packets are to be read, and how ours are made.
    pub format: Format,
    /// Where it is, as it has said.
    pub remote: Endpoint,
    /// Where its RTCP is; `None` where that comes and goes with RTP (RFC 5761).
    pub rtcp: Option<Endpoint>,
    /// Who may send in its place.
    pub policy: Policy,
    /// Whether it wants to hear: not on hold.
    pub hears: bool,
    /// Whether digits come as tones.
    pub tones: bool,
}

/// A supervisor.
pub(super) struct Session {
    pub(super) key: SessionKey,
    /// The call that it is at.
    pub(super) call: Option<usize>,
    pub(super) mode: Mode,
    /// What comes from the supervisor.
    pub(super) mic: Line,
    /// What goes there; taken out while it listens.
    pub(super) ear: Option<Box<Ear>>,
    pub(super) digits: Events,
    /// Finds digits in the sound.
    tones: Option<Tones>,
    spec: SessionSpec,
    /// Where packets came from.
    learned: Option<Endpoint>,
    pub(super) rtcp: Rtcp,
    allowance: Allowance,
    /// Packets that were more than a phone sends.
    pub(super) flooded: u64,
    /// Packets that came from elsewhere.
    pub(super) strangers: u64,
}

/// Who listens for digits in a supervisor's sound.
struct Tones {
    reader: Reader,
    detector: Detector,
}

impl Tones {
    fn new(format: Format) -> Self {
        Self { reader: Reader::new(), detector: Detector::new(format.codec.rate()) }
    }
}

/// How much a packet may still come, in packets and nanoseconds of one.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    ns: u64,
    at_ns: u64,
}

impl Allowance {
    const PACKET_NS: u64 = 1_000_000_000 / PACKETS_PER_S;
    const FULL_NS: u64 = PACKETS_AT_ONCE * Self::PACKET_NS;

    const fn new(now_ns: u64) -> Self {
        Self { ns: Self::FULL_NS, at_ns: now_ns }
    }

    /// Whether one more packet may come.
    fn take(&mut self, now_ns: u64) -> bool {
        self.ns = (self.ns + now_ns.saturating_sub(self.at_ns)).min(Self::FULL_NS);
        self.at_ns = now_ns;
        let is_enough = self.ns >= Self::PACKET_NS;
        if is_enough {
            self.ns -= Self::PACKET_NS;
        }
        is_enough
    }
}

impl Session {
    pub(super) fn new(now_ns: u64, key: SessionKey, spec: SessionSpec, seed: u64) -> Result<Self, CodecError> {
        let mut ear = Box::new(Ear::new(now_ns, spec.format, seed)?);
        ear.is_open = spec.hears;
        Ok(Self {
            key,
            call: None,
            mode: Mode::Listen,
            mic: Line::new(spec.format)?,
            ear: Some(ear),
            digits: Events::new(),
            tones: spec.tones.then(|| Tones::new(spec.format)),
            spec,
            learned: None,
            rtcp: Rtcp::new(now_ns, seed.rotate_left(32)),
            allowance: Allowance::new(now_ns),
            flooded: 0,
            strangers: 0,
        })
    }

    /// Whether the codec of this is another than there is.
    pub(super) fn is_another(&self, spec: &SessionSpec) -> bool {
        spec.format.codec != self.spec.format.codec
    }

    /// The phone sends, or wants to hear, something else. Who hears it has to be told when the codec is
    /// [another](Self::is_another).
    pub(super) fn set_spec(&mut self, spec: SessionSpec) -> Result<(), CodecError> {
        let is_another = self.is_another(&spec);
        if (spec.remote, spec.policy) != (self.spec.remote, self.spec.policy) {
            self.learned = None;
        }
        if spec.rtcp != self.spec.rtcp {
            self.rtcp.learned = None;
        }
        self.mic.set_format(spec.format)?;
        if let Some(ear) = &mut self.ear {
            ear.set_format(spec.format)?;
            ear.is_open = spec.hears;
        }
        if is_another || spec.tones != self.spec.tones {
            self.tones = spec.tones.then(|| Tones::new(spec.format));
        }
        self.spec = spec;
        Ok(())
    }

    /// Where packets to the supervisor go: where its own come from, before what was signalled.
    pub(super) fn remote(&self) -> Endpoint {
        self.learned.unwrap_or(self.spec.remote)
    }

    /// Reads a packet that came to the session's port, if it may come in. RTCP that comes with it is taken in.
    pub(super) fn admit<'a>(&mut self, now_ns: u64, source: Endpoint, bytes: &'a [u8]) -> Option<Packet<'a>> {
        let signalled = self.spec.remote;
        let may_be = match self.spec.policy {
            Policy::Strict => source == signalled,
            Policy::SameHost => source.address == signalled.address,
            Policy::Latch => true,
        };
        let is_known = self.learned.is_none_or(|learned| learned == source) || source == signalled;
        if !self.lets_in(now_ns, may_be && is_known) {
            return None;
        }
        if packet::is_rtcp(bytes) {
            if self.spec.rtcp.is_none() {
                self.take_rtcp(now_ns, bytes);
            }
            return None;
        }
        let packet = Packet::read(bytes)?;
        self.learned = Some(source);
        Some(packet)
    }

    /// Takes in what came to the port of RTCP, if it may come in. Where the phone is not where it says, its RTP tells first.
    pub(super) fn admit_rtcp(&mut self, now_ns: u64, source: Endpoint, bytes: &[u8]) {
        let Some(signalled) = self.spec.rtcp else { return };
        let may_be = match self.spec.policy {
            Policy::Strict => source == signalled,
            Policy::SameHost => source.address == signalled.address,
            Policy::Latch if self.learned.is_none() && source.address != signalled.address => return,
            Policy::Latch => source.address == self.remote().address,
        };
        let is_known = self.rtcp.learned.is_none_or(|learned| learned == source) || source == signalled;
        if self.lets_in(now_ns, may_be && is_known) && packet::is_rtcp(bytes) {
            self.rtcp.learned = Some(source);
            self.take_rtcp(now_ns, bytes);
        }
    }

    /// Whether one more packet comes in, where its source may send.
    fn lets_in(&mut self, now_ns: u64, is_phone: bool) -> bool {
        if !is_phone {
            self.strangers += 1;
            return false;
        }
        let is_within = self.allowance.take(now_ns);
        self.flooded += u64::from(!is_within);
        is_within
    }

    fn take_rtcp(&mut self, now_ns: u64, bytes: &[u8]) {
        if let Some(ours) = self.ours(now_ns) {
            self.rtcp.take(now_ns, bytes, ours);
        }
    }

    /// What we send, at this moment.
    pub(super) fn ours(&self, now_ns: u64) -> Option<Ours> {
        Some(self.ear.as_ref()?.ours(now_ns))
    }

    /// A packet has come of the source that is heard.
    pub(super) fn note(&mut self, now_ns: u64, packet: &Packet<'_>) {
        let is_sound = packet.payload_type == self.spec.format.payload_type;
        self.rtcp.note(now_ns, packet, self.hz(), is_sound);
    }

    /// Where RTCP goes, and whether from a port of its own.
    pub(super) fn remote_rtcp(&self) -> (Endpoint, bool) {
        match self.spec.rtcp {
            Some(signalled) => (self.rtcp.learned.unwrap_or(signalled), true),
            None => (self.remote(), false),
        }
    }

    /// What RTCP tells.
    pub(super) fn qualities(&self) -> Qualities {
        self.rtcp.qualities(self.hz())
    }

    /// Units of the timestamps a second.
    const fn hz(&self) -> u32 {
        self.spec.format.codec.clock().hz()
    }

    /// Looks for digits in as much sound as one packet of ours lasts.
    pub(super) fn listen_for_tones(&mut self, now_ns: u64, bench: &mut Bench, pressed: impl FnMut(Digit)) {
        let Some(tones) = &mut self.tones else { return };
        let length = self.mic.rate().samples(self.spec.format.packet_ms.into());
        let Some(sound) = bench.voice.get_mut(..length) else { return };
        tones.reader.read(now_ns, &mut self.mic, sound, &mut bench.scratch);
        tones.detector.process(sound, pressed);
    }

    /// Whether a packet is of telephone events.
    pub(super) fn is_event(&self, packet: &Packet<'_>) -> bool {
        Some(packet.payload_type) == self.spec.format.telephone_event
    }
}
