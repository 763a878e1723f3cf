//! A recording as a picture, each voice in it a colour.

use std::{collections::BTreeMap, fmt::Write as _};

use undertone_core::mixer::Person;

use crate::{
    findings::{Findings, Sentence},
    script::{Scene, index, name},
    story::Told,
};

/// Columns of a picture, and units of its height.
pub(super) const WIDTH: usize = 1_000;
pub(super) const HEIGHT: usize = 100;

/// The class of what no voice was found in.
const NOBODY: &str = "nobody";

/// The path of every voice in what somebody heard, by its class: a line from the lowest to the highest sample of each
/// column.
pub(super) fn columns(
    scene: &Scene,
    told: &Told,
    findings: &Findings,
    listener: Person,
) -> BTreeMap<&'static str, String> {
    let heard = told.heard(listener);
    let voices: Vec<_> = findings.sentences.iter().filter(|it| it.listener == listener).collect();
    // In the recording, its first sample is where its telephone was connected.
    let late = usize::try_from(told.connected[index(listener)]).unwrap_or(0);
    let top = heard.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0).max(1);
    let mut paths = BTreeMap::new();
    for column in 0..WIDTH {
        let [from, to] = [column, column + 1].map(|it| (it * scene.length / WIDTH).min(heard.len()));
        let (Some(low), Some(high)) = (heard[from..to].iter().min(), heard[from..to].iter().max()) else { break };
        let voice = voices.iter().find(|it| is_at(it, late, from)).map_or(NOBODY, |it| name(it.speaker));
        let y = |sample: i16| (1.0 - f64::from(sample) / f64::from(top)) * HEIGHT as f64 / 2.0;
        let path: &mut String = paths.entry(voice).or_default();
        // A line without a length is not drawn.
        let _ = write!(path, "M{column}.5 {:.1}V{:.1}", y(*high) - 0.4, y(*low) + 0.4);
    }
    paths
}

/// Whether a sentence that was heard is at a sample of a recording that begins with so much silence.
fn is_at(sentence: &Sentence, late: usize, sample: usize) -> bool {
    let begin = late + sentence.heard.begin;
    sentence.heard.is_heard() == Some(true) && (begin..begin + sentence.length).contains(&sample)
}
