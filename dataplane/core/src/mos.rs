//! An estimate of how a stream sounds: the E-model of ITU-T G.107, from loss and jitter.

/// What the estimate is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Packets lost of those expected, 0 to 1.
    pub loss: f64,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f64,
}

/// R without any impairment, G.107, table 2 with default values.
const R_DEFAULT: f64 = 93.2;
/// Packet-loss robustness of G.711 with concealment, G.113, appendix I.
const ROBUSTNESS_G711: f64 = 25.1;
/// Packetisation and codec delay of 20 ms frames, in milliseconds.
const DELAY_FRAME_MS: f64 = 20.0;

/// The mean opinion score, 1 to 4.5, that G.711 with concealment behind a jitter buffer of twice the jitter would get
/// (G.107, annex B). The network's own delay is not known here and counts as none.
pub fn mos(quality: Quality) -> f64 {
    let delay_ms = DELAY_FRAME_MS + 2.0 * quality.jitter_ms;
    let percent = (quality.loss * 100.0).clamp(0.0, 100.0);
    let loss = 95.0 * percent / (percent + ROBUSTNESS_G711);
    let r = R_DEFAULT - delay_impairment(delay_ms) - loss;
    score(r)
}

/// Id in the simplified form for echo-free lines.
fn delay_impairment(delay_ms: f64) -> f64 {
    let long = (delay_ms - 177.3).max(0.0);
    0.024 * delay_ms + 0.11 * long
}

/// G.107, annex B.
fn score(r: f64) -> f64 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_stream_scores_what_g711_can() {
        let score = mos(Quality { loss: 0.0, jitter_ms: 0.0 });
        assert!((4.35..4.45).contains(&score), "{score}");
    }

    #[test]
    fn loss_and_jitter_only_make_it_worse() {
        let mut last = 5.0;
        for step in 0..=20 {
            let score = mos(Quality { loss: f64::from(step) / 20.0, jitter_ms: 0.0 });
            assert!(score < last || score <= 1.0, "{score} after {last}");
            last = score;
        }
        let steady = mos(Quality { loss: 0.01, jitter_ms: 1.0 });
        assert!(mos(Quality { loss: 0.01, jitter_ms: 100.0 }) < steady);
    }

    #[test]
    fn nonsense_stays_on_the_scale() {
        for loss in [-1.0, 0.0, 2.0] {
            for jitter_ms in [0.0, 1e9] {
                let score = mos(Quality { loss, jitter_ms });
                assert!((1.0..=4.5).contains(&score), "{score}");
            }
        }
    }
}
