//! One direction of a call: voices are added to a stream that goes on being its sender's.
//!
//! A packet leaves with its own header; only its sound is another. Where the sender is silent (DTX, hold, mute) and a
//! voice is to be heard, packets are slipped in on the sender's SSRC, and what the sender says later is numbered on by as
//! many.

mod consent;
mod duck;
mod numbers;
mod pace;
mod stash;
mod trail;

use self::{
    consent::Consent,
    duck::Duck,
    numbers::{Order, Placed},
    stash::{MISSING_MAX, Stash},
    trail::{Kind, SlippedIn, Trail},
};
use super::{
    Codec, Format,
    bench::Bench,
    codec::{CodecError, Decoder, Encoder},
    convert::Listener,
    gain::Gain,
    limiter::limit,
    line::Line,
    packet::{HEADER, Header, Packet, set_sequence, set_timestamp},
    session::Sessions,
    tail::Tail,
};

/// How long after a supervisor's last packet that voice is not to be heard, in nanoseconds.
const VOICE_FRESH_NS: u64 = 200_000_000;
/// How much sound still comes by after the last voice at most, in nanoseconds: until a coder with a memory has forgotten
/// that voice. A sender's silence makes nobody forget.
const BACK_NS: u64 = 2_000_000_000;
/// How long it may take until the stream comes by once that is wanted, in nanoseconds. Nothing is slipped in before:
/// what goes past cannot be numbered and timed behind it.
const LEAD_NS: u64 = 20_000_000;
/// Packets that an Opus decoder hears before it is heard itself: it knows nothing of what came before.
const WARMING: u8 = 2;

/// What is added to the stream of one party on its way to the other.
pub(super) struct Splice {
    format: Format,
    /// There while anybody is heard, and until what its sender says means the same as what leaves here.
    coders: Option<Coders>,
    voices: Vec<Voice>,
    /// Those who were heard a moment ago.
    tail: Tail,
    consent: Option<Consent>,
    trail: Trail,
    /// Whether the stream has to come by.
    is_led: bool,
    /// How much sound has come by since nobody is heard, in nanoseconds.
    quiet_ns: Option<u64>,
    /// When the stream is sure to come by.
    led_ns: u64,
    /// When somebody began to speak before the party was ever heard of.
    since_ns: u64,
    /// When it is due on the wheel.
    pub(super) on_wheel: Option<u64>,
}

/// What takes a packet's sound apart and puts it together.
struct Coders {
    decoder: Decoder,
    encoder: Encoder,
    duck: Duck,
    stash: Stash,
    /// The last packet that voices were added to.
    mixed: Option<Mixed>,
    /// Packets that are decoded only.
    warming: u8,
}

/// A packet that voices were added to.
#[derive(Clone, Copy, Debug)]
struct Mixed {
    number: u16,
    timestamp: u32,
}

/// A supervisor who is heard.
struct Voice {
    session: usize,
    listener: Listener,
    gain: Gain,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Its length on the bench.
    pub(super) length: usize,
    /// Whether the stream need not come by any more.
    pub(super) is_drained: bool,
}

impl Splice {
    /// Nothing is added yet. `inserted`: packets that were slipped into the stream before.
    pub(super) fn new(format: Format, inserted: u16) -> Self {
        Self {
            format,
            coders: None,
            voices: Vec::new(),
            tail: Tail::default(),
            consent: None,
            trail: Trail::new(inserted),
            is_led: false,
            quiet_ns: None,
            led_ns: 0,
            since_ns: 0,
            on_wheel: None,
        }
    }

    /// Whether the stream has to come by: somebody is heard, or was a moment ago.
    pub(super) const fn is_led(&self) -> bool {
        self.is_led
    }

    /// Packets that were slipped in, ever.
    pub(super) const fn inserted(&self) -> u16 {
        self.trail.inserted()
    }

    /// Has a supervisor be heard, or no longer. `tap` is the same stream, as it is listened to.
    pub(super) fn set_voice(
        &mut self,
        now_ns: u64,
        session: usize,
        is_heard: bool,
        mic: &Line,
        tap: &Line,
    ) -> Result<(), CodecError> {
        if let Some(voice) = self.voices.iter_mut().find(|voice| voice.session == session) {
            voice.gain.move_to(f32::from(u8::from(is_heard)));
            return Ok(());
        }
        if is_heard {
            self.lead(now_ns, tap)?;
            let rate = self.format.codec.rate();
            let mut gain = Gain::silent(rate);
            gain.move_to(1.0);
            self.voices.push(Voice { session, listener: Listener::new(rate, mic.rate()), gain });
        }
        Ok(())
    }

