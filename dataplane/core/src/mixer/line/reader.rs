//! Who listens to a line: where, how far behind, and how fast.

use super::{
    Line, Scratch,
    interpolate::{REACH, interpolate},
};
use crate::mixer::{SampleRate, codec::SAMPLES_MAX};

/// How much before its time a packet should come, in milliseconds.
const MARGIN_MS: usize = 5;
/// The same at first, when nothing is known of the network yet.
const MARGIN_FIRST_MS: usize = 10;
/// Beyond the margin without being of use, in milliseconds, before it is given back.
const EXCESS_MS: usize = 3;
/// In hand beyond this, in milliseconds, is not given back little by little, but left out.
const IN_HAND_MS_MAX: usize = 120;
/// How long the two ends of what is left out fade into each other, in milliseconds.
const FADE_MS: usize = 5;
/// Windows of a second in which the network is remembered.
const WINDOWS: usize = 8;
/// The least windows before anything is given back.
const WINDOWS_MIN: usize = 3;
/// Samples that are read between the line's own at a time.
const BLOCK: usize = 160;
/// How much faster or slower than at its own rate sound is read at most, in parts of 2³²: 1 %.
const DEVIATION_MAX: i64 = (1 << 32) / 100;

/// A place in a line that moves on as it is read, a little faster or slower than the line's own rate, so that the clock of
/// whoever sends and the clock of whoever hears may differ.
///
/// What it steers by is how much before its time each packet comes: before the moment when its first sample would be
/// read, if samples were read one by one. That moves with the clocks evenly, whatever sizes sound comes and is read in.
#[derive(Clone, Debug)]
pub(in crate::mixer) struct Reader {
    pub(super) position: u64,
    /// Between two samples, in parts of 2³².
    fraction: u32,
    /// How much faster it reads, in parts of 2³².
    deviation: i64,
    /// Whether the deviation ends where a sample is met.
    is_settling: bool,
    /// When it was read last; `None` before it was.
    read_ns: Option<u64>,
    /// Arrivals that have been looked at.
    arrivals: u64,
    /// The least that a packet came before its time in this window, in samples, and in the windows before.
    least: i64,
    before: [i64; WINDOWS],
    windows: usize,
    /// Samples of this window.
    read: usize,
}

impl Reader {
    pub(in crate::mixer) const fn new() -> Self {
        Self {
            position: 0,
            fraction: 0,
            deviation: 0,
            is_settling: false,
            read_ns: None,
            arrivals: 0,
            least: i64::MAX,
            before: [i64::MAX; WINDOWS],
            windows: 0,
            read: 0,
        }
    }

    /// Reads the next samples of `line`, at the line's own rate; at most 120 ms of them.
    pub(in crate::mixer) fn read(&mut self, now_ns: u64, line: &mut Line, sound: &mut [i16], scratch: &mut Scratch) {
        if !line.has_begun() {
            return sound.fill(0);
        }
        match self.read_ns {
            None => self.begin(now_ns, line, sound.len()),
            Some(read_ns) => self.look(read_ns, line),
        }
        self.read_ns = Some(now_ns);
        if self.in_hand(line) > line.rate().samples(IN_HAND_MS_MAX) as i64 + sound.len() as i64 {
            return self.leap(line, sound, scratch);
        }
        line.reach(self.end(sound.len()), scratch);
        self.copy(line, sound);
        self.steer(line.rate(), sound.len());
    }

    /// What is there beyond where the reader is, in samples.
    fn in_hand(&self, line: &Line) -> i64 {
        line.ring.head() as i64 - self.position as i64
    }

    /// Takes a place from which the next packet comes a little before its time.
    fn begin(&mut self, now_ns: u64, line: &Line, wanted: usize) {
        let rate = line.rate();
        let packet = rate.samples(line.format.packet_ms.into());
        let since = line.arrivals.latest().map_or(packet, |arrival| samples(rate, now_ns, arrival.at_ns) as usize);
        let behind = wanted + packet.saturating_sub(since) + rate.samples(MARGIN_FIRST_MS);
        self.position = line.ring.head().saturating_sub(behind as u64);
        self.arrivals = line.arrivals.count();
    }

    /// Looks at the packets that have come since the last read.
    fn look(&mut self, read_ns: u64, line: &Line) {
        for arrival in line.arrivals.since(self.arrivals) {
            let ahead = arrival.position as i64 - self.position as i64;
            self.least = self.least.min(ahead - samples(line.rate(), arrival.at_ns, read_ns) as i64);
        }
        self.arrivals = line.arrivals.count();
    }

    /// The sample before which so many can be read.
    fn end(&self, count: usize) -> u64 {
        if self.is_plain() {
            return self.position + count as u64;
        }
        let (position, _) = self.after(count);
        position + REACH as u64 + 1
    }

