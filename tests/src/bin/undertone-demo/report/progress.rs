//! A call while it lasts: what the supervisor does, and what is said.

use indicatif::{ProgressBar, ProgressStyle};

use super::say;
use crate::script::{Deed, FRAME, Scene, name, seconds};

/// Shows a call's progress.
pub(crate) struct Progress<'a> {
    scene: &'a Scene,
    bar: ProgressBar,
}

impl<'a> Progress<'a> {
    pub(crate) fn of(scene: &'a Scene) -> Self {
        say(format!("{:12}{:.1} s, in real time", "", seconds(scene.length)));
        let template = "            {bar:40} {percent} % said";
        let style = ProgressStyle::with_template(template).expect("a constant template parses");
        Self { scene, bar: ProgressBar::new(scene.frames() as u64).with_style(style) }
    }

    /// An act begins.
    pub(crate) fn act(&self, number: usize) {
        let act = &self.scene.acts[number];
        let does = match act.deed {
            Deed::Talk => "the parties talk".to_owned(),
            Deed::Dial(number) => format!("the supervisor dials {number}"),
            Deed::Press(keys) => format!("the supervisor presses {keys}"),
            Deed::HangUp => "the supervisor hangs up".to_owned(),
        };
        self.tell(act.begin, &format!("{does}: {}", act.name()));
    }

    /// Everybody says this frame now, by and large.
    pub(crate) fn frame(&self, frame: usize) {
        self.bar.inc(1);
        for line in self.scene.lines.iter().filter(|line| line.begin / FRAME == frame) {
            self.tell(line.begin, &format!("  {:12}{}", name(line.person), line.words));
        }
    }

    fn tell(&self, at: usize, what: &str) {
        self.bar.suspend(|| say(format!("            {:4.1} s  {what}", seconds(at))));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