    /// Lets a supervisor fade who is going, or will speak with another codec. True when the stream need not come by any
    /// more.
    pub(super) fn drop_voice(&mut self, now_ns: u64, session: usize, mic: &mut Line, bench: &mut Bench) -> bool {
        let Some(at) = self.voices.iter().position(|voice| voice.session == session) else { return false };
        let mut voice = self.voices.swap_remove(at);
        let rate = self.format.codec.rate();
        self.tail.fade(now_ns, rate, (&mut voice.listener, &mut voice.gain), mic, bench);
        self.settle(0)
    }

    /// Has the party hear the consent tone from now on, or no longer. `tap` is the same stream, as it is listened to.
    pub(super) fn set_consent(&mut self, now_ns: u64, is_heard: bool, tap: &Line) -> Result<(), CodecError> {
        match &mut self.consent {
            Some(consent) if is_heard => consent.go_on(),
            Some(consent) => consent.end(),
            None if is_heard => {
                self.lead(now_ns, tap)?;
                self.consent = Some(Consent::new(now_ns, self.format.codec.rate()));
            }
            None => {}
        }
        Ok(())
    }

    /// The stream has another codec, or other payload types.
    pub(super) fn set_format(&mut self, format: Format, tap: &Line, sessions: &Sessions) -> Result<(), CodecError> {
        let is_another = format.codec != self.format.codec || format.packet_ms != self.format.packet_ms;
        self.format = format;
        if !is_another {
            return Ok(());
        }
        self.trail.change_format();
        self.tail.clear();
        if self.coders.is_none() {
            return Ok(());
        }
        let rate = format.codec.rate();
        self.coders = Some(Coders::of(&format, tap)?);
        self.consent = self.consent.as_ref().map(|consent| consent.at(rate));
        for voice in &mut self.voices {
            voice.gain = voice.gain.at(rate);
            if let Some(session) = sessions.get(voice.session) {
                voice.listener = Listener::new(rate, session.mic.rate());
            }
        }
        Ok(())
    }

    /// A copy of a packet was seen that left, or is about to leave. `tap` has not heard it yet.
    pub(super) fn note(&mut self, now_ns: u64, packet: &Packet<'_>, tap: &Line) {
        if let Some(coders) = self.coders.as_mut().filter(|coders| coders.mixed.is_none()) {
            // The stream is not led by here yet, or comes behind its copies: what decodes it has to stand before it.
            coders.stand_with(tap);
        }
        self.trail.note(now_ns, packet, &self.format);
    }

    /// Passes a packet of the party's on to the bench, with the voices in it. `tap` has heard it already or has not.
    pub(super) fn pass(
        &mut self,
        now_ns: u64,
        bytes: &[u8],
        tap: Option<&Line>,
        sessions: &mut Sessions,
        bench: &mut Bench,
        ducked: f32,
    ) -> Passed {
        let unchanged = Passed { length: 0, is_drained: false };
        let Some(place) = bench.packet.get_mut(..bytes.len()) else { return unchanged };
        place.copy_from_slice(bytes);
        let unchanged = Passed { length: bytes.len(), ..unchanged };
        let Some(packet) = Packet::read(bytes) else { return unchanged };
        let leaves = self.trail.note(now_ns, &packet, &self.format);
        set_sequence(&mut bench.packet, leaves.placed.leaves_as);
        set_timestamp(&mut bench.packet, leaves.timestamp);
        let mut length = None;
        if Kind::of(packet.payload_type, &self.format) == Kind::Sound
            && let Some(coders) = &mut self.coders
        {
            if let Some(tap) = tap.filter(|tap| coders.mixed.is_none() && tap.expects(&packet)) {
                coders.stand_with(tap);
            }
            length = self.mix(now_ns, &packet, leaves.placed, sessions, bench, ducked);
        }
        self.voices.retain(|voice| !voice.gain.is_silent());
        let is_drained = self.settle(trail::packet_ns(&self.format));
        Passed { length: length.unwrap_or(bytes.len()), is_drained }
    }

    /// When to call [`slip_in`](Self::slip_in); `None` while nobody speaks.
    pub(super) fn deadline_ns(&self) -> Option<u64> {
        self.coders.as_ref()?;
        let next_ns = self.trail.next_ns().unwrap_or_else(|| trail::first_ns(self.since_ns)).max(self.led_ns);
        if !self.voices.is_empty() || !self.tail.is_over() {
            return Some(next_ns);
        }
        if let Some(consent) = &self.consent {
            return Some(next_ns.max(consent.due_ns()));
        }
        self.quiet_ns.is_none().then_some(next_ns)
    }

