//! What the monitor ports heard, as files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use undertone_tests::speech::{SAMPLE_RATE, write_stereo_wav};

use super::{
    crossing::{Crossing, MONITORS},
    script::Party,
};

/// Silence between the calls.
const PAUSE: usize = SAMPLE_RATE as usize / 2;

/// Writes a stereo WAV file for each monitor port: the caller left and the agent right, one call behind the other. Gives
/// each file with what it is.
pub(crate) fn write(directory: &Path, crossings: &[Crossing]) -> Result<Vec<(PathBuf, String)>> {
    let write = |monitor: usize| {
        let file = directory.join(format!("monitor-port-{}.wav", monitor + 1));
        let [left, right] = Party::BOTH.map(|party| channel(crossings, party, monitor));
        write_stereo_wav(&file, &left, &right)?;
        Ok((file, format!("What monitor port {} heard, caller left and agent right", monitor + 1)))
    };
    (0..MONITORS).map(write).collect()
}

/// All that a monitor port heard of one party.
fn channel(crossings: &[Crossing], party: Party, monitor: usize) -> Vec<i16> {
    let of_party = crossings.iter().filter(|crossing| crossing.party == party);
    let calls: Vec<_> = of_party.map(|crossing| crossing.heard(monitor)).collect();
    calls.join(&[0; PAUSE][..])
}
