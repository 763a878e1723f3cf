//! A call while it lasts: what is said, and how many packets have been sent.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use undertone_tests::lab::Family;

use super::say;
use crate::{
    crossing::version,
    script::{Line, Party, Scene},
};

/// The time that a packet lasts.
const FRAME: Duration = Duration::from_millis(20);

/// Shows a call's progress; both parties may report at once.
pub(crate) struct Progress<'a> {
    lines: &'a [Line],
    bar: ProgressBar,
}

impl<'a> Progress<'a> {
    pub(crate) fn of_call(family: Family, scene: &'a Scene) -> Self {
        let name = format!("call, IPv{}", version(family));
        say(format!("{name:12}{:.1} s of RTP each way, 20 ms of PCMU a packet, in real time", scene.seconds()));
        let template = "            {bar:40} {pos} of {len} packets sent";
        let style = ProgressStyle::with_template(template).expect("a constant template parses");
        Self { lines: &scene.lines, bar: ProgressBar::new(2 * scene.frames() as u64).with_style(style) }
    }

    /// A party sends this packet now.
    pub(crate) fn frame(&self, party: Party, frame: usize) {
        self.bar.inc(1);
        for line in self.lines.iter().filter(|line| line.party == party && line.frame == frame) {
            let at_s = (FRAME * frame as u32).as_secs_f64();
            self.bar.suspend(|| say(format!("            {at_s:4.1} s  {:8}{}", party.name(), line.words)));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
