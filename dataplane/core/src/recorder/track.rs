//! One party's stream on the time line of a recording.

use std::collections::{BTreeMap, VecDeque};

use super::DELAY_MS;
use crate::mixer::{
    Codec, SampleRate,
    codec::{CodecError, Decoder, SAMPLES_MAX},
    packet::Packet,
    resample::Resampler,
};

/// Packets that wait for their time at most: twice those that a sender of 10 ms sends in [`DELAY_MS`], and some. One more is
/// dropped.
const WAITING_MAX: usize = 256;
/// A timestamp that is further than this from when its packet came is of a clock that has jumped, or stood still.
const JUMP_MS: usize = DELAY_MS;
/// How far a sender's clock may have drifted from ours before its track is put right.
const DRIFT_MS: usize = 100;
/// How long that is looked at, so that what the network does is not taken for it.
const WINDOW_MS: usize = 5000;
/// Concealment beyond this is silence.
const CONCEALED_MS_MAX: usize = 120;
/// What is concealed at a time.
const CONCEALED_AT_ONCE_MS: usize = 10;
/// A step of the sequence number beyond this is a sender that has begun anew (RFC 3550 A.1).
const DROPOUT_MAX: u16 = 3000;
/// Packets from this far behind are late and not anew.
const MISORDER_MAX: u16 = 100;

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets whose sound is in the recording.
    pub heard: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came when their time was over, or twice.
    pub late: u64,
    /// Packets that could not be read, or for which there was no room.
    pub bad: u64,
}

/// A stream, by the samples of the recording.
pub(super) struct Track {
    rate: SampleRate,
    codecs: Vec<(u8, Codec)>,
    source: Option<Source>,
    /// By the sample that they begin at, and their sequence number.
    waiting: BTreeMap<(u64, u16), Waiting>,
    player: Option<Player>,
    /// Samples that are made and not written, the first of which is number `written`.
    made: VecDeque<i16>,
    written: u64,
    /// Samples that were concealed since the last packet.
    dry: usize,
    counts: Counts,
}

/// Where the timestamps of a sender are on the time line.
#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    clock_hz: u32,
    timestamp: u32,
    sample: i64,
    /// The least time that packets took beyond what is expected in this window, in samples.
    least: i64,
    /// The sample with which the window ends.
    until: u64,
}

/// A packet that waits for its time.
struct Waiting {
    ssrc: u32,
    /// `None` for what is no sound.
    codec: Option<Codec>,
    payload: Vec<u8>,
}

/// What makes sound of a sender's packets.
struct Player {
    ssrc: u32,
    decoder: Decoder,
    resampler: Resampler,
    /// The rate of the recording.
    rate: SampleRate,
    /// The number of the packet that follows.
    next: u16,
}

impl Track {
    pub(super) fn new(rate: SampleRate, written: u64) -> Self {
        Self {
            rate,
            codecs: Vec::new(),
            source: None,
            waiting: BTreeMap::new(),
            player: None,
            made: VecDeque::new(),
            written,
            dry: 0,
            counts: Counts::default(),
        }
    }

    pub(super) fn set_codecs(&mut self, codecs: &[(u8, Codec)]) {
        self.codecs = codecs.to_vec();
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of the first sample that is not taken yet.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Takes so many samples that are made.
    pub(super) fn take(&mut self, count: usize) -> impl Iterator<Item = i16> + '_ {
        let count = count.min(self.made.len());
        self.written += count as u64;
        self.made.drain(..count)
    }

    /// Lets a packet that came at a sample wait for its time.
    pub(super) fn receive(&mut self, arrival: u64, bytes: &[u8]) {
        let Some(packet) = Packet::read(bytes).filter(|_| self.waiting.len() < WAITING_MAX) else {
            self.counts.bad += 1;
            return;
        };
        let codec = self.codecs.iter().find(|(number, _)| *number == packet.payload_type).map(|(_, codec)| *codec);
        let sample = self.place(arrival, &packet, codec);
        let payload = if codec.is_some() { packet.payload.to_vec() } else { Vec::new() };
        let waiting = Waiting { ssrc: packet.ssrc, codec, payload };
        if self.waiting.insert((sample, packet.sequence), waiting).is_some() {
            self.counts.late += 1;
        }
    }

    /// The sample that a packet begins at.
    fn place(&mut self, arrival: u64, packet: &Packet<'_>, codec: Option<Codec>) -> u64 {
        let at = arrival as i64;
        let samples = |ms| self.rate.samples(ms) as i64;
        let clock_hz = match (codec, self.source) {
            (Some(codec), _) => codec.clock().hz(),
            // What is no sound has the clock of the sound that it stands among.
            (None, Some(source)) => source.clock_hz,
            (None, None) => return arrival,
        };
        let anew = Source {
            ssrc: packet.ssrc,
            clock_hz,
            timestamp: packet.timestamp,
            sample: at,
            least: i64::MAX,
            until: arrival + self.rate.samples(WINDOW_MS) as u64,
        };
        let known = self.source.filter(|source| source.ssrc == packet.ssrc && source.clock_hz == clock_hz);
        let Some(mut source) = known else {
            self.source = Some(anew);
            return arrival;
        };
        let ticks = packet.timestamp.wrapping_sub(source.timestamp) as i32;
        let sample = source.sample + i64::from(ticks) * i64::from(self.rate.hz()) / i64::from(clock_hz);
        // All packets of a telephone event have the timestamp of its beginning, and tell nothing of the clock.
        if codec.is_none() {
            return sample.max(0) as u64;
        }
        let behind = at - sample;
        if behind.abs() > samples(JUMP_MS) {
            self.source = Some(anew);
            return arrival;
        }
        source.least = source.least.min(behind);
        if ticks > 0 {
            (source.timestamp, source.sample) = (packet.timestamp, sample);
        }
        if arrival >= source.until {
            if source.least.abs() > samples(DRIFT_MS) {
                source.sample += source.least;
            }
            (source.least, source.until) = (i64::MAX, anew.until);
        }
        self.source = Some(source);
        sample.max(0) as u64
    }

