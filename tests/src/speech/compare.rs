//! How much of one recording is in another.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;

/// How alike two recordings are where they are most alike.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Similarity {
    /// The normalised cross-correlation: 1 is the same up to loudness, 0 is unrelated, -1 is inverted.
    pub score: f64,
    /// By how many samples the second recording is late.
    pub lag: isize,
}

/// Finds the lag, up to `lag_max` samples either way, at which a recording is most like a reference.
///
/// At each lag both are compared where they overlap, which must be by half of the shorter one.
pub fn similarity(reference: &[i16], heard: &[i16], lag_max: usize) -> Similarity {
    let overlap_min = (reference.len().min(heard.len()) / 2).max(1);
    let correlation = Correlation::of(reference, heard);
    let (reference, heard) = (Energy::of(reference), Energy::of(heard));
    let reach = lag_max as isize;
    (-reach..=reach)
        .filter_map(|lag| {
            let overlap = Overlap::at(lag, reference.len(), heard.len(), overlap_min)?;
            let energy =
                reference.between(overlap.reference, overlap.length) * heard.between(overlap.heard, overlap.length);
            let score = if energy > 0.0 { correlation.at(lag) / energy.sqrt() } else { 0.0 };
            Some(Similarity { score, lag })
        })
        .max_by(|one, other| one.score.total_cmp(&other.score))
        .unwrap_or(Similarity { score: 0.0, lag: 0 })
}

/// The signal-to-noise ratio in dB of a recording that is `lag` samples late, against a reference; what differs is
/// noise. Infinite if nothing does.
pub fn snr(reference: &[i16], heard: &[i16], lag: isize) -> f64 {
    let Some(overlap) = Overlap::at(lag, reference.len(), heard.len(), 1) else {
        return f64::NEG_INFINITY;
    };
    let reference = &reference[overlap.reference..][..overlap.length];
    let heard = &heard[overlap.heard..][..overlap.length];
    let signal: f64 = reference.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let difference = |(one, other): (&i16, &i16)| (f64::from(*one) - f64::from(*other)).powi(2);
    let noise: f64 = reference.iter().zip(heard).map(difference).sum();
    10.0 * (signal / noise).log10()
}

/// The stretch that two recordings share at a lag.
struct Overlap {
    reference: usize,
    heard: usize,
    length: usize,
}

impl Overlap {
    fn at(lag: isize, reference: usize, heard: usize, length_min: usize) -> Option<Self> {
        let (from_reference, from_heard) = (lag.min(0).unsigned_abs(), lag.max(0).unsigned_abs());
        let length = reference.checked_sub(from_reference)?.min(heard.checked_sub(from_heard)?);
        let overlap = Self { reference: from_reference, heard: from_heard, length };
        (length >= length_min).then_some(overlap)
    }
}

/// Sums of squares from the start on, so that the energy of any stretch is one subtraction.
struct Energy(Vec<f64>);

impl Energy {
    fn of(samples: &[i16]) -> Self {
        let mut sum = 0.0;
        let sums = samples.iter().map(|sample| {
            sum += f64::from(*sample).powi(2);
            sum
        });
        Self(std::iter::once(0.0).chain(sums).collect())
    }

    fn len(&self) -> usize {
        self.0.len() - 1
    }

    fn between(&self, from: usize, length: usize) -> f64 {
        self.0[from + length] - self.0[from]
    }
}

/// The sums of products at every lag, by way of the frequency domain.
struct Correlation(Vec<Complex64>);

impl Correlation {
    fn of(reference: &[i16], heard: &[i16]) -> Self {
        let size = (reference.len() + heard.len()).next_power_of_two();
        let mut planner = FftPlanner::new();
        let spectrum = |samples: &[i16], planner: &mut FftPlanner<f64>| {
            let mut values: Vec<_> = samples.iter().map(|sample| Complex64::from(f64::from(*sample))).collect();
            values.resize(size, Complex64::ZERO);
            planner.plan_fft_forward(size).process(&mut values);
            values
        };
        let reference = spectrum(reference, &mut planner);
        let heard = spectrum(heard, &mut planner);
        let mut product: Vec<_> = reference.iter().zip(&heard).map(|(one, other)| one.conj() * other).collect();
        planner.plan_fft_inverse(size).process(&mut product);
        Self(product)
    }

