//! Loss concealment of codecs that have none of their own: the last pitch periods go on, and fade.
//!
//! In the spirit of ITU-T G.711 Appendix I, on linear samples of any rate, and without its delay: the last sample is
//! out already when the next one turns out to be missing, so that the join is made after it instead of before it.

use std::ops::RangeInclusive;

use super::format::SampleRate;

/// How long a concealed gap keeps its level, and when it has become silence, in milliseconds.
const LEVEL_MS: usize = 10;
const FADED_MS: usize = 60;
/// The shortest and the longest pitch period that is looked for, in milliseconds: 200 and 66 Hz.
const PERIOD_MS_MIN: usize = 5;
const PERIOD_MS_MAX: usize = 15;
/// How much of the past is compared to find the period, in milliseconds.
const COMPARED_MS: usize = 20;
/// How many periods are repeated in turn after 0, 10 and 20 ms, so that it does not buzz.
const PERIODS_MAX: usize = 3;
/// The longest join between a concealed gap and what follows, in milliseconds.
const JOIN_MS_MAX: usize = 10;

/// The rate, a thousandth of it, and a fourth of that, at which periods are looked for first.
const COARSE_PER_MS: usize = 4;
/// Coarse samples of the past: what is compared, and what it is compared with.
const COARSE: usize = (COMPARED_MS + PERIOD_MS_MAX) * COARSE_PER_MS;

/// Follows a decoded stream, and goes on alone while its packets are missing.
#[derive(Clone)]
pub(super) struct Concealer {
    per_ms: usize,
    /// The last samples that went out, oldest first.
    past: Box<[i16]>,
    gap: Option<Gap>,
    /// The past at the beginning of the gap.
    source: Box<[i16]>,
}

/// A gap that is being concealed.
#[derive(Clone, Copy)]
struct Gap {
    period: usize,
    /// Samples since its beginning.
    age: usize,
    /// What is repeated, and what was repeated before and is being left.
    now: Loop,
    left: Loop,
    /// Samples until it is left.
    leaving: usize,
    /// What the first repeated sample must be raised by to go on from the last real one.
    step: i32,
    /// The lowest and the highest of what is repeated: raised by a step, it stays between them.
    range: (i32, i32),
}

/// The last periods of the source, gone through in turn.
#[derive(Clone, Copy)]
struct Loop {
    periods: usize,
    at: usize,
}

impl Concealer {
    pub(super) fn new(rate: SampleRate) -> Self {
        let per_ms = rate.samples(1);
        // The periods, and a fourth of one before them.
        let past = vec![0; PERIODS_MAX * PERIOD_MS_MAX * per_ms + PERIOD_MS_MAX * per_ms / 4 + 1].into_boxed_slice();
        Self { per_ms, source: past.clone(), past, gap: None }
    }

    /// The same without the gap: what follows is joined to nothing.
    pub(super) fn without_gap(&self) -> Self {
        Self { gap: None, ..self.clone() }
    }

    /// Takes note of decoded samples. The first ones after a gap are joined to it.
    pub(super) fn heard(&mut self, pcm: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let longer = gap.age / self.per_ms / 10 * 4 * self.per_ms;
            let join = (gap.period / 4 + longer).min(JOIN_MS_MAX * self.per_ms).min(pcm.len());
            for (at, sample) in pcm[..join].iter_mut().enumerate() {
                let alone = i32::from(gap.next(&self.source, self.per_ms));
                *sample = crossed(alone, i32::from(*sample), at + 1, join + 1) as i16;
            }
        }
        self.remember(pcm);
    }

    /// Makes the samples of a gap, or of its next part.
    pub(super) fn conceal(&mut self, pcm: &mut [i16]) {
        let mut gap = self.gap.unwrap_or_else(|| {
            self.source.copy_from_slice(&self.past);
            Gap::after(&self.source, self.per_ms)
        });
        for sample in pcm.iter_mut() {
            *sample = gap.next(&self.source, self.per_ms);
        }
        self.gap = Some(gap);
        self.remember(pcm);
    }

    fn remember(&mut self, pcm: &[i16]) {
        let new = pcm.len().min(self.past.len());
        self.past.copy_within(new.., 0);
        let old = self.past.len() - new;
        self.past[old..].copy_from_slice(&pcm[pcm.len() - new..]);
    }
}

