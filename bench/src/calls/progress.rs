//! What is seen while it runs.

use std::{cell::Cell, time::Duration};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::{exchange::Sample, options::Job, uac::Extent};

/// A line on the terminal, if there is one.
pub(super) struct Progress {
    bar: ProgressBar,
    extent: Option<Extent>,
    /// When the rate was last taken, and how many calls there were by then.
    mark: Cell<(f64, u64, f64)>,
}

impl Progress {
    /// The line of a job.
    pub(super) fn new(job: &Job) -> Result<Self> {
        let extent = job.caller.as_ref().map(|caller| caller.extent);
        let (bar, template) = match extent {
            Some(Extent::Calls(calls)) => (ProgressBar::new(calls), "{bar:30} {pos}/{len} calls  {msg}"),
            Some(Extent::Time(time)) => (ProgressBar::new(time.as_secs()), "{bar:30} {pos}/{len} s  {msg}"),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        bar.set_style(ProgressStyle::with_template(template)?);
        bar.enable_steady_tick(Duration::from_millis(250));
        Ok(Self { bar, extent, mark: Cell::new((0.0, 0, 0.0)) })
    }

    /// Shows how it stands.
    pub(super) fn show(&self, sample: &Sample, is_ending: bool) {
        let (since, placed, mut rate) = self.mark.get();
        let passed = sample.seconds - since;
        if passed >= 1.0 {
            rate = (sample.placed - placed) as f64 / passed;
            self.mark.set((sample.seconds, sample.placed, rate));
        }
        match self.extent {
            Some(Extent::Calls(_)) => self.bar.set_position(sample.placed),
            Some(Extent::Time(time)) => self.bar.set_position((sample.seconds as u64).min(time.as_secs())),
            None => {}
        }
        let ending = if is_ending { "  ending calls" } else { "" };
        let Sample { up, failed, placed, .. } = sample;
        self.bar.set_message(match self.extent {
            Some(_) => format!("{up} up  {failed} failed  {rate:.1} calls/s{ending}"),
            None => format!("{placed} received  {up} up  {failed} not acknowledged  {rate:.1} calls/s{ending}"),
        });
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
