//! Signals for the mixer's tests.

use std::f64::consts::TAU;

/// A seeded source of noise.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from -1 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// White noise up to a peak.
    pub(crate) fn samples(&mut self, len: usize, peak: i16) -> Vec<i16> {
        (0..len).map(|_| (self.next() * f64::from(peak)) as i16).collect()
    }
}

/// A pure tone.
pub(crate) fn tone(rate: u32, hz: f64, peak: f64, len: usize) -> Vec<i16> {
    (0..len).map(|at| (peak * (TAU * hz * at as f64 / f64::from(rate)).sin()) as i16).collect()
}

/// Syllables of a voice whose pitch glides between 100 and 160 Hz, with three formants, and a pause after each word.
pub(crate) fn speech_like(rate: u32, len: usize) -> Vec<i16> {
    let rate = f64::from(rate);
    let mut phase = 0.0;
    let sample = |at: usize| {
        let time = at as f64 / rate;
        phase += (130.0 + 30.0 * (TAU * 0.7 * time).sin()) / rate;
        let word = (time % 1.2) < 0.9;
        let syllable = (TAU * 2.5 * time).sin().abs();
        let loudness = if word { syllable } else { 0.0 };
        let formants = [(700.0 + 300.0 * (TAU * 1.3 * time).sin(), 1.0), (1_500.0, 0.5), (2_600.0, 0.25)];
        let harmonics = (1..25).map(|harmonic| {
            let hz = 130.0 * f64::from(harmonic);
            let gain: f64 = formants.iter().map(|(centre, gain)| gain / (1.0 + ((hz - centre) / 120.0).powi(2))).sum();
            gain * (TAU * f64::from(harmonic) * phase).sin()
        });
        (6_000.0 * loudness * harmonics.sum::<f64>()) as i16
    };
    (0..len).map(sample).collect()
}

/// The ratio of a signal's power to that of its difference from another, in decibels.
pub(crate) fn ratio_db(signal: &[i16], other: &[i16]) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let signal_power = power(&mut signal.iter().map(|&sample| f64::from(sample)));
    let noise = power(&mut signal.iter().zip(other).map(|(&one, &other)| f64::from(one) - f64::from(other)));
    10.0 * (signal_power / noise.max(1e-9)).log10()
}
