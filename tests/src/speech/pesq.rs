//! How good speech is to a listener: ITU-T P.862, by a Python environment that `cargo xtask setup` makes.

use std::{path::Path, process::Command};

use super::SAMPLE_RATE;
use crate::{Error, Result, error::Doing as _, lab::run_tool};

/// Where `cargo xtask setup` puts it.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/pesq/bin/python");

/// Reads two files of samples, and writes the score.
const SCRIPT: &str = "import sys, numpy, pesq
rate, *files = sys.argv[1:]
reference, heard = (numpy.fromfile(file, '<i2') for file in files)
print(pesq.pesq(int(rate), reference, heard, 'nb'))";

/// The score of what was heard, against what was said: MOS-LQO in narrow band (P.862.1), from 1 to 4.55. Both are at
/// [`SAMPLE_RATE`] and have to lie within half a second of each other. G.711 alone costs espeak-ng's voices up to half a point.
pub fn pesq(reference: &[i16], heard: &[i16]) -> Result<f64> {
    if !Path::new(PYTHON).exists() {
        return Err(Error::Other("there is no pesq to score speech with: `cargo xtask setup` installs it".into()));
    }
    let directory = tempfile::tempdir().doing(|| "making a directory for speech".to_owned())?;
    let mut score = Command::new(PYTHON);
    score.args(["-c", SCRIPT, &SAMPLE_RATE.to_string()]);
    for (name, samples) in [("reference", reference), ("heard", heard)] {
        let path = directory.path().join(name);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        std::fs::write(&path, bytes).doing(|| format!("writing {}", path.display()))?;
        score.arg(path);
    }
    let said = run_tool(&mut score)?;
    said.trim().parse().map_err(|_| Error::Invalid(format!("pesq says {said:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{decode_pcmu, encode_pcmu, say};

    #[test]
    fn the_same_scores_full_and_g711_less_and_noise_little() {
        let said = say("en-us+f3", "The ferry leaves on Friday at noon, and comes back in the evening.").unwrap();
        let full = pesq(&said, &said).unwrap();
        let coded = pesq(&said, &decode_pcmu(&encode_pcmu(&said))).unwrap();
        let noise = said.iter().enumerate().map(|(at, sample)| sample / 2 + (at * 7_919 % 4_001) as i16 - 2_000);
        let noisy = pesq(&said, &noise.collect::<Vec<_>>()).unwrap();
        assert!(full > 4.5 && (4.2..4.5).contains(&coded) && noisy < 2.5, "{full} {coded} {noisy}");
    }
}
