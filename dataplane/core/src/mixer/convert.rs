//! A line at another rate than its own.

use super::{
    SampleRate,
    codec::SAMPLES_MAX,
    line::{Line, Reader, Scratch},
    resample::Resampler,
};

/// A reader of a line, and what makes its samples those of the listener's rate.
pub(super) struct Listener {
    reader: Reader,
    rate: SampleRate,
    resampler: Option<Resampler>,
}

impl Listener {
    /// Listens at `rate` to a line of rate `of`.
    pub(super) fn new(rate: SampleRate, of: SampleRate) -> Self {
        Self { reader: Reader::new(), rate, resampler: (rate != of).then(|| Resampler::new(of, rate)) }
    }

    /// Reads the next samples of `line`.
    pub(super) fn read(&mut self, now_ns: u64, line: &mut Line, sound: &mut [i16], scratch: &mut Scratch) {
        let Some(resampler) = &mut self.resampler else { return self.reader.read(now_ns, line, sound, scratch) };
        let mut native = [0; SAMPLES_MAX];
        let length = sound.len() * line.rate().hz() as usize / self.rate.hz() as usize;
        let native = native.get_mut(..length).unwrap_or_default();
        self.reader.read(now_ns, line, native, scratch);
        let written = resampler.process(native, sound);
        // Nobody sends such packets; what cannot be made of whole samples goes on as it was.
        let last = written.checked_sub(1).and_then(|last| sound.get(last)).copied().unwrap_or_default();
        sound.get_mut(written..).unwrap_or_default().fill(last);
    }
}