    /// Makes all samples before `until`.
    pub(super) fn advance(&mut self, until: u64) -> Result<(), CodecError> {
        while self.head() < until {
            let Some(((sample, sequence), next)) = self.waiting.first_key_value() else {
                self.silence(until - self.head());
                return Ok(());
            };
            let (sample, sequence) = (*sample, *sequence);
            if sample > self.head() {
                let gap = sample.min(until) - self.head();
                if self.misses_one_before(next, sequence) { self.conceal(gap) } else { self.silence(gap) }
            } else if let Some(packet) = self.waiting.remove(&(sample, sequence)) {
                self.play(sample, sequence, &packet)?;
            }
        }
        Ok(())
    }

    /// The number of the next sample that is made.
    fn head(&self) -> u64 {
        self.written + self.made.len() as u64
    }

    /// Whether packets are missing before this one: else it comes after a pause.
    fn misses_one_before(&self, packet: &Waiting, sequence: u16) -> bool {
        let player = self.player.as_ref().filter(|player| player.ssrc == packet.ssrc);
        player.is_some_and(|player| (1..DROPOUT_MAX).contains(&sequence.wrapping_sub(player.next)))
    }

    /// Makes the sound of a packet whose time has come, or is over.
    fn play(&mut self, sample: u64, sequence: u16, packet: &Waiting) -> Result<(), CodecError> {
        let player = match self.player.take() {
            Some(player) if player.ssrc == packet.ssrc => Some(player),
            _ => None,
        };
        let missing = player.as_ref().map_or(0, |player| sequence.wrapping_sub(player.next));
        if missing >= MISORDER_MAX.wrapping_neg() {
            self.player = player;
            self.counts.late += u64::from(packet.codec.is_some());
            return Ok(());
        }
        if missing < DROPOUT_MAX {
            self.counts.lost += u64::from(missing);
        }
        let Some(codec) = packet.codec else {
            self.player = player.map(|player| Player { next: sequence.wrapping_add(1), ..player });
            return Ok(());
        };
        let mut player = match player {
            Some(player) if player.decoder.codec() == codec => player,
            _ => Player::new(packet.ssrc, codec, self.rate)?,
        };
        player.next = sequence.wrapping_add(1);
        let mut sound = [0; SAMPLES_MAX];
        match player.decode(&packet.payload, &mut sound) {
            Some(length) => {
                // What of it is over already is left out.
                let over = (self.head().saturating_sub(sample) as usize).min(length);
                self.made.extend(sound.get(over..length).unwrap_or_default());
                self.dry = 0;
                if over < length { self.counts.heard += 1 } else { self.counts.late += 1 }
            }
            None => self.counts.bad += 1,
        }
        self.player = Some(player);
        Ok(())
    }

    fn silence(&mut self, count: u64) {
        self.made.extend(std::iter::repeat_n(0, count as usize));
    }

    /// Makes up so many samples; silence when that has gone on for long.
    fn conceal(&mut self, count: u64) {
        let mut left = count as usize;
        let mut sound = [0; SAMPLES_MAX];
        while left > 0
            && self.dry < self.rate.samples(CONCEALED_MS_MAX)
            && let Some(player) = &mut self.player
        {
            let part = left.min(self.rate.samples(CONCEALED_AT_ONCE_MS));
            let made = player.conceal(part, &mut sound);
            self.made.extend(sound.get(..made).unwrap_or_default());
            self.made.extend(std::iter::repeat_n(0, part - made));
            self.dry += part;
            left -= part;
        }
        self.silence(left as u64);
    }
}

impl Player {
    fn new(ssrc: u32, codec: Codec, rate: SampleRate) -> Result<Self, CodecError> {
        Ok(Self { ssrc, decoder: Decoder::new(codec)?, resampler: Resampler::new(codec.rate(), rate), rate, next: 0 })
    }

    /// Samples at the rate of the recording; `None` for a packet that is none of the codec.
    fn decode(&mut self, payload: &[u8], sound: &mut [i16]) -> Option<usize> {
        let mut native = [0; SAMPLES_MAX];
        let length = self.decoder.decode(payload, &mut native).ok()?;
        Some(self.resampler.process(native.get(..length)?, sound))
    }

    /// Makes up at most so many samples, and tells how many they are.
    fn conceal(&mut self, count: usize, sound: &mut [i16]) -> usize {
        let mut native = [0; SAMPLES_MAX];
        let length = count * self.decoder.codec().rate().hz() as usize / self.rate.hz() as usize;
        let native = native.get_mut(..length).unwrap_or_default();
        self.decoder.conceal(native);
        self.resampler.process(native, sound).min(count)
    }
}
