//! A party is a little softer while somebody else is heard in its stream.

use crate::mixer::{SampleRate, gain::Gain};

/// How long it takes to become softer, and louder again, in milliseconds.
const DOWN_MS: usize = 20;
const UP_MS: usize = 200;
/// How long nothing has to be said before it is louder again, in nanoseconds: longer than between two words.
const HOLD_NS: u64 = 400_000_000;
/// The mean height of samples from which on something is said: 45 dB below full scale.
const SPEECH: u64 = 184;

/// How loud a party is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duck {
    gain: Gain,
    rate: SampleRate,
    /// When something was said last.
    said_ns: Option<u64>,
}

impl Duck {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { gain: Gain::full(rate), rate, said_ns: None }
    }

    /// Whether a party is as loud as it came.
    pub(super) fn is_off(&self) -> bool {
        self.gain.is_full()
    }

    /// Looks at what is added now. `floor`: what is left of the party's loudness while anything is said.
    pub(super) fn listen(&mut self, now_ns: u64, added: &[i32], floor: f32) {
        let loudness: u64 = added.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
        if loudness > SPEECH * added.len() as u64 {
            self.said_ns = Some(now_ns);
        }
        let is_said = self.said_ns.is_some_and(|said_ns| now_ns.saturating_sub(said_ns) < HOLD_NS);
        let (target, ms) = if is_said { (floor, DOWN_MS) } else { (1.0, UP_MS) };
        self.gain.move_within(target, self.rate, ms);
    }

    /// Makes the party's samples as loud as they are to be.
    pub(super) fn apply(&mut self, sound: &mut [i16]) {
        if !self.gain.is_full() {
            self.gain.scale(sound);
        }
    }

    /// At once as loud as it came: where nothing was heard of the party for a while.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Ten-millisecond packets of a constant, with something added in some of them.
    fn ducked(floor: f32, is_said: impl Fn(u64) -> bool) -> Vec<i16> {
        let mut duck = Duck::new(SampleRate::Hz8000);
        let packet = |number: u64| {
            let mut sound = [10_000; 80];
            duck.listen(number * 10 * MS, &[if is_said(number) { 3_000 } else { 20 }; 80], floor);
            duck.apply(&mut sound);
            sound
        };
        (0..200).flat_map(packet).collect()
    }

    #[test]
    fn a_party_is_softer_while_somebody_speaks_and_some_time_after() {
        let sound = ducked(0.5, |number| (50..70).contains(&number));
        assert!(sound[..50 * 80].iter().all(|sample| *sample == 10_000));
        assert!(sound[53 * 80..109 * 80].iter().all(|sample| *sample == 5_000));
        assert!(sound[140 * 80..].iter().all(|sample| *sample == 10_000));
        let largest = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max();
        assert!(largest <= Some(64), "{largest:?}");
    }

    #[test]
    fn without_ducking_nothing_is_softer() {
        assert!(ducked(1.0, |_| true).iter().all(|sample| *sample == 10_000));
    }
}
