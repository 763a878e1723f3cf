//! What supervisors, and parties that are to know of them, hear from the appliance itself.

use std::f64::consts::TAU;

use super::dtmf::Digit;
use super::format::SampleRate;

/// A sound that the appliance makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// What was asked for has been done: two short notes, the second higher.
    Confirmation,
    /// It has not: the fast busy tone, twice.
    Refusal,
    /// A call is refused: the fast busy tone, for two seconds and a half.
    Rejection,
    /// Somebody may be listening: 1400 Hz for half a second every 15 seconds, until it is stopped.
    Consent,
    /// A key of a telephone.
    Digit(Digit),
}

/// Makes one signal at a time, of one rate.
#[derive(Clone, Debug)]
pub struct Generator {
    rate: SampleRate,
    playing: Option<Playing>,
    /// What begins when the present signal has faded.
    next: Option<Signal>,
}

#[derive(Clone, Copy, Debug)]
struct Playing {
    signal: Signal,
    /// Which of its notes, and samples since that began.
    note: usize,
    at: usize,
    /// Parts of a turn, of both frequencies.
    phases: [f64; 2],
    /// From nothing to the whole ramp.
    level: usize,
    stopping: bool,
}

/// Up to two frequencies for a while, and then silence for a while.
#[derive(Clone, Copy)]
struct Note {
    hz: [f64; 2],
    sound_ms: usize,
    silence_ms: usize,
}

/// How long a note takes to reach its level and to leave it, in milliseconds.
const RAMP_MS: usize = 5;
/// The peak of a note, and of each frequency where it has two: -16 and -22 dBm0.
const PEAK: f64 = 3_600.0;

impl Generator {
    /// A silent generator.
    pub fn new(rate: SampleRate) -> Self {
        Self { rate, playing: None, next: None }
    }

    /// Begins a signal. One that is heard already fades first.
    pub fn play(&mut self, signal: Signal) {
        match &mut self.playing {
            Some(playing) if playing.level > 0 => {
                playing.stopping = true;
                self.next = Some(signal);
            }
            _ => {
                self.playing = Some(Playing::new(signal));
                self.next = None;
            }
        }
    }

    /// Fades what is heard, and lets nothing follow it.
    pub fn stop(&mut self) {
        self.next = None;
        match &mut self.playing {
            Some(playing) if playing.level > 0 => playing.stopping = true,
            _ => self.playing = None,
        }
    }

    /// What it makes, also in the pauses of it.
    pub fn signal(&self) -> Option<Signal> {
        self.next.or(self.playing.filter(|playing| !playing.stopping).map(|playing| playing.signal))
    }

    /// Whether there is anything to come, be it a pause or the end of what was stopped.
    pub const fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Whether it is in the middle of a note: not in a pause, nor at an end.
    pub fn is_sounding(&self) -> bool {
        let Some(playing) = &self.playing else { return false };
        let sound = playing.signal.note(playing.note).map_or(0, |note| self.rate.samples(note.sound_ms));
        playing.at < sound
    }

    /// Fills `pcm` with the next samples, and tells whether any of them is not silence.
    pub fn generate(&mut self, pcm: &mut [i16]) -> bool {
        let mut heard = false;
        for sample in pcm {
            *sample = self.sample();
            heard |= *sample != 0;
        }
        heard
    }

    fn sample(&mut self) -> i16 {
        let Some(playing) = &mut self.playing else {
            return 0;
        };
        let sample = playing.sample(self.rate);
        if playing.is_over() {
            self.playing = self.next.take().map(Playing::new);
        }
        sample
    }
}

impl Playing {
    fn new(signal: Signal) -> Self {
        Self { signal, note: 0, at: 0, phases: [0.0; 2], level: 0, stopping: false }
    }

    fn sample(&mut self, rate: SampleRate) -> i16 {
        let Some(note) = self.signal.note(self.note) else {
            return 0;
        };
        let ramp = rate.samples(RAMP_MS);
        let sound = rate.samples(note.sound_ms);
        if self.stopping || self.at + ramp >= sound {
            self.level = self.level.saturating_sub(1);
        } else {
            self.level = ramp.min(self.level + 1);
        }
        let mut sample = 0.0;
        if self.level > 0 {
            let voices = note.hz.iter().filter(|&&hz| hz > 0.0).count() as f64;
            let peak = PEAK / voices * self.level as f64 / ramp as f64;
            for (phase, hz) in self.phases.iter_mut().zip(note.hz) {
                sample += peak * (TAU * *phase).sin();
                *phase = (*phase + hz / f64::from(rate.hz())).fract();
            }
        }
        self.at += 1;
        if self.at == sound + rate.samples(note.silence_ms) {
            self.at = 0;
            self.note += 1;
        }
        sample as i16
    }

    fn is_over(&self) -> bool {
        (self.stopping && self.level == 0) || self.signal.note(self.note).is_none()
    }
}

