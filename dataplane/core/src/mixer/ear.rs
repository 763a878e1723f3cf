//! What a supervisor hears: mixed on a tick of its own, whatever the call does.

use super::{
    Format, SampleRate,
    bench::Bench,
    call::Call,
    clip::{Clip, Playing},
    codec::{CodecError, Encoder},
    convert::Listener,
    gain::Gain,
    limiter::limit_all,
    line::Line,
    packet::{HEADER, Header},
    rtcp::Ours,
    session::Sessions,
    signal::Generator,
    tail::Tail,
};

/// A tick that is later than this, in nanoseconds, is left out: the process, or the machine, had stopped.
const LATE_NS_MAX: u64 = 200_000_000;

/// A supervisor's ear, with the stream that goes to it.
pub(super) struct Ear {
    format: Format,
    encoder: Encoder,
    /// The agent and the caller; nobody while there is no call.
    parties: [Option<Voice>; 2],
    /// Other supervisors, by session.
    others: Vec<(usize, Voice)>,
    /// Those who were heard a moment ago.
    tail: Tail,
    signals: Generator,
    clip: Option<Playing>,
    header: Header,
    next_ns: u64,
    /// When it is due on the wheel.
    pub(super) on_wheel: Option<u64>,
    /// Whether the supervisor's phone wants to hear: not on hold.
    pub(super) is_open: bool,
}

/// Somebody who is heard.
struct Voice {
    listener: Listener,
    gain: Gain,
}

impl Voice {
    fn new(line: &Line, rate: SampleRate) -> Self {
        let mut gain = Gain::silent(rate);
        gain.move_to(1.0);
        Self { listener: Listener::new(rate, line.rate()), gain }
    }

    fn add(&mut self, now_ns: u64, line: &mut Line, length: usize, bench: &mut Bench) {
        let Some(sound) = bench.voice.get_mut(..length) else { return };
        self.listener.read(now_ns, line, sound, &mut bench.scratch);
        self.gain.add(sound, &mut bench.sum);
    }

    fn fade(&mut self, now_ns: u64, rate: SampleRate, line: &mut Line, tail: &mut Tail, bench: &mut Bench) {
        tail.fade(now_ns, rate, (&mut self.listener, &mut self.gain), line, bench);
    }
}

impl Ear {
    /// An ear that hears nobody. `seed` makes its numbers.
    pub(super) fn new(now_ns: u64, format: Format, seed: u64) -> Result<Self, CodecError> {
        let header = Header {
            marker: true,
            payload_type: format.payload_type,
            sequence: (seed >> 16) as u16 & 0x7fff,
            timestamp: seed as u32,
            ssrc: (seed >> 32) as u32,
        };
        Ok(Self {
            format,
            encoder: Encoder::new(format.codec, format.packet_ms)?,
            parties: [None, None],
            others: Vec::new(),
            tail: Tail::default(),
            signals: Generator::new(format.codec.rate()),
            clip: None,
            header,
            // Those who begin together, as after a start, are not all due together.
            next_ns: now_ns + (seed >> 8) % (u64::from(format.packet_ms) * 1_000_000).max(1),
            on_wheel: None,
            is_open: true,
        })
    }

    /// When the next packet is due.
    pub(super) const fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// The stream that goes to the supervisor, at this moment.
    pub(super) fn ours(&self, now_ns: u64) -> Ours {
        let hz = self.format.codec.clock().hz();
        let ahead = self.next_ns.wrapping_sub(now_ns).cast_signed();
        let ticks = i128::from(ahead) * i128::from(hz) / 1_000_000_000;
        Ours { ssrc: self.header.ssrc, timestamp: self.header.timestamp.wrapping_sub(ticks as u32), hz }
    }

    /// What to play to the supervisor.
    pub(super) const fn signals_mut(&mut self) -> &mut Generator {
        &mut self.signals
    }

    /// Plays a recording to the supervisor, in place of another one that is heard.
    pub(super) fn say(&mut self, clip: &Clip) {
        self.clip = Some(clip.play(self.format.codec.rate()));
    }

    /// The supervisor's phone wants another codec, or other packets. Numbers go on. Where samples are of another
    /// rate now, nobody is heard until others are [set](Self::set_other) again.
    pub(super) fn set_format(&mut self, format: Format) -> Result<(), CodecError> {
        if format.codec != self.format.codec || format.packet_ms != self.format.packet_ms {
            self.encoder = Encoder::new(format.codec, format.packet_ms)?;
        }
        if format.codec.rate() != self.format.codec.rate() {
            self.signals = Generator::new(format.codec.rate());
            self.clip = None;
            self.parties = [None, None];
            self.others.clear();
            self.tail.clear();
        }
        self.header.payload_type = format.payload_type;
        self.format = format;
        Ok(())
    }

