//! Between the three sample rates, without an allocation and with little delay.
//!
//! The rates are whole multiples of each other, so that a filter at the higher rate is all that is needed: of each of
//! its outputs in a step down, of each of its phases in a step up. The filters are made once and shared by all streams.

use std::f64::consts::PI;
use std::sync::LazyLock;

use super::format::SampleRate;

/// Changes the rate of one stream.
#[derive(Clone)]
pub struct Resampler {
    step: Step,
    /// The last samples that came in, oldest first.
    past: [i16; TAPS_MAX],
}

#[derive(Clone, Copy)]
enum Step {
    None,
    Up(&'static Filter),
    Down(&'static Filter),
}

impl Resampler {
    /// A resampler at the beginning of a stream. Where the rates are the same, it copies.
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        let step = match (to.hz() / from.hz(), from.hz() / to.hz()) {
            (1, 1) => Step::None,
            (0, factor) => Step::Down(filter(factor as usize)),
            (factor, _) => Step::Up(filter(factor as usize)),
        };
        Self { step, past: [0; TAPS_MAX] }
    }

    /// How late a sound comes out, in samples of the rate that it comes out with: 3 ms between 8 kHz and the others, and
    /// half of that between 16 and 48 kHz.
    pub fn delay(&self) -> usize {
        match self.step {
            Step::None => 0,
            Step::Up(filter) => PHASE_TAPS / 2 * filter.factor,
            Step::Down(_) => PHASE_TAPS / 2 - 1,
        }
    }

    /// Changes the rate of a block of whole milliseconds, and tells how many samples it became. What does not fit into
    /// `output` is lost; an incomplete millisecond of `input` is, too.
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let (filter, inputs, outputs) = match self.step {
            Step::None => {
                let len = input.len().min(output.len());
                output[..len].copy_from_slice(&input[..len]);
                return len;
            }
            Step::Up(filter) => (filter, 1, filter.factor),
            Step::Down(filter) => (filter, filter.factor, 1),
        };
        let mut written = 0;
        for (input, output) in input.chunks(BLOCK / inputs * inputs).zip(output.chunks_mut(BLOCK / inputs * outputs)) {
            let groups = (input.len() / inputs).min(output.len() / outputs);
            let (input, output) = (&input[..groups * inputs], &mut output[..groups * outputs]);
            let mut line = [0; TAPS_MAX + BLOCK];
            line[..TAPS_MAX].copy_from_slice(&self.past);
            line[TAPS_MAX..TAPS_MAX + input.len()].copy_from_slice(input);
            let line = &line[..TAPS_MAX + input.len()];
            match self.step {
                Step::Down(_) => filter.lower(line, output),
                _ => filter.raise(line, output),
            }
            self.past.copy_from_slice(&line[input.len()..]);
            written += output.len();
        }
        written
    }
}

/// Samples that are filtered at a time: 10 ms at most.
const BLOCK: usize = 480;
/// Taps for each sample of the lower rate.
const PHASE_TAPS: usize = 48;
/// Taps whose products are sure to fit into 32 bits when the taps have more of them.
const PART_TAPS: usize = PHASE_TAPS / 2;
/// Taps between 8 and 48 kHz.
const TAPS_MAX: usize = 6 * PHASE_TAPS;

/// A low-pass filter at a multiple of a rate.
struct Filter {
    factor: usize,
    /// For steps up, the taps of each phase, newest sample last.
    phases: Vec<Box<[i16]>>,
    /// For steps down, all taps, newest sample last. They are smaller and have more bits.
    whole: Vec<Box<[i16]>>,
    whole_bits: u32,
}

/// Bits behind the point of a phase's taps, of which the largest is one.
const PHASE_BITS: u32 = 14;