impl Signal {
    /// Its notes, in turn.
    fn note(self, index: usize) -> Option<Note> {
        let note = |hz, sound_ms, silence_ms| Some(Note { hz, sound_ms, silence_ms });
        match (self, index) {
            (Self::Confirmation, 0) => note([660.0, 0.0], 70, 0),
            (Self::Confirmation, 1) => note([880.0, 0.0], 90, 0),
            (Self::Refusal, 0 | 1) | (Self::Rejection, 0..5) => note([480.0, 620.0], 250, 250),
            // However long it goes on.
            (Self::Consent, _) => note([1_400.0, 0.0], 500, 14_500),
            (Self::Digit(digit), 0) => note(frequencies(digit), 100, 100),
            _ => None,
        }
    }
}

/// The row's and the column's frequency, in hertz (ITU-T Q.23).
pub(super) const ROWS_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
pub(super) const COLUMNS_HZ: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// The keys, row by row.
const KEYPAD: [char; 16] = ['1', '2', '3', 'A', '4', '5', '6', 'B', '7', '8', '9', 'C', '*', '0', '#', 'D'];

/// The digit whose tone is in a row and a column.
pub(super) fn digit(row: usize, column: usize) -> Option<Digit> {
    KEYPAD.get(row * 4 + column).and_then(|&key| Digit::of_key(key))
}

fn frequencies(digit: Digit) -> [f64; 2] {
    let place = KEYPAD.iter().position(|&key| key == digit.key()).unwrap_or(0);
    [ROWS_HZ[place / 4], COLUMNS_HZ[place % 4]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(rate: SampleRate, signal: Signal, ms: usize) -> Vec<i16> {
        let mut generator = Generator::new(rate);
        generator.play(signal);
        let mut pcm = vec![0; rate.samples(ms)];
        for block in pcm.chunks_mut(rate.samples(10)) {
            generator.generate(block);
        }
        pcm
    }

    /// The peak of a frequency in a signal.
    fn part_of(pcm: &[i16], rate: SampleRate, hz: f64) -> f64 {
        let turn = |at: usize| TAU * hz * at as f64 / f64::from(rate.hz());
        let sum = |of: fn(f64) -> f64| pcm.iter().enumerate().map(|(at, &s)| f64::from(s) * of(turn(at))).sum::<f64>();
        2.0 * sum(f64::cos).hypot(sum(f64::sin)) / pcm.len() as f64
    }

    #[test]
    fn the_consent_tone_is_half_a_second_every_fifteen() {
        for rate in SampleRate::ALL {
            let pcm = played(rate, Signal::Consent, 31_000);
            let ms = |from: usize, to: usize| &pcm[rate.samples(from)..rate.samples(to)];
            for begin in [0, 15_000, 30_000] {
                assert!((part_of(ms(begin + 100, begin + 400), rate, 1_400.0) - PEAK).abs() < 20.0);
                assert!(ms(begin + 495, begin + 500).iter().any(|&sample| sample != 0));
            }
            for silence in [500, 15_500] {
                assert!(ms(silence, silence + 14_500).iter().all(|&sample| sample == 0));
            }
        }
    }

    #[test]
    fn a_digit_is_its_two_frequencies() {
        for rate in SampleRate::ALL {
            for digit in Digit::all() {
                let pcm = played(rate, Signal::Digit(digit), 100);
                let steady = &pcm[rate.samples(10)..rate.samples(90)];
                for hz in ROWS_HZ.into_iter().chain(COLUMNS_HZ) {
                    let sent = frequencies(digit).contains(&hz);
                    assert_eq!(part_of(steady, rate, hz) > PEAK / 4.0, sent, "{} at {hz} Hz", digit.key());
                }
            }
        }
    }

    #[test]
    fn no_signal_clicks_when_it_begins_ends_changes_or_is_stopped() {
        for rate in SampleRate::ALL {
            let mut generator = Generator::new(rate);
            let mut pcm = vec![0; rate.samples(3_000)];
            let signals =
                [Signal::Confirmation, Signal::Refusal, Signal::Consent, Signal::Digit(Digit::all().next().unwrap())];
            for (at, block) in pcm.chunks_mut(rate.samples(10)).enumerate() {
                match at % 7 {
                    0 => generator.play(signals[at / 7 % 4]),
                    5 if at % 3 == 0 => generator.stop(),
                    _ => {}
                }
                generator.generate(block);
            }
            // The steepest of them is 1400 Hz; a ramp adds its own.
            let steepest = PEAK * (TAU * 1_400.0 / f64::from(rate.hz()) + 1.0 / rate.samples(RAMP_MS) as f64) + 2.0;
            let step = pcm.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap();
            assert!(f64::from(step) <= steepest, "{rate:?}: {step} of {steepest}");
        }
    }

    #[test]
    fn a_signal_ends_and_says_so() {
        let rate = SampleRate::Hz8000;
        let mut generator = Generator::new(rate);
        generator.play(Signal::Confirmation);
        assert_eq!(generator.signal(), Some(Signal::Confirmation));
        let mut pcm = vec![0; rate.samples(160)];
        assert!(generator.generate(&mut pcm));
        assert_eq!(generator.signal(), None);
        assert!(!generator.generate(&mut pcm));
        // Another one in the middle of one, and then nothing.
        generator.play(Signal::Consent);
        generator.generate(&mut pcm);
        generator.play(Signal::Refusal);
        assert_eq!(generator.signal(), Some(Signal::Refusal));
        generator.stop();
        assert_eq!(generator.signal(), None);
        generator.generate(&mut pcm);
        assert!(!generator.generate(&mut pcm));
    }
}
