//! Pure tones, by which it is known who hears whom.

use std::f64::consts::TAU;

/// Samples a second.
const RATE_HZ: f64 = 8_000.0;
/// Samples of a piece.
const PIECE: usize = 240;
/// The height of a tone.
const HEIGHT: f64 = 6_000.0;
/// A tone is heard from a third of its height on, and not heard below a twentieth.
const HEARD: f64 = HEIGHT / 3.0;
const NOT_HEARD: f64 = HEIGHT / 20.0;

/// So many samples of a tone, at 8,000 a second.
pub fn tone(hz: f64, samples: usize) -> Vec<i16> {
    (0..samples).map(|at| (HEIGHT * (TAU * hz * at as f64 / RATE_HZ).sin()) as i16).collect()
}

/// How strong a tone is in sound, as the height of its wave. It may be a little too high or too low, as it is while a
/// jitter buffer catches up: what counts are pieces of 30 ms.
pub fn strength(sound: &[i16], hz: f64) -> f64 {
    let pieces = sound.chunks_exact(PIECE);
    let count = pieces.len().max(1) as f64;
    pieces.map(|piece| strength_of_piece(piece, hz)).sum::<f64>() / count
}

fn strength_of_piece(piece: &[i16], hz: f64) -> f64 {
    let (mut sine, mut cosine, mut weight) = (0.0, 0.0, 0.0);
    for (at, sample) in piece.iter().enumerate() {
        let angle = TAU * hz * at as f64 / RATE_HZ;
        let window = 1.0 - (TAU * (at as f64 + 0.5) / PIECE as f64).cos();
        sine += window * angle.sin() * f64::from(*sample);
        cosine += window * angle.cos() * f64::from(*sample);
        weight += window;
    }
    2.0 * f64::hypot(sine, cosine) / weight
}

/// Whether a tone is in sound. `None` where one can argue about it.
pub fn hears(sound: &[i16], hz: f64) -> Option<bool> {
    match strength(sound, hz) {
        strength if strength >= HEARD => Some(true),
        strength if strength <= NOT_HEARD => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_among_others() {
        let mut sound = tone(700.0, 1_600);
        for (sample, other) in sound.iter_mut().zip(tone(1_100.0, 1_600)) {
            *sample += other;
        }
        let found = [700.0, 1_100.0, 1_700.0].map(|hz| hears(&sound, hz));
        assert_eq!(found, [Some(true), Some(true), Some(false)]);
        let faint: Vec<_> = sound.iter().map(|sample| sample / 6).collect();
        assert_eq!(hears(&faint, 700.0), None);
    }
}
