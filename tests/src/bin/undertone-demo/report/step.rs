//! Telling what is being built.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::say;

/// Something that takes a moment; on a terminal, something turns until it is done.
pub(crate) struct Step {
    name: &'static str,
    spinner: ProgressBar,
}

impl Step {
    pub(crate) fn begin(name: &'static str) -> Self {
        let style = ProgressStyle::with_template("{msg:12}{spinner}").expect("a constant template parses");
        let spinner = ProgressBar::new_spinner().with_style(style).with_message(name);
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self { name, spinner }
    }

    /// Says what it has come to, in a line.
    pub(crate) fn done(self, what: &str) {
        self.spinner.finish_and_clear();
        say(format!("{:12}{what}", self.name));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}