    /// There is no call any more, or another one: this one fades.
    pub(super) fn forget_call(&mut self, now_ns: u64, call: &mut Call, sessions: &mut Sessions, bench: &mut Bench) {
        for (party, stream) in call.streams.iter_mut().enumerate() {
            self.forget_party(now_ns, party, stream.tap.as_mut(), bench);
        }
        for (session, mut voice) in std::mem::take(&mut self.others) {
            if let Some(other) = sessions.get_mut(session) {
                voice.fade(now_ns, self.format.codec.rate(), &mut other.mic, &mut self.tail, bench);
            }
        }
    }

    /// A party's line, which this is, will be another one.
    pub(super) fn forget_party(&mut self, now_ns: u64, party: usize, tap: Option<&mut Line>, bench: &mut Bench) {
        let voice = self.parties.get_mut(party).and_then(Option::take);
        if let (Some(mut voice), Some(tap)) = (voice, tap) {
            voice.fade(now_ns, self.format.codec.rate(), tap, &mut self.tail, bench);
        }
    }

    /// Another supervisor is to be heard, or no longer.
    pub(super) fn set_other(&mut self, session: usize, is_heard: bool, mic: &Line) {
        if let Some((_, voice)) = self.others.iter_mut().find(|(other, _)| *other == session) {
            voice.gain.move_to(f32::from(u8::from(is_heard)));
        } else if is_heard {
            self.others.push((session, Voice::new(mic, self.format.codec.rate())));
        }
    }

    /// Another supervisor is going, or will speak with another codec.
    pub(super) fn forget_other(&mut self, now_ns: u64, session: usize, mic: &mut Line, bench: &mut Bench) {
        let Some(at) = self.others.iter().position(|(other, _)| *other == session) else { return };
        let (_, mut voice) = self.others.swap_remove(at);
        voice.fade(now_ns, self.format.codec.rate(), mic, &mut self.tail, bench);
    }

    /// Puts the next packet onto the bench: its length, 0 where none is sent.
    pub(super) fn tick(
        &mut self,
        now_ns: u64,
        call: Option<&mut Call>,
        sessions: &mut Sessions,
        bench: &mut Bench,
    ) -> usize {
        let packet_ns = u64::from(self.format.packet_ms) * 1_000_000;
        let left_out = match now_ns.saturating_sub(self.next_ns) {
            late_ns if late_ns > LATE_NS_MAX => late_ns / packet_ns,
            _ => 0,
        };
        self.next_ns += packet_ns * (left_out + 1);
        let ticks = self.format.codec.clock().hz() / 1000 * u32::from(self.format.packet_ms);
        self.header.timestamp = self.header.timestamp.wrapping_add((left_out as u32).wrapping_mul(ticks));
        let sent = self.mix(now_ns, call, sessions, bench).filter(|_| self.is_open).unwrap_or_default();
        if sent > 0 {
            self.header.sequence = self.header.sequence.wrapping_add(1);
        }
        self.header.marker = sent == 0;
        self.header.timestamp = self.header.timestamp.wrapping_add(ticks);
        sent
    }

    fn mix(
        &mut self,
        now_ns: u64,
        call: Option<&mut Call>,
        sessions: &mut Sessions,
        bench: &mut Bench,
    ) -> Option<usize> {
        let rate = self.format.codec.rate();
        let length = rate.samples(self.format.packet_ms.into());
        bench.sum.get_mut(..length)?.fill(0);
        if let Some(call) = call {
            for (voice, stream) in self.parties.iter_mut().zip(&mut call.streams) {
                let Some(tap) = &mut stream.tap else { continue };
                voice.get_or_insert_with(|| Voice::new(tap, rate)).add(now_ns, tap, length, bench);
            }
        }
        for (session, voice) in &mut self.others {
            if let Some(other) = sessions.get_mut(*session) {
                voice.add(now_ns, &mut other.mic, length, bench);
            }
        }
        self.others.retain(|(_, voice)| !voice.gain.is_silent());
        self.tail.add(bench.sum.get_mut(..length)?);
        let sound = bench.voice.get_mut(..length)?;
        if self.signals.is_playing() {
            self.signals.generate(sound);
            for (sum, sample) in bench.sum.iter_mut().zip(&*sound) {
                *sum += i32::from(*sample);
            }
        }
        let sum = bench.sum.get_mut(..length)?;
        self.clip.take_if(|clip| !clip.add(sum));
        limit_all(bench.sum.get(..length)?, sound);
        let (head, payload) = bench.packet.split_first_chunk_mut::<HEADER>()?;
        *head = self.header.to_bytes();
        Some(HEADER + self.encoder.encode(sound, payload).ok()?)
    }
}