    /// The sum of `reference[i] * heard[i + lag]`; negative lags stand at the end.
    fn at(&self, lag: isize) -> f64 {
        let index = lag.rem_euclid(self.0.len() as isize) as usize;
        self.0[index].re / self.0.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<i16> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..length).map(|_| random.random_range(-8000..8000)).collect()
    }

    fn delayed(samples: &[i16], by: usize) -> Vec<i16> {
        [vec![0; by].as_slice(), samples].concat()
    }

    #[test]
    fn the_same_is_alike_at_no_lag() {
        let samples = noise(1, 4000);
        let found = similarity(&samples, &samples, 500);
        assert!(found.score > 0.9999 && found.lag == 0, "{found:?}");
    }

    #[test]
    fn a_delay_is_found_either_way() {
        let samples = noise(1, 4000);
        let late = similarity(&samples, &delayed(&samples, 321), 500);
        assert!(late.score > 0.9999 && late.lag == 321, "{late:?}");
        let early = similarity(&delayed(&samples, 321), &samples, 500);
        assert!(early.score > 0.9999 && early.lag == -321, "{early:?}");
    }

    #[test]
    fn loudness_does_not_matter_and_inversion_does() {
        let samples = noise(1, 4000);
        let quieter: Vec<_> = samples.iter().map(|sample| sample / 4).collect();
        assert!(similarity(&samples, &quieter, 10).score > 0.999);
        let inverted: Vec<_> = samples.iter().map(|sample| -sample).collect();
        assert!(similarity(&samples, &inverted, 0).score < -0.999);
    }

    #[test]
    fn a_mix_is_like_both_of_its_parts_and_strangers_are_not() {
        let (one, other, stranger) = (noise(1, 8000), noise(2, 8000), noise(3, 8000));
        let mix: Vec<_> = one.iter().zip(&other).map(|(one, other)| one / 2 + other / 2).collect();
        for part in [&one, &other] {
            let score = similarity(part, &mix, 100).score;
            assert!((0.65..0.75).contains(&score), "{score}");
        }
        assert!(similarity(&stranger, &mix, 100).score < 0.1);
    }

    #[test]
    fn correlation_is_what_a_plain_sum_gives() {
        let (one, other) = (noise(1, 300), noise(2, 200));
        let correlation = Correlation::of(&one, &other);
        for lag in [-250, -1, 0, 1, 150] {
            let pair = |index: isize| {
                Some((*one.get(usize::try_from(index).ok()?)?, *other.get(usize::try_from(index + lag).ok()?)?))
            };
            let sum: f64 = (0..300).filter_map(pair).map(|(one, other)| f64::from(one) * f64::from(other)).sum();
            assert!((correlation.at(lag) - sum).abs() < 1.0, "lag {lag}: {} {sum}", correlation.at(lag));
        }
    }

    #[test]
    fn silence_is_like_nothing() {
        assert!(similarity(&[0; 100], &noise(1, 100), 10).score.abs() < 1e-9);
        assert!(similarity(&[], &[], 10).score.abs() < 1e-9);
    }

    #[test]
    fn noise_a_tenth_as_loud_is_twenty_decibels_down() {
        let samples = noise(1, 8000);
        let noisy: Vec<_> = samples.iter().zip(noise(2, 8000)).map(|(sample, noise)| sample + noise / 10).collect();
        assert!((snr(&samples, &noisy, 0) - 20.0).abs() < 0.5);
        assert!((snr(&samples, &delayed(&noisy, 50), 50) - 20.0).abs() < 0.5);
        assert!(snr(&samples, &samples, 0).is_infinite());
    }
}
