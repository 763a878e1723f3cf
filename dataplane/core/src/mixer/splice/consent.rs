//! The tone by which a party is told that somebody may be listening.

use crate::mixer::{
    SampleRate,
    signal::{Generator, Signal},
};

/// How often it is heard, by the clock on the wall, in nanoseconds.
const PERIOD_NS: u64 = 15_000_000_000;

/// The tone, half a second of every period.
#[derive(Clone, Debug)]
pub(super) struct Consent {
    generator: Generator,
    /// When it is heard next.
    next_ns: u64,
    is_ending: bool,
}

impl Consent {
    /// Begins at once.
    pub(super) fn new(now_ns: u64, rate: SampleRate) -> Self {
        Self { generator: Generator::new(rate), next_ns: now_ns, is_ending: false }
    }

    /// The same at another rate; a tone that is heard now is cut.
    pub(super) fn at(&self, rate: SampleRate) -> Self {
        Self { generator: Generator::new(rate), ..self.clone() }
    }

    /// When there is something to be heard: now, where that is over.
    pub(super) const fn due_ns(&self) -> u64 {
        if self.generator.is_playing() { 0 } else { self.next_ns }
    }

    /// No tone follows the one that may be heard now, which fades.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        self.generator.stop();
    }

    /// It is wanted again before it had faded.
    pub(super) const fn go_on(&mut self) {
        self.is_ending = false;
    }

    /// Whether it has ended.
    pub(super) const fn is_over(&self) -> bool {
        self.is_ending && !self.generator.is_playing()
    }

    /// Fills `sound`, if there is anything to be heard.
    pub(super) fn generate(&mut self, now_ns: u64, sound: &mut [i16]) -> bool {
        if now_ns >= self.next_ns && !self.is_ending {
            self.next_ns += ((now_ns - self.next_ns) / PERIOD_NS + 1) * PERIOD_NS;
            self.generator.play(Signal::Consent);
        }
        if !self.generator.is_playing() {
            return false;
        }
        self.generator.generate(sound);
        if !self.generator.is_sounding() {
            self.generator.stop();
        }
        true
    }
}