impl Gap {
    fn after(source: &[i16], per_ms: usize) -> Self {
        let period = period(source, per_ms);
        let end = source.len();
        let step = i32::from(source[end - 1]) - i32::from(source[end - 1 - period]);
        let now = Loop { periods: 1, at: 0 };
        let repeated = &source[end - period..];
        let range = repeated.iter().fold((0, 0), |(low, high), &sample| (low.min(sample), high.max(sample)));
        Self { period, age: 0, now, left: now, leaving: 0, step, range: (range.0.into(), range.1.into()) }
    }

    fn next(&mut self, source: &[i16], per_ms: usize) -> i16 {
        if self.age >= FADED_MS * per_ms {
            return 0;
        }
        let join = self.period / 4;
        if self.age.is_multiple_of(10 * per_ms) && self.age > 0 && self.now.periods < PERIODS_MAX {
            self.left = self.now;
            self.now.periods += 1;
            self.leaving = join;
        }
        let mut sample = self.now.next(source, self.period);
        if self.leaving > 0 {
            sample = crossed(self.left.next(source, self.period), sample, join + 1 - self.leaving, join + 1);
            self.leaving -= 1;
        }
        if self.age < join {
            let raised = sample + self.step * (join - self.age) as i32 / (join + 1) as i32;
            sample = raised.clamp(self.range.0, self.range.1);
        }
        let fading = FADED_MS * per_ms - self.age.max(LEVEL_MS * per_ms);
        self.age += 1;
        let sample = sample * fading as i32 / ((FADED_MS - LEVEL_MS) * per_ms) as i32;
        sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }
}

impl Loop {
    /// The next sample. The last fourth of a period before the loop begins again is crossed with what came before its
    /// beginning.
    fn next(&mut self, source: &[i16], period: usize) -> i32 {
        let len = self.periods * period;
        let join = period / 4;
        let begin = source.len() - len;
        let mut sample = i32::from(source[begin + self.at]);
        let left = len - self.at;
        if left <= join {
            sample = crossed(sample, i32::from(source[begin - left]), join + 1 - left, join);
        }
        self.at = if left == 1 { 0 } else { self.at + 1 };
        sample
    }
}

/// From one sample to another, `at` steps of `of`.
fn crossed(from: i32, to: i32, at: usize, of: usize) -> i32 {
    from + (to - from) * at as i32 / of.max(1) as i32
}

/// The pitch period at the end of `source`, in samples: the lag at which it is most like itself.
fn period(source: &[i16], per_ms: usize) -> usize {
    let by = per_ms / COARSE_PER_MS;
    let mut coarse = [0; COARSE];
    let recent = &source[source.len() - COARSE * by..];
    for (mean, samples) in coarse.iter_mut().zip(recent.chunks_exact(by)) {
        *mean = (samples.iter().map(|&sample| i32::from(sample)).sum::<i32>() / by as i32) as i16;
    }
    let (min, max) = (PERIOD_MS_MIN * COARSE_PER_MS, PERIOD_MS_MAX * COARSE_PER_MS);
    let found = most_alike(&coarse, min..=max, COMPARED_MS * COARSE_PER_MS) * by;
    let near = (found - by).max(PERIOD_MS_MIN * per_ms)..=(found + by).min(PERIOD_MS_MAX * per_ms);
    most_alike(source, near, COMPARED_MS * per_ms)
}

