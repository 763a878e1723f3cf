//! How loud a voice is, and how it becomes louder and softer without a click.

use super::SampleRate;

/// How long it takes from silence to full loudness, and back.
pub(super) const RAMP_MS: usize = 8;

/// A gain that moves in a straight line to where it is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    now: f32,
    target: f32,
    /// What a sample changes at most.
    step: f32,
}

#[expect(clippy::float_cmp, reason = "a ramp ends on its target exactly: its last step is what is left")]
impl Gain {
    /// Silence, at this rate.
    pub(super) fn silent(rate: SampleRate) -> Self {
        Self { now: 0.0, target: 0.0, step: 1.0 / rate.samples(RAMP_MS) as f32 }
    }

    /// As loud as it came, at this rate.
    pub(super) fn full(rate: SampleRate) -> Self {
        Self { now: 1.0, target: 1.0, ..Self::silent(rate) }
    }

    /// The same, at another rate.
    pub(super) fn at(self, rate: SampleRate) -> Self {
        Self { step: Self::silent(rate).step, ..self }
    }

    /// Moves to `target` from now on: 0 is silence, 1 is as loud as it came.
    pub(super) const fn move_to(&mut self, target: f32) {
        self.target = target;
    }

    /// Moves to `target` from now on, as fast as from silence to full loudness in so many milliseconds.
    pub(super) fn move_within(&mut self, target: f32, rate: SampleRate, ms: usize) {
        (self.target, self.step) = (target, 1.0 / rate.samples(ms) as f32);
    }

    /// Whether it leaves sound as it came, and goes on doing so.
    pub(super) fn is_full(&self) -> bool {
        self.now == 1.0 && self.target == 1.0
    }

    /// Whether it is silent, and stays so.
    pub(super) fn is_silent(&self) -> bool {
        self.now == 0.0 && self.target == 0.0
    }

    /// Whether it is to be heard.
    pub(super) fn is_wanted(&self) -> bool {
        self.target > 0.0
    }

    /// Makes `sound` this loud.
    pub(super) fn scale(&mut self, sound: &mut [i16]) {
        for sample in sound {
            self.now += (self.target - self.now).clamp(-self.step, self.step);
            *sample = (*sample as f32 * self.now).round() as i16;
        }
    }

    /// Adds `sound` to `sum`, this loud.
    pub(super) fn add(&mut self, sound: &[i16], sum: &mut [i32]) {
        let mut places = sum.iter_mut().zip(sound);
        while self.now != self.target
            && let Some((sum, sample)) = places.next()
        {
            self.now += (self.target - self.now).clamp(-self.step, self.step);
            *sum += (*sample as f32 * self.now).round() as i32;
        }
        // Where it stays is all or nothing, nearly always.
        if self.now == 1.0 {
            places.for_each(|(sum, sample)| *sum += i32::from(*sample));
        } else if self.now != 0.0 {
            places.for_each(|(sum, sample)| *sum += (*sample as f32 * self.now).round() as i32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_comes_in_eight_milliseconds_and_leaves_in_as_many() {
        let mut gain = Gain::silent(SampleRate::Hz8000);
        gain.move_to(1.0);
        let (mut up, mut down) = ([0; 80], [0; 80]);
        gain.add(&[10_000; 80], &mut up);
        assert!(up.windows(2).all(|pair| (0..=157).contains(&(pair[1] - pair[0]))), "{up:?}");
        assert_eq!((up[63], up[79]), (10_000, 10_000));
        gain.move_to(0.0);
        gain.add(&[10_000; 80], &mut down);
        assert!(down.windows(2).all(|pair| (-157..=0).contains(&(pair[1] - pair[0]))), "{down:?}");
        assert_eq!(down[63], 0);
        assert!(gain.is_silent());
    }

    #[test]
    fn a_change_of_mind_goes_back_from_where_it_is() {
        let mut gain = Gain::silent(SampleRate::Hz8000);
        gain.move_to(1.0);
        let mut sum = [0; 32];
        gain.add(&[10_000; 32], &mut sum);
        let reached = sum[31];
        assert!((4_900..=5_100).contains(&reached), "{reached}");
        gain.move_to(0.0);
        let mut sum = [0; 40];
        gain.add(&[10_000; 40], &mut sum);
        assert!((reached - sum[0]).abs() < 160);
        assert_eq!(sum[39], 0);
    }
}