impl Filter {
    /// A Kaiser-windowed filter whose stop band is 80 dB down, from 0.45 to 0.55 of the lower rate.
    fn new(factor: usize) -> Self {
        let middle = PHASE_TAPS / 2 * factor;
        let tap = |at: usize| {
            let from_middle = at as f64 - middle as f64;
            let turns = PI * from_middle / factor as f64;
            let sinc = if at == middle { 1.0 } else { turns.sin() / turns };
            let place = from_middle / middle as f64;
            sinc * bessel(BETA * (1.0 - place.powi(2)).max(0.0).sqrt()) / bessel(BETA)
        };
        let taps: Vec<f64> = (0..PHASE_TAPS * factor).map(tap).collect();
        // Each phase lets a constant through as it is; else a constant would come out as a tone.
        let phase = |phase: usize| {
            let newest_last = taps[phase..].iter().step_by(factor).rev();
            let sum: f64 = newest_last.clone().sum();
            quantised(newest_last.map(|tap| tap / sum), PHASE_BITS)
        };
        // One tap on, so that the middle meets the last sample of a group.
        let newest_last: Vec<f64> = (1..=PHASE_TAPS * factor).rev().map(tap).collect();
        let sum: f64 = newest_last.iter().sum();
        let whole_bits = PHASE_BITS + factor.ilog2();
        let part = |taps: &[f64]| quantised(taps.iter().map(|tap| tap / sum), whole_bits);
        Self {
            factor,
            phases: (0..factor).map(phase).collect(),
            whole: newest_last.chunks_exact(PART_TAPS).map(part).collect(),
            whole_bits,
        }
    }

    /// `line` begins with the past. Each sample after it becomes `factor` samples.
    fn raise(&self, line: &[i16], output: &mut [i16]) {
        let recent = line[TAPS_MAX - (PHASE_TAPS - 1)..].windows(PHASE_TAPS);
        for (recent, outputs) in recent.zip(output.chunks_exact_mut(self.factor)) {
            for (output, taps) in outputs.iter_mut().zip(&self.phases) {
                *output = rounded(product(recent, taps).into(), PHASE_BITS);
            }
        }
    }

    /// `line` begins with the past. Each `factor` samples after it become one.
    fn lower(&self, line: &[i16], output: &mut [i16]) {
        let recent = line[TAPS_MAX + self.factor - self.factor * PHASE_TAPS..].windows(self.factor * PHASE_TAPS);
        for (recent, output) in recent.step_by(self.factor).zip(output) {
            let parts = recent.chunks_exact(PART_TAPS).zip(&self.whole);
            *output = rounded(parts.map(|(samples, taps)| i64::from(product(samples, taps))).sum(), self.whole_bits);
        }
    }
}

/// The filter between two rates of which one is so many times the other.
fn filter(factor: usize) -> &'static Filter {
    static BY_TWO: LazyLock<Filter> = LazyLock::new(|| Filter::new(2));
    static BY_THREE: LazyLock<Filter> = LazyLock::new(|| Filter::new(3));
    static BY_SIX: LazyLock<Filter> = LazyLock::new(|| Filter::new(6));
    match factor {
        2 => &BY_TWO,
        3 => &BY_THREE,
        _ => &BY_SIX,
    }
}

/// The shape of the Kaiser window for 80 dB.
const BETA: f64 = 7.857;

/// The modified Bessel function of the first kind and order zero.
fn bessel(x: f64) -> f64 {
    let terms = (1..40).scan(1.0, |term, n| {
        *term *= (x / 2.0 / f64::from(n)).powi(2);
        Some(*term)
    });
    1.0 + terms.sum::<f64>()
}

fn quantised(taps: impl Iterator<Item = f64>, bits: u32) -> Box<[i16]> {
    taps.map(|tap| (tap * f64::from(1 << bits)).round() as i16).collect()
}

/// The taps are of a length that the compiler does not know: it would unroll the sum, instead of using the processor's
/// sums of products, which take a third of the time.
fn product(samples: &[i16], taps: &[i16]) -> i32 {
    samples.iter().zip(taps).map(|(&sample, &tap)| i32::from(sample) * i32::from(tap)).sum()
}