/// The lag in `lags` at which the last samples correlate best with those before.
fn most_alike(samples: &[i16], lags: RangeInclusive<usize>, compared: usize) -> usize {
    let last = &samples[samples.len() - compared..];
    let first = *lags.start();
    // Ten bits and a sign: the sum of a thousand squares fits into 32 bits, which is quick.
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    let shift = (u16::BITS - peak.leading_zeros()).saturating_sub(10);
    let likeness = |lag: usize| {
        let before = &samples[samples.len() - compared - lag..samples.len() - lag];
        let (mut product, mut energy) = (0, 1);
        for (&last, &before) in last.iter().zip(before) {
            let (last, before) = (last >> shift, before >> shift);
            product += i32::from(last) * i32::from(before);
            energy += i32::from(before) * i32::from(before);
        }
        product as f32 / (energy as f32).sqrt()
    };
    let best = lags.map(|lag| (lag, likeness(lag))).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(first, |(lag, _)| lag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::testing::{Noise, ratio_db, speech_like, tone};

    /// A signal of which packets of 20 ms are lost.
    fn concealed(rate: SampleRate, signal: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
        let mut concealer = Concealer::new(rate);
        let mut out = signal.to_vec();
        for (at, pcm) in out.chunks_exact_mut(rate.samples(20)).enumerate() {
            if lost(at) { concealer.conceal(pcm) } else { concealer.heard(pcm) }
        }
        out
    }

    fn largest_step(signal: &[i16]) -> i32 {
        signal.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
    }

    fn level(signal: &[i16]) -> f64 {
        (signal.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / signal.len() as f64).sqrt()
    }

    #[test]
    fn what_is_not_lost_is_not_touched() {
        for rate in SampleRate::ALL {
            let signal = speech_like(rate.hz(), rate.samples(500));
            assert_eq!(concealed(rate, &signal, |_| false), signal);
        }
    }

    #[test]
    fn a_lost_packet_of_a_periodic_sound_is_hardly_missed() {
        for rate in SampleRate::ALL {
            for hz in [100.0, 133.0, 185.0, 431.0] {
                let signal = tone(rate.hz(), hz, 8_000.0, rate.samples(400));
                let out = concealed(rate, &signal, |at| at == 10);
                let gap = rate.samples(200)..rate.samples(210);
                let ratio = ratio_db(&signal[gap.clone()], &out[gap]);
                assert!(ratio > 15.0, "{rate:?} {hz} Hz: {ratio} dB");
            }
        }
    }

    #[test]
    fn no_gap_and_no_return_from_one_clicks() {
        for rate in SampleRate::ALL {
            let speech = speech_like(rate.hz(), rate.samples(3_000));
            let source = largest_step(&speech);
            for phase in 0..20 {
                let out = concealed(rate, &speech, |at| at % 20 == phase || at % 33 < 4);
                let step = largest_step(&out);
                assert!(step <= source * 5 / 4, "{rate:?} {phase}: a step of {step}, {source} in the source");
            }
        }
    }

    #[test]
    fn a_long_gap_fades_to_silence_after_60_ms_and_sound_returns_softly() {
        for rate in SampleRate::ALL {
            let signal = Noise::new(3).samples(rate.samples(400), 10_000);
            let out = concealed(rate, &signal, |at| (10..15).contains(&at));
            let ms = |from: usize, to: usize| &out[rate.samples(200 + from)..rate.samples(200 + to)];
            let whole = level(&signal);
            assert!(level(ms(0, 10)) > 0.8 * whole);
            let fading = level(ms(30, 40)) / whole;
            assert!((0.3..0.7).contains(&fading), "{rate:?} {fading}");
            assert!(ms(60, 100).iter().all(|&sample| sample == 0));
            assert!(level(ms(100, 102)) < 0.3 * whole);
            assert_eq!(ms(110, 200), &signal[rate.samples(310)..rate.samples(400)]);
        }
    }

    #[test]
    fn what_is_made_up_is_no_louder_than_what_was_heard() {
        for rate in SampleRate::ALL {
            let noise = Noise::new(11).samples(rate.samples(4_000), 1_000);
            let out = concealed(rate, &noise, |at| at % 3 > 0);
            assert!(out.iter().all(|sample| sample.abs() <= 1_000), "{rate:?}");
        }
    }

    #[test]
    fn gaps_and_packets_may_be_of_any_length() {
        let mut concealer = Concealer::new(SampleRate::Hz8000);
        let mut noise = Noise::new(5);
        for round in 0..3_000_usize {
            let len = round * 37 % 500;
            let mut pcm = noise.samples(len, i16::MAX);
            if round % 3 == 0 {
                concealer.conceal(&mut pcm);
            } else {
                concealer.heard(&mut pcm);
            }
            assert_eq!(pcm.len(), len);
        }
    }
}
