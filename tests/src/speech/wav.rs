//! Speech in files.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::SAMPLE_RATE;
use crate::{Error, Result};

/// Reads a WAV file of 16-bit mono samples at [`SAMPLE_RATE`]; anything else is refused.
pub fn read_wav(path: &Path) -> Result<Vec<i16>> {
    read(path, format(1))
}

/// Reads a WAV file of 16-bit stereo samples at [`SAMPLE_RATE`], as its left and its right channel.
pub fn read_stereo_wav(path: &Path) -> Result<[Vec<i16>; 2]> {
    let samples = read(path, format(2))?;
    let channel = |first: usize| samples.iter().skip(first).step_by(2).copied().collect();
    Ok([channel(0), channel(1)])
}

/// Writes samples at [`SAMPLE_RATE`] as a WAV file of 16-bit mono.
pub fn write_wav(path: &Path, samples: &[i16]) -> Result<()> {
    write_wav_at(path, SAMPLE_RATE, samples)
}

/// The same at another rate.
pub(crate) fn write_wav_at(path: &Path, rate: u32, samples: &[i16]) -> Result<()> {
    write(path, WavSpec { sample_rate: rate, ..format(1) }, samples)
}

/// Writes a left and a right channel at [`SAMPLE_RATE`] as a WAV file of 16-bit stereo; the longer one decides how long
/// it is.
pub fn write_stereo_wav(path: &Path, left: &[i16], right: &[i16]) -> Result<()> {
    let sample = |channel: &[i16], index: usize| channel.get(index).copied().unwrap_or(0);
    let frames = 0..left.len().max(right.len());
    let samples: Vec<_> = frames.flat_map(|index| [sample(left, index), sample(right, index)]).collect();
    write(path, format(2), &samples)
}

fn read(path: &Path, format: WavSpec) -> Result<Vec<i16>> {
    let mut reader = WavReader::open(path).map_err(|error| wrong(path, &error))?;
    if reader.spec() != format {
        return Err(wrong(path, &format!("{:?}, but wanted is {format:?}", reader.spec())));
    }
    reader.samples().collect::<hound::Result<_>>().map_err(|error| wrong(path, &error))
}

fn write(path: &Path, format: WavSpec, samples: &[i16]) -> Result<()> {
    let write = || {
        let mut writer = WavWriter::create(path, format)?;
        samples.iter().try_for_each(|sample| writer.write_sample(*sample))?;
        writer.finalize()
    };
    write().map_err(|error: hound::Error| wrong(path, &error))
}

const fn format(channels: u16) -> WavSpec {
    WavSpec { channels, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int }
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Invalid(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.wav");
        let samples = [0, 1, -1, i16::MAX, i16::MIN];
        write_wav(&path, &samples).unwrap();
        assert_eq!(read_wav(&path).unwrap(), samples);
    }

    #[test]
    fn channels_stay_apart_and_the_shorter_one_ends_in_silence() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("both.wav");
        write_stereo_wav(&path, &[1, 2, 3], &[-1]).unwrap();
        assert_eq!(read_stereo_wav(&path).unwrap(), [vec![1, 2, 3], vec![-1, 0, 0]]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = read_wav(Path::new("nowhere.wav")).unwrap_err().to_string();
        assert!(error.contains("nowhere.wav"), "{error}");
    }

    #[test]
    fn another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stereo.wav");
        write_stereo_wav(&path, &[1], &[1]).unwrap();
        assert!(read_wav(&path).is_err());
    }
}
