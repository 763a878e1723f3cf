//! Digits as tones in the sound (ITU-T Q.23, Q.24), for streams that have no telephone events.

use std::f32::consts::{PI, TAU};

use super::dtmf::Digit;
use super::format::SampleRate;
use super::signal::{COLUMNS_HZ, ROWS_HZ, digit};

/// Finds the keys pressed in a stream of sound, each once: tones of 40 ms or more, with pauses of 40 ms or more.
///
/// Every 8 ms it looks at the last 24 through a Hann window. Three looks in turn that see the same key equally loud are a
/// press: in 40 ms there are three, however they lie. They also tell the frequencies, by how far the phases have moved from
/// one to the other.
#[derive(Clone, Debug)]
pub struct Detector {
    rate: SampleRate,
    filters: [Filter; 8],
    window: Box<[f32]>,
    /// The last samples, oldest first, and how many of them are still to come before the next look.
    recent: Box<[i16]>,
    missing: usize,
    /// The last looks, newest first.
    looks: [Look; 3],
    pressed: Option<Pressed>,
}

/// Milliseconds between looks, and of a look.
const HOP_MS: usize = 8;
const LOOK_MS: usize = 24;

/// One frequency's resonator.
#[derive(Clone, Copy, Debug)]
struct Filter {
    hz: f32,
    cosine: f32,
    sine: f32,
    /// How far its phase moves between two looks, in turns.
    turns: f32,
}

/// What one look has seen: each frequency's amplitude and phase, and the key that these may be.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    parts: [Part; 8],
    /// The power of everything.
    power: f32,
    /// The row and the column.
    key: Option<(usize, usize)>,
}

/// A complex amplitude.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    real: f32,
    imaginary: f32,
}

/// A key that was told and is still down.
#[derive(Clone, Copy, Debug)]
struct Pressed {
    row: usize,
    column: usize,
    /// The amplitude of its weaker frequency.
    level: f32,
}

/// The weakest frequency that counts, by its peak: -29 dBm0. Q.24 wants -24 to -25 dBm.
const LEVEL_MIN: f32 = 800.0;
/// How much stronger the column may be than the row, and the row than the column, as ratios of amplitudes: 6 and 10 dB. Q.24
/// wants from 4 to 8.
const COLUMN_OVER_ROW: f32 = 2.0;
const ROW_OVER_COLUMN: f32 = 3.16;
/// How much stronger than the others of its group a frequency must be: 8 dB.
const OVER_OTHERS: f32 = 2.5;
/// How much of the power the two frequencies must have. Speech has more than two.
const SHARE_MIN: f32 = 0.75;
/// How far off a frequency may be. Q.24 wants 1.5 % to be taken, and 3.5 % not to be.
const OFF_MAX: f32 = 0.024;
/// How even the three looks must be: a tone of 25 ms leaves less in one of any three, one of 40 ms more in some.
const EVEN: f32 = 0.85;
/// Below this part of its level a key is up: a gap of 10 ms leaves more in every look, one of 40 ms nothing in one.
const RELEASE: f32 = 0.18;

impl Detector {
    /// A detector at the beginning of a stream.
    pub fn new(rate: SampleRate) -> Self {
        let samples = rate.samples(LOOK_MS);
        let hann = |at: usize| 1.0 - (TAU * (at as f32 + 0.5) / samples as f32).cos();
        let frequency = |at: usize| if at < 4 { ROWS_HZ[at] } else { COLUMNS_HZ[at - 4] };
        Self {
            rate,
            filters: std::array::from_fn(|at| Filter::new(frequency(at) as f32, rate)),
            window: (0..samples).map(hann).collect(),
            recent: vec![0; samples].into_boxed_slice(),
            missing: rate.samples(HOP_MS),
            looks: [Look::default(); 3],
            pressed: None,
        }
    }

    /// Takes the next samples, however many, and calls `pressed` for every key whose tone has lasted long enough in them.
    pub fn process(&mut self, mut pcm: &[i16], mut pressed: impl FnMut(Digit)) {
        while !pcm.is_empty() {
            let (now, later) = pcm.split_at(pcm.len().min(self.missing));
            self.recent.copy_within(now.len().., 0);
            let old = self.recent.len() - now.len();
            self.recent[old..].copy_from_slice(now);
            self.missing -= now.len();
            if self.missing == 0 {
                self.missing = self.rate.samples(HOP_MS);
                if let Some(digit) = self.look() {
                    pressed(digit);
                }
            }
            pcm = later;
        }
    }