    /// Whether samples are read as they are.
    const fn is_plain(&self) -> bool {
        self.fraction == 0 && self.deviation == 0
    }

    /// Where the reader is after so many samples.
    const fn after(&self, count: usize) -> (u64, u32) {
        let way = self.fraction as i64 + count as i64 * ((1 << 32) + self.deviation);
        (self.position + (way >> 32) as u64, way as u32)
    }

    /// Reads from where it is, and moves on.
    fn copy(&mut self, line: &Line, sound: &mut [i16]) {
        if self.is_plain() {
            line.ring.read(self.position, sound);
            self.position += sound.len() as u64;
            return;
        }
        for sound in sound.chunks_mut(BLOCK) {
            // With what lies around the first and the last, at the highest speed.
            let mut samples = [0; BLOCK + BLOCK / 64 + 2 * REACH + 2];
            let first = self.position - (REACH as u64 - 1);
            line.ring.read(first, &mut samples);
            let window = samples.map(f32::from);
            for sample in sound {
                let at = (self.position - (REACH as u64 - 1) - first) as usize;
                *sample = interpolate(window.get(at..at + 2 * REACH).unwrap_or_default(), self.fraction);
                self.step();
            }
        }
    }

    /// Moves on by one sample; onto a sample, when one is passed while the reader settles.
    const fn step(&mut self) {
        let (position, fraction) = self.after(1);
        let is_faster = self.deviation > 0;
        let has_passed = if is_faster { fraction < self.fraction } else { fraction > self.fraction };
        if self.is_settling && has_passed {
            self.position = position + if is_faster { 0 } else { 1 };
            (self.fraction, self.deviation, self.is_settling) = (0, 0, false);
        } else {
            (self.position, self.fraction) = (position, fraction);
        }
    }

    /// Leaves out what makes the delay too long: goes over to where it should be.
    fn leap(&mut self, line: &mut Line, sound: &mut [i16], scratch: &mut Scratch) {
        let rate = line.rate();
        let fade = rate.samples(FADE_MS).min(sound.len());
        let mut old = [0; SAMPLES_MAX];
        let old = old.get_mut(..fade).unwrap_or_default();
        line.ring.read(self.position, old);
        (self.fraction, self.deviation, self.is_settling) = (0, 0, false);
        let packet = rate.samples(line.format.packet_ms.into());
        let behind = sound.len() + packet + rate.samples(MARGIN_FIRST_MS);
        self.position = self.position.max(line.ring.head().saturating_sub(behind as u64));
        line.reach(self.end(sound.len()), scratch);
        self.copy(line, sound);
        for (at, (new, old)) in sound.iter_mut().zip(old).enumerate() {
            let share = (at + 1) as i32;
            *new = ((i32::from(*new) * share + i32::from(*old) * (fade as i32 - share)) / fade as i32) as i16;
        }
        (self.least, self.windows, self.read) = (i64::MAX, 0, 0);
    }

    /// Decides once a second how fast to read.
    fn steer(&mut self, rate: SampleRate, count: usize) {
        let second = rate.samples(1000);
        self.read += count;
        // What nobody sends is in no hurry.
        if self.read < second || self.least == i64::MAX {
            return;
        }
        let least = std::mem::replace(&mut self.least, i64::MAX);
        if let Some(place) = self.before.get_mut(self.windows % WINDOWS) {
            *place = least;
        }
        (self.windows, self.read) = (self.windows + 1, 0);
        let known = self.before.get(..self.windows.min(WINDOWS)).unwrap_or_default();
        let spare = known.iter().copied().min().unwrap_or_default();
        let (margin, excess) = (rate.samples(MARGIN_MS) as i64, rate.samples(EXCESS_MS) as i64);
        let second = second as i64;
        self.is_settling = false;
        if least < margin {
            self.deviation = -((margin - least) << 32) / second;
        } else if self.windows >= WINDOWS_MIN && spare > margin + excess {
            self.deviation = ((spare - margin) << 32) / (2 * second);
        } else if self.fraction == 0 {
            self.deviation = 0;
        } else {
            self.is_settling = true;
            self.deviation = if self.deviation < 0 { -DEVIATION_MAX / 20 } else { DEVIATION_MAX / 20 };
        }
        self.deviation = self.deviation.clamp(-DEVIATION_MAX, DEVIATION_MAX);
    }
}

/// Samples from one moment to a later one.
const fn samples(rate: SampleRate, later_ns: u64, earlier_ns: u64) -> u64 {
    later_ns.saturating_sub(earlier_ns) * (rate.hz() as u64 / 1000) / 1_000_000
}