fn rounded(sum: i64, bits: u32) -> i16 {
    ((sum + (1 << (bits - 1))) >> bits).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::mixer::testing::{Noise, tone};

    fn pairs() -> impl Iterator<Item = (SampleRate, SampleRate)> {
        let pairs = SampleRate::ALL.into_iter().flat_map(|from| SampleRate::ALL.map(|to| (from, to)));
        pairs.filter(|(from, to)| from != to)
    }

    fn through(from: SampleRate, to: SampleRate, block_ms: usize, pcm: &[i16]) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to);
        let mut out = vec![0; pcm.len() / from.samples(1) * to.samples(1)];
        for (pcm, out) in pcm.chunks(from.samples(block_ms)).zip(out.chunks_mut(to.samples(block_ms))) {
            assert_eq!(resampler.process(pcm, out), out.len());
        }
        out
    }

    /// The peak of what a signal has of one frequency.
    fn part_of(signal: &[i16], rate: SampleRate, hz: f64) -> f64 {
        let step = TAU * hz / f64::from(rate.hz());
        let window = |at: usize| 1.0 - (TAU * (at as f64 + 0.5) / signal.len() as f64).cos();
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (at, &sample) in signal.iter().enumerate() {
            let sample = f64::from(sample) * window(at);
            real += sample * (step * at as f64).cos();
            imaginary += sample * (step * at as f64).sin();
        }
        2.0 * real.hypot(imaginary) / signal.len() as f64
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.log10()
    }

    /// A fifth of a second of what comes out for a tone.
    fn of_tone(from: SampleRate, to: SampleRate, hz: f64) -> Vec<i16> {
        let out = through(from, to, 20, &tone(from.hz(), hz, 20_000.0, from.samples(220)));
        out[to.samples(20)..].to_vec()
    }

    #[test]
    fn what_both_rates_can_carry_passes_unchanged() {
        for (from, to) in pairs() {
            let edge = 0.43 * f64::from(from.hz().min(to.hz()));
            for hz in (1..).map(|step| 230.0 * f64::from(step)).take_while(|&hz| hz < edge) {
                let gain = db(part_of(&of_tone(from, to, hz), to, hz) / 20_000.0);
                assert!(gain.abs() < 0.05, "{from:?} to {to:?}, {hz} Hz: {gain} dB");
            }
        }
    }

    #[test]
    fn images_and_aliases_are_70_db_down() {
        for (from, to) in pairs() {
            let low = f64::from(from.hz().min(to.hz()));
            let high = f64::from(from.hz().max(to.hz()));
            for hz in (1..).map(|step| 310.0 * f64::from(step)).take_while(|&hz| hz < 0.44 * low) {
                // What a tone might have beside it after a step up, or what might end up as the tone in a step down.
                let multiples = (1..).map(|multiple| low * f64::from(multiple));
                let others = multiples.take_while(|&multiple| multiple < high / 2.0 + low);
                for other in
                    others.flat_map(|multiple| [multiple - hz, multiple + hz]).filter(|&other| other < high / 2.0)
                {
                    let (sent, found) = if from < to { (hz, other) } else { (other, hz) };
                    let rest = db(part_of(&of_tone(from, to, sent), to, found) / 20_000.0);
                    assert!(rest < -70.0, "{from:?} to {to:?}, {sent} Hz at {found} Hz: {rest} dB");
                }
            }
        }
    }

    #[test]
    fn blocks_of_any_length_come_out_as_one() {
        for (from, to) in pairs() {
            let noise = Noise::new(9).samples(from.samples(600), i16::MAX);
            let whole = through(from, to, 600, &noise);
            for block_ms in [1, 10, 20, 30, 60] {
                assert_eq!(through(from, to, block_ms, &noise), whole, "{from:?} to {to:?} by {block_ms} ms");
            }
        }
    }

    #[test]
    fn a_sound_comes_out_as_late_as_it_is_said_to() {
        for (from, to) in pairs() {
            let delay = Resampler::new(from, to).delay();
            let hz = 777.0;
            let out = through(from, to, 10, &tone(from.hz(), hz, 20_000.0, from.samples(100)));
            let same = tone(to.hz(), hz, 20_000.0, out.len());
            let settled = to.samples(20);
            for (out, same) in out[settled..].iter().zip(&same[settled - delay..]) {
                assert!(out.abs_diff(*same) < 40, "{from:?} to {to:?}: {out} for {same}");
            }
        }
    }

    #[test]
    fn the_loudest_sounds_do_not_overflow() {
        for filter in [2, 3, 6].map(filter) {
            for taps in filter.phases.iter().chain(&filter.whole) {
                let worst: i64 = taps.iter().map(|&tap| i64::from(tap).abs() << 15).sum();
                assert!(worst <= i64::from(i32::MAX), "{}: {worst}", filter.factor);
            }
        }
    }
}