    /// Puts a packet with nothing but the voices onto the bench, if it is time: its length, 0 where nobody is to be heard.
    pub(super) fn slip_in(&mut self, now_ns: u64, sessions: &mut Sessions, bench: &mut Bench, seed: u64) -> Passed {
        if self.deadline_ns().is_none_or(|deadline_ns| deadline_ns > now_ns) {
            return Passed { length: 0, is_drained: false };
        }
        let is_fresh = |voice: &Voice| {
            let heard_ns = sessions.get(voice.session).and_then(|session| session.mic.heard_ns());
            heard_ns.is_some_and(|heard_ns| now_ns.saturating_sub(heard_ns) < VOICE_FRESH_NS)
        };
        let is_told = self.consent.as_ref().is_some_and(|consent| consent.due_ns() <= now_ns);
        let mut length = None;
        if is_told || self.voices.iter().any(is_fresh) {
            length = self.voices_alone(now_ns, sessions, bench, seed);
            self.voices.retain(|voice| !voice.gain.is_silent());
        }
        if length.is_none() {
            self.trail.let_pass(now_ns, &self.format);
            self.since_ns = now_ns;
            // Those that nobody wants any more fade unheard.
            self.voices.retain(|voice| voice.gain.is_wanted());
            self.tail.clear();
        }
        if let Some(coders) = &mut self.coders {
            coders.duck.reset();
        }
        Passed { length: length.unwrap_or_default(), is_drained: self.settle(0) }
    }

    /// Puts the voices into the packet that lies on the bench. `None` leaves it as it is.
    fn mix(
        &mut self,
        now_ns: u64,
        packet: &Packet<'_>,
        placed: Placed,
        sessions: &mut Sessions,
        bench: &mut Bench,
        ducked: f32,
    ) -> Option<usize> {
        let coders = self.coders.as_mut()?;
        let length = coders.decoder.decode(packet.payload, &mut bench.base).ok()?;
        if coders.warming > 0 {
            coders.warming -= 1;
            return None;
        }
        if coders.is_late(placed) {
            let sum = coders.stash.take(placed.number).filter(|sum| sum.len() == length)?;
            bench.sum.get_mut(..length)?.copy_from_slice(sum);
        } else {
            for number in coders.missing(packet, placed, length, &self.format) {
                self.sum_voices(now_ns, length, sessions, bench);
                if let (Some(coders), Some(sum)) = (&mut self.coders, bench.sum.get(..length)) {
                    coders.stash.keep(number, sum);
                }
            }
            self.sum_voices(now_ns, length, sessions, bench);
        }
        let coders = self.coders.as_mut()?;
        let (base, sum) = (bench.base.get(..length)?, bench.sum.get(..length)?);
        let mixed = bench.voice.get_mut(..length)?;
        mixed.copy_from_slice(base);
        coders.duck.listen(now_ns, sum, ducked);
        coders.duck.apply(mixed);
        for (sample, added) in mixed.iter_mut().zip(sum) {
            *sample = limit(i32::from(*sample) + added, *sample);
        }
        let payload = bench.packet.get_mut(packet.header.len()..)?;
        let encoded = coders.encoder.encode_onto(&coders.decoder, packet.payload, base, mixed, payload).ok()?;
        // What padding there was is cut off.
        if let Some(first) = bench.packet.first_mut() {
            *first &= !0x20;
        }
        Some(packet.header.len() + encoded)
    }

    fn voices_alone(&mut self, now_ns: u64, sessions: &mut Sessions, bench: &mut Bench, seed: u64) -> Option<usize> {
        let length = self.format.codec.rate().samples(self.format.packet_ms.into());
        self.sum_voices(now_ns, length, sessions, bench);
        let sound = bench.voice.get_mut(..length)?;
        for (sample, sum) in sound.iter_mut().zip(&bench.sum) {
            *sample = limit(*sum, 0);
        }
        let (head, payload) = bench.packet.split_first_chunk_mut::<HEADER>()?;
        let encoded = self.coders.as_mut()?.encoder.encode(sound, payload).ok()?;
        let SlippedIn { ssrc, sequence, timestamp, marker } =
            self.trail.slip_in(now_ns, &self.format, self.since_ns, seed);
        let payload_type = self.format.payload_type;
        *head = Header { marker, payload_type, sequence, timestamp, ssrc }.to_bytes();
        Some(HEADER + encoded)
    }