    fn look(&mut self) -> Option<Digit> {
        self.looks.rotate_right(1);
        self.looks[0] = Look::at(&self.recent, &self.window, &self.filters);
        let [now, before, first] = &self.looks;
        if self.pressed.is_some_and(|pressed| now.level(pressed.row, pressed.column) < RELEASE * pressed.level) {
            self.pressed = None;
        }
        let (row, column) = now.key.filter(|key| before.key == Some(*key) && first.key == Some(*key))?;
        let is_down = self.pressed.is_some_and(|pressed| (pressed.row, pressed.column) == (row, column));
        if is_down || !self.is_steady(row) || !self.is_steady(4 + column) || !self.is_alone(row, column) {
            return None;
        }
        self.pressed = Some(Pressed { row, column, level: before.level(row, column) });
        digit(row, column)
    }

    /// Whether a frequency is equally loud in all three looks, and near enough to what it should be.
    fn is_steady(&self, at: usize) -> bool {
        let amplitudes = self.looks.map(|look| look.parts[at].amplitude());
        let most = amplitudes.into_iter().fold(0.0, f32::max);
        let even = amplitudes.iter().all(|&amplitude| amplitude >= EVEN * most);
        even && self.off_hz(at).abs() <= OFF_MAX * self.filters[at].hz
    }

    fn off_hz(&self, at: usize) -> f32 {
        let [now, before, first] = self.looks.map(|look| look.parts[at]);
        f32::midpoint(self.filters[at].off_hz(before, now), self.filters[at].off_hz(first, before))
    }

    /// Whether two frequencies hold enough of the power in the look that is surest to be full of them.
    fn is_alone(&self, row: usize, column: usize) -> bool {
        let look = &self.looks[1];
        let power = |at: usize| {
            let bins = self.off_hz(at) * LOOK_MS as f32 / 1_000.0;
            (look.parts[at].amplitude() / hann_response(bins)).powi(2) / 2.0
        };
        power(row) + power(4 + column) >= SHARE_MIN * look.power
    }
}

impl Look {
    fn at(samples: &[i16], window: &[f32], filters: &[Filter; 8]) -> Self {
        let mut power = 0.0;
        let mut states = [[0.0_f32; 2]; 8];
        for (&sample, &weight) in samples.iter().zip(window) {
            let sample = f32::from(sample) * weight;
            power += sample * sample;
            for (state, filter) in states.iter_mut().zip(filters) {
                *state = [sample + 2.0 * filter.cosine * state[0] - state[1], state[0]];
            }
        }
        // To the peak of a tone, and its power.
        let len = samples.len() as f32;
        let part = |(state, filter): (&[f32; 2], &Filter)| Part {
            real: (state[0] - state[1] * filter.cosine) * 2.0 / len,
            imaginary: state[1] * filter.sine * 2.0 / len,
        };
        let mut parts = [Part::default(); 8];
        parts.iter_mut().zip(states.iter().zip(filters).map(part)).for_each(|(place, part)| *place = part);
        let mut look = Self { parts, power: power / (1.5 * len), key: None };
        look.key = look.strongest();
        look
    }

    /// The strongest row and column, if they stand out from the others and are of like strength.
    fn strongest(&self) -> Option<(usize, usize)> {
        let amplitudes = self.parts.map(Part::amplitude);
        let (row, column) = (standing_out(&amplitudes[..4])?, standing_out(&amplitudes[4..])?);
        let (row_level, column_level) = (amplitudes[row], amplitudes[4 + column]);
        let alike = column_level < COLUMN_OVER_ROW * row_level && row_level < ROW_OVER_COLUMN * column_level;
        alike.then_some((row, column))
    }

    /// The amplitude of the weaker frequency of a key.
    fn level(&self, row: usize, column: usize) -> f32 {
        self.parts[row].amplitude().min(self.parts[4 + column].amplitude())
    }
}

/// The strongest of a group, if it is loud enough and the others are much weaker.
fn standing_out(amplitudes: &[f32]) -> Option<usize> {
    let (strongest, &level) = amplitudes.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1))?;
    let others = amplitudes.iter().enumerate().filter(|(at, _)| *at != strongest);
    let clear = others.map(|(_, &other)| other * OVER_OTHERS).all(|other| other < level);
    (level >= LEVEL_MIN && clear).then_some(strongest)
}

impl Filter {
    fn new(hz: f32, rate: SampleRate) -> Self {
        let (sine, cosine) = (TAU * hz / rate.hz() as f32).sin_cos();
        Self { hz, cosine, sine, turns: (hz * HOP_MS as f32 / 1_000.0).fract() }
    }

    /// How far a tone is from this frequency, by its phases in two looks.
    fn off_hz(self, last: Part, now: Part) -> f32 {
        let turns = (now.phase() - last.phase()) / TAU - self.turns;
        (turns - turns.round()) * 1_000.0 / HOP_MS as f32
    }
}

