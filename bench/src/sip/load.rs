//! Calls: `undertone-bench calls`, in a process of its own.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::scene::{CALLED, CALLER, TOWARDS_CALLER};
use crate::machine::{Namespace, Process, sibling};

const PROGRAM: &str = "undertone-bench";
const REPORT: &str = "report.json";
/// After this time requests are sent again (RFC 3261 §17.1.1.1: T1).
const REPEATED_AFTER_MS: f64 = 500.0;

/// Calls of two parties, without sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Calls.
    pub(super) calls: u64,
    /// Of which so many are placed a second.
    pub(super) rate: f64,
    /// How long each is held.
    pub(super) hold: Duration,
    /// How long each rings.
    pub(super) ringing: Duration,
}

/// Where calls are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The element.
    Through,
    /// The callee.
    Straight,
}

/// What came of them: the generator's report, as far as it is read here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    seconds: f64,
    calls: Calls,
    setup_ms: Option<Times>,
    teardown_ms: Option<Times>,
    notes: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Calls {
    placed: u64,
    completed: u64,
    failed: u64,
    up_max: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Times {
    p99: f64,
    max: f64,
}

/// A load that runs.
pub(super) struct Running(Process);

impl Load {
    /// Begins to place them.
    pub(super) fn start(self, from: &Namespace, way: Way) -> Result<Running> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let report = folder.path().join(REPORT).display().to_string();
        let target = match way {
            Way::Through => TOWARDS_CALLER,
            Way::Straight => CALLED,
        };
        let (calls, rate) = (self.calls.to_string(), self.rate.to_string());
        let (hold, ringing) = (format!("{}ms", self.hold.as_millis()), self.ringing.as_millis().to_string());
        let arguments = [
            ["calls", "--no-rtp"],
            ["--target", target],
            ["--local", CALLER],
            ["--uas", CALLED],
            ["--calls", &calls],
            ["--rate", &rate],
            ["--duration", &hold],
            ["--ringing", &ringing],
            ["--json", &report],
        ];
        let arguments: Vec<_> = arguments.as_flattened().iter().map(ToString::to_string).collect();
        Process::start(from, &sibling(PROGRAM)?.display().to_string(), &arguments, folder).map(Running)
    }

    /// Places them, and waits until they are over.
    pub(super) fn run(self, from: &Namespace, way: Way) -> Result<Report> {
        self.start(from, way)?.finish()
    }
}

impl Running {
    /// Asks it to end what runs.
    pub(super) fn interrupt(&self) -> Result<()> {
        self.0.interrupt()
    }

    /// Whether it runs.
    pub(super) fn check(&mut self) -> Result<()> {
        self.0.check()
    }

    /// Waits until it is over. Calls that failed are in the report.
    pub(super) fn finish(mut self) -> Result<Report> {
        self.0.wait()?;
        let text = fs::read_to_string(self.0.folder().join(REPORT)).unwrap_or_default();
        serde_json::from_str(&text)
            .with_context(|| format!("the load made no report; it said:\n{}", self.0.last_words()))
    }
}

impl Report {
    /// An error when not every call went as it was to.
    pub(super) fn check(&self) -> Result<()> {
        let Calls { placed, completed, .. } = self.calls;
        if completed != placed {
            bail!("{completed} of {placed} calls went as they were to; {}", self.notes.join("; "));
        }
        Ok(())
    }

    /// Calls that were up at once at most.
    pub(super) const fn up_max(&self) -> u64 {
        self.calls.up_max
    }

    /// Calls that failed.
    pub(super) const fn failed(&self) -> u64 {
        self.calls.failed
    }

    /// INVITE to 200, in milliseconds: 99 in 100 are not above.
    pub(super) fn setup_p99_ms(&self) -> Result<f64> {
        self.setup_ms.as_ref().map(|times| times.p99).context("no call was answered")
    }

    /// Whether `load` was carried: no call failed, none took so long that anything was sent again, and they were
    /// placed as fast as they were to be.
    pub(super) fn is_carried(&self, load: &Load) -> bool {
        let placing = load.calls as f64 / load.rate;
        let late = self.seconds - (placing + (load.hold + load.ringing).as_secs_f64());
        let is_prompt = |times: &Option<Times>| times.as_ref().is_some_and(|times| times.max < REPEATED_AFTER_MS);
        self.check().is_ok() && is_prompt(&self.setup_ms) && is_prompt(&self.teardown_ms) && late < 0.1 * placing + 0.2
    }
}
