//! Whether the sound of one recording is in another, whatever has become of its phases.

use std::{f64::consts::TAU, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex64};

use super::Similarity;

/// Samples of a frame, 32 ms at 8 kHz, and from one to the next.
const FRAME: usize = 256;
const HOP: usize = 64;
/// Bands of equal width up to half the sample rate.
const BANDS: usize = 32;

/// Finds where a reference sounds most like what is in a longer recording, by the strength of each band over time.
///
/// It says the same of sound that a jitter buffer has played a percent too fast, where [`super::similarity`] goes astray. The
/// lag is in samples, in steps of 8 ms; a reference that is longer than the recording is like nothing.
pub fn likeness(reference: &[i16], heard: &[i16]) -> Similarity {
    let frames = Frames::new();
    let (reference, heard) = (frames.of(reference), frames.of(heard));
    let nothing = Similarity { score: 0.0, lag: 0 };
    let Some(last) = heard.len().checked_sub(reference.len()).filter(|_| !reference.is_empty()) else {
        return nothing;
    };
    let at = |lag: usize| Similarity { score: cosine(&reference, &heard[lag..]), lag: (lag * HOP) as isize };
    (0..=last).map(at).max_by(|one, other| one.score.total_cmp(&other.score)).unwrap_or(nothing)
}

/// The correlation of two pictures, as long as the first.
fn cosine(one: &[[f64; BANDS]], other: &[[f64; BANDS]]) -> f64 {
    let count = (one.len() * BANDS) as f64;
    let (mut sums, mut squares, mut product) = ([0.0; 2], [0.0; 2], 0.0);
    for (a, b) in one.iter().flatten().zip(other.iter().flatten()) {
        sums[0] += a;
        sums[1] += b;
        squares[0] += a * a;
        squares[1] += b * b;
        product += a * b;
    }
    let [one, other] = [0, 1].map(|it| squares[it] - sums[it] * sums[it] / count);
    // What is left of silence is rounding.
    if one > 1e-6 && other > 1e-6 { (product - sums[0] * sums[1] / count) / (one * other).sqrt() } else { 0.0 }
}

struct Frames {
    fft: Arc<dyn Fft<f64>>,
    window: Vec<f64>,
}

impl Frames {
    fn new() -> Self {
        let hann = |at: usize| 0.5 - 0.5 * (TAU * at as f64 / FRAME as f64).cos();
        Self { fft: FftPlanner::new().plan_fft_forward(FRAME), window: (0..FRAME).map(hann).collect() }
    }

    /// The strength of each band in each frame, as a root, such that quiet sounds count too.
    fn of(&self, samples: &[i16]) -> Vec<[f64; BANDS]> {
        samples.windows(FRAME).step_by(HOP).map(|frame| self.bands(frame)).collect()
    }

    fn bands(&self, frame: &[i16]) -> [f64; BANDS] {
        let windowed = frame.iter().zip(&self.window).map(|(sample, window)| f64::from(*sample) * window);
        let mut values: Vec<_> = windowed.map(Complex64::from).collect();
        self.fft.process(&mut values);
        let mut bands = [0.0; BANDS];
        for (band, bins) in bands.iter_mut().zip(values[1..].chunks_exact(FRAME / 2 / BANDS)) {
            *band = bins.iter().map(Complex64::norm_sqr).sum::<f64>().powf(0.25);
        }
        bands
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::say;

    fn ferry() -> Vec<i16> {
        say("en-gb", "The ferry leaves on Friday at noon.").unwrap()
    }

    /// With half a second of silence around it.
    fn padded(samples: &[i16]) -> Vec<i16> {
        [&[0; 4_000][..], samples, &[0; 4_000][..]].concat()
    }

    #[test]
    fn what_was_said_is_found_where_it_is() {
        let found = likeness(&ferry(), &padded(&ferry()));
        assert!(found.score > 0.95 && found.lag.abs_diff(4_000) <= HOP, "{found:?}");
    }

    #[test]
    fn a_percent_too_fast_is_as_alike() {
        let said = ferry();
        let faster: Vec<_> = (0..said.len() * 99 / 100).map(|at| said[at * 100 / 99]).collect();
        let found = likeness(&said, &padded(&faster));
        assert!(found.score > 0.85, "{found:?}");
    }

    #[test]
    fn other_words_another_voice_and_silence_are_not_alike() {
        let other = say("en-us+f3", "Could I have a voucher, please?").unwrap();
        let again = say("en-gb", "Harbour Ferries, Sam speaking.").unwrap();
        for heard in [padded(&other), padded(&again), vec![0; 40_000], Vec::new()] {
            let found = likeness(&ferry(), &heard);
            assert!(found.score < 0.45, "{found:?}");
        }
    }
}
