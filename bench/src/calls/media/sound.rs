//! What is heard: a file, or a voice that is made up.

use std::{f64::consts::TAU, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

use super::Codec;

/// Samples of a packet of 20 ms.
pub(super) const FRAME: usize = 160;
const RATE: u32 = 8000;

/// Sound in every codec, in whole packets.
#[derive(Clone, Debug)]
pub(in crate::calls) struct Sound {
    pcmu: Vec<u8>,
    pcma: Vec<u8>,
}

impl Sound {
    /// Reads a WAV file of 8 kHz, mono, 16 bit or G.711.
    pub(in crate::calls) fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let samples = samples_of(&bytes).with_context(|| {
            format!(
                "{name} cannot be played; \
                 `sox {name} --rate 8000 --channels 1 --bits 16 speech.wav` makes a file that can"
            )
        })?;
        if samples.len() < FRAME {
            bail!("{name} is shorter than a packet of 20 ms: give a longer file");
        }
        Ok(Self::of(&samples))
    }

    /// Ten seconds that sound like somebody talking: voiced syllables of changing pitch and vowels, and pauses.
    pub(in crate::calls) fn voice() -> Self {
        let samples: Vec<_> =
            (0..10 * RATE).map(|index| (voice(f64::from(index) / f64::from(RATE)) * 9e3) as i16).collect();
        Self::of(&samples)
    }

    /// The payload of packet `index`, from the start over and over.
    pub(super) fn frame(&self, codec: Codec, index: usize) -> &[u8] {
        let bytes = match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        };
        let at = index % (bytes.len() / FRAME) * FRAME;
        bytes.get(at..at + FRAME).unwrap_or_default()
    }

    fn of(samples: &[i16]) -> Self {
        // What does not fill the last packet is silence.
        let whole = samples.len().next_multiple_of(FRAME);
        let padded = || samples.iter().copied().chain(std::iter::repeat(0)).take(whole);
        Self { pcmu: padded().map(encode_ulaw).collect(), pcma: padded().map(encode_alaw).collect() }
    }
}

/// The voice at a time, between -1 and 1.
fn voice(seconds: f64) -> f64 {
    /// Centres of the first two formants of five vowels.
    const VOWELS: [[f64; 2]; 5] = [[730.0, 1090.0], [530.0, 1840.0], [270.0, 2290.0], [570.0, 840.0], [300.0, 870.0]];
    // Four syllables a second, and every eighth one is a pause.
    let syllable = seconds * 4.0;
    if syllable as u64 % 8 == 7 {
        return 0.0;
    }
    let swell = (syllable.fract() * TAU / 2.0).sin();
    let pitch = 120.0;
    // Pitch that sways is phase that runs ahead and behind.
    let phase = seconds * pitch + 1.5 * (seconds * TAU * 0.7).sin();
    let vowel = VOWELS[syllable as usize % VOWELS.len()];
    let harmonics = (1..28).map(f64::from).map(|number| {
        let near = |centre: &f64| (-((number * pitch - centre) / 160.0).powi(2)).exp();
        (phase * number * TAU).sin() * (0.05 + vowel.iter().map(near).sum::<f64>()) / number.sqrt()
    });
    (harmonics.sum::<f64>() * swell * 0.8).clamp(-1.0, 1.0)
}

/// The samples of a WAV file.
fn samples_of(bytes: &[u8]) -> Result<Vec<i16>> {
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        bail!("it is no WAV file");
    }
    let format = chunk(bytes, *b"fmt ").context("it has no format chunk")?;
    let word = |at: usize| format.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let (Some(mut tag), Some(channels), Some(bits)) = (word(0), word(2), word(14)) else {
        bail!("its format chunk is too short");
    };
    let rate = format.get(4..8).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    if tag == 0xfffe {
        // Extensible: the format stands in the first bytes of the GUID.
        tag = word(24).unwrap_or_default();
    }
    if (rate, channels) != (RATE, 1) {
        bail!("it has {rate} Hz and {channels} channels; calls have 8000 Hz and one channel");
    }
    let data = chunk(bytes, *b"data").context("it has no data chunk")?;
    match (tag, bits) {
        (1, 16) => Ok(data.as_chunks().0.iter().copied().map(i16::from_le_bytes).collect()),
        (6, 8) => Ok(data.iter().copied().map(decode_alaw).collect()),
        (7, 8) => Ok(data.iter().copied().map(decode_ulaw).collect()),
        _ => bail!("it has {bits} bits a sample in format {tag}; 16-bit PCM, µ-law and A-law can be played"),
    }
}

/// What a chunk of a RIFF file has; all that is there where the file was cut.
fn chunk(bytes: &[u8], id: [u8; 4]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head[..4] == id {
            return Some(body.get(..length).unwrap_or(body));
        }
        rest = body.get(length.next_multiple_of(2)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEJUNK\x01\0\0\0x\0fmt \x10\0\0\0".to_vec();
        for word in [tag, channels, rate as u16, (rate >> 16) as u16, 0, 0, 0, bits] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        [&bytes, data].concat()
    }

    #[test]
    fn files_of_telephony_are_read() {
        assert_eq!(samples_of(&wav(1, 1, 8000, 16, &[1, 0, 255, 255])).unwrap(), [1, -1]);
        assert_eq!(samples_of(&wav(7, 1, 8000, 8, &[0xff, 0x00])).unwrap(), [0, -32124]);
        assert_eq!(samples_of(&wav(6, 1, 8000, 8, &[0xd5])).unwrap(), [8]);
    }

    #[test]
    fn others_are_refused_with_a_reason() {
        let table = [
            (b"OggS".to_vec(), "no WAV file"),
            (wav(1, 2, 44100, 16, &[]), "44100 Hz and 2 channels"),
            (wav(1, 1, 8000, 24, &[]), "24 bits"),
            (wav(1, 1, 8000, 16, &[])[..38].to_vec(), "format chunk"),
            (wav(1, 1, 8000, 16, &[])[..46].to_vec(), "no data chunk"),
        ];
        for (bytes, word) in table {
            let told = samples_of(&bytes).unwrap_err().to_string();
            assert!(told.contains(word), "{told}");
        }
        let told = format!("{:#}", Sound::read(Path::new("/nowhere.wav")).unwrap_err());
        assert!(told.contains("cannot read /nowhere.wav"), "{told}");
    }

    #[test]
    fn the_voice_speaks_and_pauses_and_begins_again() {
        let sound = Sound::voice();
        assert_eq!(sound.pcmu.len(), 500 * FRAME);
        assert_eq!(sound.frame(Codec::Pcma, 503), sound.frame(Codec::Pcma, 3));
        let loudest = |frame: usize| {
            let samples = sound.frame(Codec::Pcmu, frame).iter().map(|byte| decode_ulaw(*byte).unsigned_abs());
            samples.max().unwrap()
        };
        // The eighth syllable, from 1.75 s on, is a pause.
        assert_eq!(loudest(90), 0);
        assert!(loudest(6) > 2000, "{}", loudest(6));
    }
}
