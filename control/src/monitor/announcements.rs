//! Recordings that say why something was refused, from the operator's files.

use std::{collections::HashMap, fs::File, io::BufReader, path::PathBuf};

use undertone_control_core::{monitor, permission::Denial};
use undertone_core::mixer::{Clip, SampleRate};

use crate::failure::Failure;

/// The longest recording.
const SECONDS_MAX: u32 = 20;

/// The recordings that there are.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    files: monitor::Announcements,
    clips: HashMap<PathBuf, Clip>,
}

impl Announcements {
    /// Reads every file that is configured.
    pub(crate) fn load(files: &monitor::Announcements) -> Result<Self, Failure> {
        let load = |path: &std::path::Path| match read(path) {
            Ok(clip) => Ok((path.to_owned(), clip)),
            Err(why) => {
                let error = format!("{} is no announcement: {why}", path.display());
                let way_out = "make it a WAV file of 16 bits, one channel, 8000, 16000 or 48000 samples a second: \
                               `sox speech.wav -b 16 -c 1 -r 16000 announcement.wav`";
                Err(Failure::new(error).with_way_out(way_out))
            }
        };
        let clips = files.files().into_iter().map(load).collect::<Result<_, _>>()?;
        Ok(Self { files: files.clone(), clips })
    }

    /// What says this.
    pub(super) fn of(&self, denial: Denial) -> Option<&Clip> {
        self.clips.get(self.files.of(denial)?)
    }
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
enum Useless {
    #[error("{0}")]
    Wav(#[from] hound::Error),
    #[error("it has {0} channels")]
    Channels(u16),
    #[error("it has {0} samples a second")]
    Rate(u32),
    #[error("its samples have {0} bits, or are no whole numbers")]
    Bits(u16),
    #[error("it has no sound")]
    Empty,
    #[error("it is longer than {SECONDS_MAX} seconds")]
    Long,
}

fn read(path: &std::path::Path) -> Result<Clip, Useless> {
    let file = File::open(path).map_err(hound::Error::from)?;
    let mut wav = hound::WavReader::new(BufReader::new(file))?;
    let hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format } = wav.spec();
    let rate = SampleRate::ALL.into_iter().find(|rate| rate.hz() == sample_rate).ok_or(Useless::Rate(sample_rate))?;
    match () {
        () if channels != 1 => Err(Useless::Channels(channels)),
        () if bits_per_sample != 16 || sample_format != hound::SampleFormat::Int => Err(Useless::Bits(bits_per_sample)),
        () if wav.duration() > SECONDS_MAX * sample_rate => Err(Useless::Long),
        () => {
            let samples = wav.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
            let clip = Clip::new(rate, &samples);
            if clip.duration_ms() == 0 { Err(Useless::Empty) } else { Ok(clip) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn wav(path: &Path, spec: hound::WavSpec, samples: u32) {
        let mut writer = hound::WavWriter::create(path, spec).expect("a file");
        for _ in 0..samples * u32::from(spec.channels) {
            match spec.sample_format {
                hound::SampleFormat::Int => writer.write_sample(100_i16).expect("written"),
                hound::SampleFormat::Float => writer.write_sample(0.1_f32).expect("written"),
            }
        }
        writer.finalize().expect("written");
    }

    #[test]
    fn a_file_is_a_recording_or_says_why_it_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let good = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let float = hound::WavSpec { bits_per_sample: 32, sample_format: hound::SampleFormat::Float, ..good };
        let all = [
            ("good", good, 16_000, ""),
            ("stereo", hound::WavSpec { channels: 2, ..good }, 16_000, "it has 2 channels"),
            ("cd", hound::WavSpec { sample_rate: 44_100, ..good }, 44_100, "it has 44100 samples a second"),
            ("float", float, 16_000, "its samples have 32 bits, or are no whole numbers"),
            ("empty", good, 0, "it has no sound"),
            ("long", good, 16_000 * 20 + 1, "it is longer than 20 seconds"),
        ];
        for (name, spec, samples, expected) in all {
            let path = folder.path().join(name);
            wav(&path, spec, samples);
            let files = monitor::Announcements { other: Some(path.clone()), ..monitor::Announcements::default() };
            match Announcements::load(&files) {
                Ok(found) => assert_eq!((expected, found.of(Denial::NoRule).map(Clip::duration_ms)), ("", Some(1_000))),
                Err(failure) => {
                    let complaint = format!("error: {} is no announcement: {expected}\n", path.display());
                    assert!(failure.text().starts_with(&complaint), "{}", failure.text());
                }
            }
        }
        let path = folder.path().join("text");
        std::fs::write(&path, "no sound").expect("written");
        assert!(read(&path).is_err() && read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_reason_without_a_file_has_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        wav(&one, spec, 800);
        wav(&other, spec, 1_600);
        let mut files = monitor::Announcements { reasons: [(Denial::NoCall.key(), one)].into(), other: Some(other) };
        let lengths = |files: &_| {
            let found = Announcements::load(files).expect("files");
            [Denial::NoCall, Denial::NoRule].map(|denial| found.of(denial).map(Clip::duration_ms))
        };
        assert_eq!(lengths(&files), [Some(100), Some(200)]);
        files.other = None;
        assert_eq!(lengths(&files), [Some(100), None]);
    }
}
