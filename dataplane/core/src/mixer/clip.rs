//! Recorded speech that is played to a supervisor: an announcement.

use std::sync::Arc;

use super::{format::SampleRate, resample::Resampler};

/// A recording, at every rate that a supervisor's phone may want. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    /// By the order of [`SampleRate::ALL`].
    sounds: [Arc<[i16]>; 3],
}

/// A clip that is heard.
#[derive(Clone, Debug)]
pub(super) struct Playing {
    sound: Arc<[i16]>,
    at: usize,
}

impl Clip {
    /// A recording of one channel. An incomplete last millisecond is lost.
    pub fn new(rate: SampleRate, samples: &[i16]) -> Self {
        let ms = samples.len() / rate.samples(1);
        let sounds = SampleRate::ALL.map(|to| {
            let mut sound = vec![0; to.samples(ms)];
            Resampler::new(rate, to).process(samples, &mut sound);
            sound.into()
        });
        Self { sounds }
    }

    /// How long it is, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        (self.sounds[0].len() / SampleRate::Hz8000.samples(1)) as u64
    }

    /// From its beginning, for an ear of this rate.
    pub(super) fn play(&self, rate: SampleRate) -> Playing {
        let place = SampleRate::ALL.into_iter().position(|it| it == rate).unwrap_or_default();
        Playing { sound: Arc::clone(&self.sounds[place]), at: 0 }
    }
}

impl Playing {
    /// Adds what comes next, and tells whether there is more.
    pub(super) fn add(&mut self, sum: &mut [i32]) -> bool {
        let left = self.sound.get(self.at..).unwrap_or_default();
        for (sum, sample) in sum.iter_mut().zip(left) {
            *sum += i32::from(*sample);
        }
        self.at += sum.len();
        self.at < self.sound.len()
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Clip({} ms)", self.duration_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_as_long_at_every_rate_and_ends() {
        for rate in SampleRate::ALL {
            let clip = Clip::new(rate, &vec![1_000; rate.samples(50) + 1]);
            assert_eq!(clip.duration_ms(), 50);
            for ear in SampleRate::ALL {
                let (mut playing, mut frames) = (clip.play(ear), 0);
                let last = loop {
                    let mut sum = vec![0; ear.samples(20)];
                    let more = playing.add(&mut sum);
                    frames += 1;
                    if !more {
                        break sum;
                    }
                };
                assert_eq!(frames, 3, "{rate:?} for {ear:?}");
                assert!(last[ear.samples(10)..].iter().all(|sample| *sample == 0), "nothing follows its end");
                assert!((950..1_050).contains(&last[ear.samples(5)]), "{rate:?} for {ear:?}: {}", last[ear.samples(5)]);
            }
        }
    }
}