    /// Sums up all that is added to so many samples, on the bench.
    fn sum_voices(&mut self, now_ns: u64, length: usize, sessions: &mut Sessions, bench: &mut Bench) {
        let (Some(sum), Some(sound)) = (bench.sum.get_mut(..length), bench.voice.get_mut(..length)) else { return };
        sum.fill(0);
        for voice in &mut self.voices {
            let Some(session) = sessions.get_mut(voice.session) else { continue };
            voice.listener.read(now_ns, &mut session.mic, sound, &mut bench.scratch);
            voice.gain.add(sound, sum);
        }
        self.tail.add(sum);
        if let Some(consent) = &mut self.consent
            && consent.generate(now_ns, sound)
        {
            sum.iter_mut().zip(&*sound).for_each(|(sum, sample)| *sum += i32::from(*sample));
        }
    }

    /// Has the stream come by.
    fn lead(&mut self, now_ns: u64, tap: &Line) -> Result<(), CodecError> {
        if self.coders.is_none() {
            self.coders = Some(Coders::of(&self.format, tap)?);
            self.since_ns = now_ns;
        }
        if !self.is_led {
            (self.is_led, self.led_ns) = (true, now_ns + LEAD_NS);
        }
        self.quiet_ns = None;
        Ok(())
    }

    /// Whether the stream need not come by any more, and this is the moment: nobody is heard, and what its sender says
    /// next means the same to who has heard the packets of here. `passed_ns`: how much sound has just come by.
    fn settle(&mut self, passed_ns: u64) -> bool {
        self.consent.take_if(|consent| consent.is_over());
        let is_plain = self.coders.as_ref().is_none_or(|coders| coders.duck.is_off());
        if !self.voices.is_empty() || !self.tail.is_over() || self.consent.is_some() || !is_plain {
            self.quiet_ns = None;
            return false;
        }
        self.trail.pause();
        let quiet_ns = self.quiet_ns.map_or(0, |quiet_ns| quiet_ns + passed_ns);
        self.quiet_ns = Some(quiet_ns);
        // Opus never gets into step; waiting would be in vain.
        let is_in_step = |coders: &Coders| coders.encoder.in_step() || self.format.codec == Codec::Opus;
        if quiet_ns >= BACK_NS || self.coders.as_ref().is_some_and(is_in_step) {
            self.coders = None;
        }
        let is_over = self.is_led && self.coders.is_none() && self.trail.is_true();
        self.is_led &= !is_over;
        is_over
    }
}

impl Coders {
    /// Coders that go on in the middle of the stream that `tap` listens to.
    fn of(format: &Format, tap: &Line) -> Result<Self, CodecError> {
        let mut this = Self {
            decoder: Decoder::new(format.codec)?,
            encoder: Encoder::new(format.codec, format.packet_ms)?,
            duck: Duck::new(format.codec.rate()),
            stash: Stash::new(format),
            mixed: None,
            warming: if format.codec == Codec::Opus { WARMING } else { 0 },
        };
        this.stand_with(tap);
        Ok(this)
    }

    /// Goes over to where `tap` stands.
    fn stand_with(&mut self, tap: &Line) {
        if let Some(decoder) = tap.decoder().fork() {
            self.decoder = decoder;
            self.encoder.follow(&self.decoder);
        }
    }

    /// Whether a packet comes after one that it was sent before.
    fn is_late(&self, placed: Placed) -> bool {
        let behind = |mixed: Mixed| placed.number.wrapping_sub(mixed.number).cast_signed() <= 0;
        placed.order != Order::Anew && self.mixed.is_some_and(behind)
    }

    /// The numbers of the packets that are missing before one of so many samples, where their time is known.
    fn missing(
        &mut self,
        packet: &Packet<'_>,
        placed: Placed,
        length: usize,
        format: &Format,
    ) -> impl Iterator<Item = u16> + use<> {
        let now = Mixed { number: placed.number, timestamp: packet.timestamp };
        let before = self.mixed.replace(now).filter(|_| placed.order != Order::Anew);
        let (rate, clock) = (format.codec.rate().hz(), format.codec.clock().hz());
        let ticks = (length as u32) / (rate / clock);
        let count = before.map_or(0, |before| {
            let steps = now.number.wrapping_sub(before.number);
            let is_even = now.timestamp.wrapping_sub(before.timestamp) == ticks.wrapping_mul(steps.into());
            if is_even && steps <= MISSING_MAX + 1 { steps - 1 } else { 0 }
        });
        (0..count).map(move |at| now.number.wrapping_sub(count - at))
    }
}
