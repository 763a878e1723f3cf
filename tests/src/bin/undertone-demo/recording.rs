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
        let [left, right] = channels(crossings, monitor);
        write_stereo_wav(&file, &left, &right)?;
        Ok((file, format!("What monitor port {} heard, caller left and agent right", monitor + 1)))
    };
    (0..MONITORS).map(write).collect()
}

/// All that a monitor port heard of each party, such that calls begin at the same time in both channels.
fn channels(crossings: &[Crossing], monitor: usize) -> [Vec<i16>; 2] {
    let mut channels = [Vec::new(), Vec::new()];
    for call in crossings.chunks_exact(Party::BOTH.len()) {
        let begin = channels[0].len();
        for (channel, crossing) in channels.iter_mut().zip(call) {
            channel.extend(crossing.copied(monitor));
        }
        let end = channels.iter().map(Vec::len).max().unwrap_or(begin) + PAUSE;
        for channel in &mut channels {
            channel.resize(end, 0);
        }
    }
    channels
}