impl Part {
    fn amplitude(self) -> f32 {
        self.real.hypot(self.imaginary)
    }

    fn phase(self) -> f32 {
        self.imaginary.atan2(self.real)
    }
}

/// How much of a tone is seen by the window, so many bins away from it.
fn hann_response(bins: f32) -> f32 {
    let x = PI * bins;
    if x.abs() < 1e-3 { 1.0 } else { x.sin() / x / (1.0 - bins * bins) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::mixer::codec::{Decoder, Encoder, PAYLOAD_MAX};
    use crate::mixer::format::Codec;
    use crate::mixer::signal::{Generator, Signal};
    use crate::mixer::testing::{Noise, speech_like};

    const RATES: [SampleRate; 3] = SampleRate::ALL;

    /// A key's tone as a bad telephone makes it.
    #[derive(Clone, Copy)]
    struct Tone {
        row: usize,
        column: usize,
        ms: f64,
        /// Off by so much, as parts of the frequency.
        off: [f64; 2],
        /// The peaks of row and column.
        peaks: [f64; 2],
    }

    impl Tone {
        fn of(row: usize, column: usize) -> Self {
            Self { row, column, ms: 60.0, off: [0.0; 2], peaks: [4_000.0; 2] }
        }

        fn samples(self, rate: SampleRate) -> Vec<i16> {
            let len = (self.ms * f64::from(rate.hz()) / 1_000.0) as usize;
            let hz = [ROWS_HZ[self.row] * (1.0 + self.off[0]), COLUMNS_HZ[self.column] * (1.0 + self.off[1])];
            let sample = |at: usize| {
                let time = at as f64 / f64::from(rate.hz());
                let value =
                    self.peaks[0] * (TAU * hz[0] * time).sin() + self.peaks[1] * (TAU * hz[1] * time + 1.0).sin();
                value as i16
            };
            (0..len).map(sample).collect()
        }
    }

    fn detected(rate: SampleRate, pcm: &[i16]) -> String {
        let mut detector = Detector::new(rate);
        let mut digits = String::new();
        for block in pcm.chunks(rate.samples(20)) {
            detector.process(block, |digit| digits.push(digit.key()));
        }
        digits
    }

    fn silence(rate: SampleRate, ms: f64) -> Vec<i16> {
        vec![0; (ms * f64::from(rate.hz()) / 1_000.0) as usize]
    }

    /// What is found in a tone that begins at every place between two looks.
    fn found_wherever(rate: SampleRate, tone: Tone) -> Vec<String> {
        let found = |at: usize| {
            detected(rate, &[silence(rate, 50.0 + at as f64 * 0.61), tone.samples(rate), silence(rate, 60.0)].concat())
        };
        (0..14).map(found).collect()
    }

    fn keys() -> impl Iterator<Item = (usize, usize, String)> {
        let places = (0..4).flat_map(|row| (0..4).map(move |column| (row, column)));
        places.map(|(row, column)| (row, column, digit(row, column).unwrap().key().to_string()))
    }

    #[test]
    fn every_key_of_40_ms_is_found_once() {
        for rate in RATES {
            for (row, column, key) in keys() {
                for found in found_wherever(rate, Tone { ms: 40.0, ..Tone::of(row, column) }) {
                    assert_eq!(found, key, "{rate:?}");
                }
            }
        }
    }

    #[test]
    fn pauses_of_40_ms_part_two_presses_and_gaps_of_10_do_not() {
        let rate = SampleRate::Hz8000;
        for (row, column, key) in keys() {
            let tone = Tone { ms: 45.0, ..Tone::of(row, column) }.samples(rate);
            let mut broken = Tone { ms: 100.0, ..Tone::of(row, column) }.samples(rate);
            broken[rate.samples(45)..rate.samples(55)].fill(0);
            for shift in 0..14 {
                let (begin, end) = (silence(rate, 50.0 + f64::from(shift) * 0.61), silence(rate, 50.0));
                let parted = [&begin[..], &tone, &silence(rate, 40.0), &tone, &end].concat();
                assert_eq!(detected(rate, &parted), key.repeat(2));
                assert_eq!(detected(rate, &[&begin[..], &broken, &end].concat()), key, "shifted by {shift}");
            }
        }
    }

    #[test]
    fn tones_of_23_ms_are_no_press() {
        for (row, column, _) in keys() {
            for found in found_wherever(SampleRate::Hz8000, Tone { ms: 23.0, ..Tone::of(row, column) }) {
                assert_eq!(found, "");
            }
        }
    }

    #[test]
    fn frequencies_are_taken_up_to_one_and_a_half_percent_off_and_refused_from_three_and_a_half() {
        for (row, column, key) in keys() {
            for off in [[0.015, 0.015], [-0.015, 0.015], [0.015, -0.015], [-0.015, -0.015]] {
                for found in found_wherever(SampleRate::Hz8000, Tone { ms: 40.0, off, ..Tone::of(row, column) }) {
                    assert_eq!(found, key, "off by {off:?}");
                }
            }
            for off in [[0.035, 0.0], [-0.035, 0.0], [0.0, 0.035], [0.0, -0.035], [0.04, 0.04], [-0.05, 0.0]] {
                for found in found_wherever(SampleRate::Hz8000, Tone { ms: 200.0, off, ..Tone::of(row, column) }) {
                    assert_eq!(found, "", "off by {off:?}");
                }
            }
        }
    }

    #[test]
    fn levels_and_twist_are_taken_as_networks_have_them() {
        let peak = |dbm0: f64| 22_800.0 * 10_f64.powf(dbm0 / 20.0);
        for (row, column, key) in keys() {
            // Row and column in dBm0: loud, quiet, and with twist either way.
            for levels in [[-3.0, -3.0], [-25.0, -25.0], [-14.0, -10.0], [-10.0, -18.0]] {
                for found in found_wherever(
                    SampleRate::Hz8000,
                    Tone { ms: 40.0, peaks: levels.map(peak), ..Tone::of(row, column) },
                ) {
                    assert_eq!(found, key, "at {levels:?} dBm0");
                }
            }
            for levels in [[-35.0, -35.0], [-20.0, -10.0], [-10.0, -23.0]] {
                for found in found_wherever(
                    SampleRate::Hz8000,
                    Tone { ms: 100.0, peaks: levels.map(peak), ..Tone::of(row, column) },
                ) {
                    assert_eq!(found, "", "at {levels:?} dBm0");
                }
            }
        }
    }

    #[test]
    fn keys_are_found_in_noise_15_db_down() {
        let rate = SampleRate::Hz8000;
        let mut noise = Noise::new(11);
        for (row, column, key) in keys() {
            let mut pcm =
                [silence(rate, 60.0), Tone { ms: 50.0, ..Tone::of(row, column) }.samples(rate), silence(rate, 60.0)]
                    .concat();
            // Two tones of 4,000 have a power of 4,000 squared; uniform noise a third of its peak's.
            let peak = 4_000.0 * 3_f64.sqrt() * 10_f64.powf(-15.0 / 20.0);
            for sample in &mut pcm {
                *sample += (noise.next() * peak) as i16;
            }
            assert_eq!(detected(rate, &pcm), key);
        }
    }

    #[test]
    fn what_the_generator_makes_is_found_at_every_rate() {
        for rate in RATES {
            let mut generator = Generator::new(rate);
            let (mut detector, mut found) = (Detector::new(rate), String::new());
            let mut expected = String::new();
            let mut pcm = vec![0; rate.samples(250)];
            for digit in Digit::all() {
                expected.push(digit.key());
                generator.play(Signal::Digit(digit));
                generator.generate(&mut pcm);
                detector.process(&pcm, |digit| found.push(digit.key()));
            }
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn keys_are_found_behind_every_codec() {
        for codec in Codec::ALL {
            let rate = codec.rate();
            let (mut encoder, mut decoder) = (Encoder::new(codec, 20).unwrap(), Decoder::new(codec).unwrap());
            let (mut generator, mut detector) = (Generator::new(rate), Detector::new(rate));
            let (mut expected, mut found) = (String::new(), String::new());
            let (mut pcm, mut payload) = (vec![0; rate.samples(20)], [0; PAYLOAD_MAX]);
            for digit in Digit::all() {
                expected.push(digit.key());
                generator.play(Signal::Digit(digit));
                for _ in 0..12 {
                    generator.generate(&mut pcm);
                    let octets = encoder.encode(&pcm, &mut payload).unwrap();
                    decoder.decode(&payload[..octets], &mut pcm).unwrap();
                    detector.process(&pcm, |digit| found.push(digit.key()));
                }
            }
            assert_eq!(found, expected, "{codec:?}");
        }
    }

    #[test]
    fn noise_and_voices_are_no_keys() {
        let rate = SampleRate::Hz8000;
        assert_eq!(detected(rate, &Noise::new(3).samples(rate.samples(60_000), 20_000)), "");
        assert_eq!(detected(rate, &speech_like(rate.hz(), rate.samples(30_000))), "");
        let mut generator = Generator::new(rate);
        let mut pcm = vec![0; rate.samples(2_000)];
        for signal in [Signal::Confirmation, Signal::Refusal, Signal::Consent] {
            generator.play(signal);
            generator.generate(&mut pcm);
            assert_eq!(detected(rate, &pcm), "", "{signal:?}");
        }
    }
}
