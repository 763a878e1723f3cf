//! Real speech at 8 kHz: made, encoded, kept in files, and compared with what arrived.

mod compare;
mod likeness;
mod pesq;
mod tone;
mod wav;

use std::process::Command;

use audio_codec_algorithms::{decode_ulaw, encode_ulaw};

pub use compare::{Similarity, similarity, snr};
pub use likeness::likeness;
pub use pesq::pesq;
pub use tone::{hears, strength, tone};
pub(crate) use wav::write_wav_at;
pub use wav::{read_stereo_wav, read_wav, write_stereo_wav, write_wav};

use crate::Result;
use crate::error::Doing;
use crate::lab::run_tool;

/// Samples a second of all speech here.
pub const SAMPLE_RATE: u32 = 8000;

/// Lets a voice of espeak-ng say something, and gives it as mono samples at [`SAMPLE_RATE`].
///
/// Voices are named like `en-gb` or `en-us+f3`; the same words in the same voice are the same samples.
pub fn say(voice: &str, words: &str) -> Result<Vec<i16>> {
    let directory = tempfile::tempdir().doing(|| "making a directory for speech".to_owned())?;
    let (spoken, converted) = (directory.path().join("spoken.wav"), directory.path().join("8k.wav"));
    run_tool(Command::new("espeak-ng").args(["-v", voice, "-w"]).arg(&spoken).arg("--").arg(words))?;
    let rate = SAMPLE_RATE.to_string();
    let format = ["--channels", "1", "--bits", "16", "--encoding", "signed-integer"];
    run_tool(Command::new("sox").arg("--no-dither").arg(&spoken).args(format).arg(&converted).args(["rate", &rate]))?;
    read_wav(&converted)
}

/// Encodes samples by G.711 µ-law, a byte each.
pub fn encode_pcmu(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|sample| encode_ulaw(*sample)).collect()
}

/// Decodes G.711 µ-law.
pub fn decode_pcmu(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|byte| decode_ulaw(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_but_the_second_zero_survives_a_round_trip() {
        let codes: Vec<u8> = (0..=255).collect();
        let back = encode_pcmu(&decode_pcmu(&codes));
        let changed: Vec<_> = codes.iter().zip(&back).filter(|(code, back)| code != back).collect();
        assert_eq!(changed, [(&0x7f, &0xff)]);
    }

    #[test]
    fn speech_is_there_and_keeps_its_quality_in_pcmu() {
        let speech = say("en-gb", "The quick brown fox jumps over the lazy dog.").unwrap();
        let duration_s = speech.len() as f64 / f64::from(SAMPLE_RATE);
        assert!((1.5..6.0).contains(&duration_s), "{duration_s} s");
        let loudest = speech.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest > Some(3000), "{loudest:?}");
        let quality_db = snr(&speech, &decode_pcmu(&encode_pcmu(&speech)), 0);
        assert!((30.0..45.0).contains(&quality_db), "{quality_db} dB");
        assert_eq!(speech, say("en-gb", "The quick brown fox jumps over the lazy dog.").unwrap());
    }
}
