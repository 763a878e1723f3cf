//! The last moment of somebody who is heard no longer: it is made at once, and heard with what comes next.

use super::{
    SampleRate,
    bench::Bench,
    convert::Listener,
    gain::{Gain, RAMP_MS},
    line::Line,
};

/// Sound that fades.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    sound: Vec<i32>,
    /// How much of it has been heard.
    at: usize,
}

impl Tail {
    /// Fades what `listener` hears of `line`, as loud as it is now.
    pub(super) fn fade(
        &mut self,
        now_ns: u64,
        rate: SampleRate,
        (listener, gain): (&mut Listener, &mut Gain),
        line: &mut Line,
        bench: &mut Bench,
    ) {
        let length = rate.samples(RAMP_MS);
        let Some(sound) = bench.voice.get_mut(..length) else { return };
        if gain.is_silent() {
            return;
        }
        listener.read(now_ns, line, sound, &mut bench.scratch);
        gain.move_to(0.0);
        self.sound.drain(..self.at.min(self.sound.len()));
        self.at = 0;
        if self.sound.len() < length {
            self.sound.resize(length, 0);
        }
        gain.add(sound, &mut self.sound);
    }

    /// Adds the next of it.
    pub(super) fn add(&mut self, sum: &mut [i32]) {
        let rest = self.sound.get(self.at..).unwrap_or_default();
        for (sum, sample) in sum.iter_mut().zip(rest) {
            *sum += sample;
        }
        self.at = (self.at + sum.len()).min(self.sound.len());
    }

    /// Whether all of it has been heard.
    pub(super) const fn is_over(&self) -> bool {
        self.at >= self.sound.len()
    }

    /// Lets nobody hear the rest.
    pub(super) fn clear(&mut self) {
        self.at = self.sound.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_two_is_heard_together_and_once() {
        let mut tail = Tail { sound: vec![4, 3, 2, 1], at: 0 };
        let mut sum = [10; 3];
        tail.add(&mut sum);
        assert_eq!((sum, tail.is_over()), ([14, 13, 12], false));
        tail.add(&mut sum);
        assert_eq!((sum, tail.is_over()), ([15, 13, 12], true));
        tail.add(&mut sum);
        assert_eq!(sum, [15, 13, 12]);
        tail.at = 1;
        tail.clear();
        assert!(tail.is_over());
    }
}
