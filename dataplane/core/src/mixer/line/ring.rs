//! The last half second of sound, by position.

use crate::mixer::SampleRate;

/// How much is kept, in milliseconds, at least.
const KEPT_MS: usize = 500;

/// Samples by their number since the beginning. What was never written is silence.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// A power of two of them.
    samples: Box<[i16]>,
    head: u64,
}

impl Ring {
    /// A silent ring, whose first half second has been already, so that nobody reads from before the beginning.
    pub(super) fn new(rate: SampleRate) -> Self {
        let length = rate.samples(KEPT_MS).next_power_of_two();
        Self { samples: vec![0; length].into(), head: length as u64 }
    }

    /// The number of the sample that is written next.
    pub(super) const fn head(&self) -> u64 {
        self.head
    }

    /// The number of the oldest sample that is kept.
    pub(super) const fn oldest(&self) -> u64 {
        self.head - self.samples.len() as u64
    }

    /// Writes samples.
    pub(super) fn push(&mut self, sound: &[i16]) {
        let mask = self.samples.len() - 1;
        let start = self.head as usize & mask;
        let sound = sound.get(sound.len().saturating_sub(self.samples.len())..).unwrap_or_default();
        let (until_end, rest) = sound.split_at(sound.len().min(self.samples.len() - start));
        for (part, at) in [(until_end, start), (rest, 0)] {
            if let Some(place) = self.samples.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
        }
        self.head += sound.len() as u64;
    }

    /// Writes so many samples of silence.
    pub(super) fn push_silence(&mut self, count: usize) {
        const SILENCE: [i16; 480] = [0; 480];
        let mut left = count;
        while left > 0 {
            let part = left.min(SILENCE.len());
            self.push(SILENCE.get(..part).unwrap_or_default());
            left -= part;
        }
    }

    /// Reads the samples from number `from` on; those that are not there are silence.
    pub(super) fn read(&self, from: u64, sound: &mut [i16]) {
        let until = |number: u64| (number.saturating_sub(from) as usize).min(sound.len());
        let (too_old, there) = (until(self.oldest()), until(self.head));
        let Some((sound, to_come)) = sound.split_at_mut_checked(there) else { return };
        let Some((lost, sound)) = sound.split_at_mut_checked(too_old) else { return };
        lost.fill(0);
        to_come.fill(0);
        let start = (from + too_old as u64) as usize & (self.samples.len() - 1);
        let (until_end, rest) = sound.split_at_mut(sound.len().min(self.samples.len() - start));
        for (part, at) in [(until_end, start), (rest, 0)] {
            if let Some(place) = self.samples.get(at..at + part.len()) {
                part.copy_from_slice(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_until_it_is_too_old() {
        let mut ring = Ring::new(SampleRate::Hz8000);
        let start = ring.head();
        let sound: Vec<i16> = (0..10_000).map(|n| n as i16).collect();
        for part in sound.chunks(333) {
            ring.push(part);
        }
        assert_eq!(ring.head() - start, 10_000);
        let mut read = [0; 4_000];
        ring.read(ring.head() - 4_000, &mut read);
        assert_eq!(read, sound[6_000..]);
        ring.read(ring.head() - 2, &mut read[..4]);
        assert_eq!(read[..4], [9_998, 9_999, 0, 0]);
        ring.read(ring.oldest() - 1, &mut read[..2]);
        assert_eq!(read[..2], [0, (10_000 - 4_096) as i16]);
    }

    #[test]
    fn silence_may_be_longer_than_what_is_kept() {
        let mut ring = Ring::new(SampleRate::Hz8000);
        ring.push(&[7; 100]);
        ring.push_silence(9_999);
        let mut read = [1; 4_096];
        ring.read(ring.oldest(), &mut read);
        assert_eq!(read, [0; 4_096]);
    }
}
