//! Sound between its samples.

use std::sync::LazyLock;

/// Samples on both sides of a point that make what is there.
pub(super) const REACH: usize = 12;
const TAPS: usize = 2 * REACH;
const PARTS: usize = 8;
const _: () = assert!(TAPS.is_multiple_of(PARTS));
/// Points between two samples that a filter stands for.
const PHASES: usize = 128;
/// The window's shape: side lobes 70 dB down.
const BETA: f64 = 7.0;

/// A filter for each phase, and one more for the next sample.
static FILTERS: LazyLock<Box<[[f32; TAPS]]>> = LazyLock::new(|| (0..=PHASES).map(filter).collect());

/// What is between `window[REACH - 1]` and `window[REACH]`, `fraction` of 2³² on the way. `window` has 24 samples.
pub(super) fn interpolate(window: &[f32], fraction: u32) -> i16 {
    let place = fraction as u64 * PHASES as u64;
    let (phase, between) = ((place >> 32) as usize, (place as u32) as f32 / 4_294_967_296.0);
    let (Some([here, next]), Some(window)) = (FILTERS.get(phase..phase + 2), window.first_chunk::<TAPS>()) else {
        return 0;
    };
    // In as many parts as a processor's registers have room for: it adds several at a time then.
    let mut sums = [0.0; PARTS];
    let [here, next, window] = [here, next, window].map(|values| values.as_chunks::<PARTS>().0);
    for ((here, next), samples) in here.iter().zip(next).zip(window) {
        for part in 0..PARTS {
            sums[part] += (here[part] + (next[part] - here[part]) * between) * samples[part];
        }
    }
    let sample: f32 = sums.iter().sum();
    // Rounded by hand: on a processor that is asked for no more than every x86-64 has, all else is a call.
    (sample + 0.5_f32.copysign(sample)) as i16
}

/// The windowed sinc that reads at `phase` of [`PHASES`], with a sum of one.
fn filter(phase: usize) -> [f32; TAPS] {
    let point = (REACH - 1) as f64 + phase as f64 / PHASES as f64;
    let taps: [f64; TAPS] = std::array::from_fn(|tap| {
        let distance = tap as f64 - point;
        let sinc = if distance == 0.0 {
            1.0
        } else {
            (std::f64::consts::PI * distance).sin() / (std::f64::consts::PI * distance)
        };
        let edge = (1.0 - (distance / REACH as f64).powi(2)).max(0.0);
        sinc * bessel(BETA * edge.sqrt()) / bessel(BETA)
    });
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (tap / sum) as f32)
}

/// The modified Bessel function of the first kind, order 0, of a Kaiser window.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    (1..40).fold(1.0, |sum, n| {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum + term
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_itself_is_read_as_it_is() {
        let window: Vec<f32> = (0..TAPS as i16).map(|n| (n * 1_000 % 7_919 - 3_000).into()).collect();
        assert!((f32::from(interpolate(&window, 0)) - window[REACH - 1]).abs() < f32::EPSILON);
    }

    #[test]
    fn a_tone_in_the_telephone_band_is_read_between_its_samples() {
        for hz in [300.0, 1_000.0, 3_000.0, 3_400.0] {
            let tone = |at: f64| (at * hz / 8_000.0 * std::f64::consts::TAU).sin() * 16_000.0;
            let (mut noise, mut power) = (0.0, 0.0);
            for step in 0..1_000 {
                let at = step as f64 * 1.003 + 20.0;
                let whole = at.floor();
                let window: Vec<f32> =
                    (0..TAPS).map(|tap| tone(whole + tap as f64 - (REACH - 1) as f64).round() as f32).collect();
                let read = interpolate(&window, ((at - whole) * 4_294_967_296.0) as u32);
                noise += (read as f64 - tone(at)).powi(2);
                power += tone(at).powi(2);
            }
            let ratio_db = 10.0 * (power / noise).log10();
            assert!(ratio_db > if hz < 3_100.0 { 65.0 } else { 35.0 }, "{hz} Hz: {ratio_db:.1} dB");
        }
    }
}
