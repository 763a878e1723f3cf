//! Speech in files.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::SAMPLE_RATE;
use crate::{Error, Result};

/// Reads a WAV file of 16-bit mono samples at [`SAMPLE_RATE`]; anything else is refused.
pub fn read_wav(path: &Path) -> Result<Vec<i16>> {
    let mut reader = WavReader::open(path).map_err(|error| wrong(path, &error))?;
    if reader.spec() != format() {
        return Err(wrong(path, &format!("{:?}, but wanted is {:?}", reader.spec(), format())));
    }
    reader.samples().collect::<hound::Result<_>>().map_err(|error| wrong(path, &error))
}

/// Writes samples at [`SAMPLE_RATE`] as a WAV file of 16-bit mono.
pub fn write_wav(path: &Path, samples: &[i16]) -> Result<()> {
    let write = || {
        let mut writer = WavWriter::create(path, format())?;
        samples.iter().try_for_each(|sample| writer.write_sample(*sample))?;
        writer.finalize()
    };
    write().map_err(|error: hound::Error| wrong(path, &error))
}

const fn format() -> WavSpec {
    WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int }
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
    fn a_file_that_cannot_be_read_is_named() {
        let error = read_wav(Path::new("nowhere.wav")).unwrap_err().to_string();
        assert!(error.contains("nowhere.wav"), "{error}");
    }

    #[test]
    fn another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stereo.wav");
        let stereo = WavSpec { channels: 2, ..format() };
        WavWriter::create(&path, stereo).unwrap().finalize().unwrap();
        assert!(read_wav(&path).is_err());
    }
}
