//! A call while it lasts: what is said.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::say;
use crate::script::{Line, Scene};

/// The time that a packet lasts.
const FRAME: Duration = Duration::from_millis(20);

/// Shows a call's progress.
pub(crate) struct Progress<'a> {
    lines: &'a [Line],
    bar: ProgressBar,
}

impl<'a> Progress<'a> {
    pub(crate) fn of_call(scene: &'a Scene) -> Self {
        say(format!("{:12}{:.1} s of speech, in real time", "", scene.seconds()));
        let template = "            {bar:40} {percent} % said";
        let style = ProgressStyle::with_template(template).expect("a constant template parses");
        Self { lines: &scene.lines, bar: ProgressBar::new(scene.frames() as u64).with_style(style) }
    }

    /// Both telephones say this frame now, by and large.
    pub(crate) fn frame(&self, frame: usize) {
        self.bar.inc(1);
        for line in self.lines.iter().filter(|line| line.frame == frame) {
            let at_s = (FRAME * frame as u32).as_secs_f64();
            self.bar.suspend(|| say(format!("            {at_s:4.1} s  {:8}{}", line.party.name(), line.words)));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
