//! A relay's process.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use crate::machine::Namespace;

/// What the process says, in its folder.
const LOG: &str = "log";
/// How much of it is shown.
const LAST_LINES: usize = 10;

/// A process that ends with this, and with the benchmark however that ends.
pub(super) struct Process {
    child: Child,
    clock: ClockId,
    /// What belongs to it and goes with it.
    folder: tempfile::TempDir,
}

impl Process {
    /// Starts `program` in `namespace`, on the calling thread's core.
    pub(super) fn start(
        namespace: &Namespace,
        program: &str,
        arguments: &[String],
        folder: tempfile::TempDir,
    ) -> Result<Self> {
        let log = File::create(folder.path().join(LOG))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]).args(arguments);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = namespace.run(|| command.spawn().context("cannot run `setpriv`, of the package util-linux"));
        let child = started.with_context(|| format!("cannot start {program}"))?;
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(child.id() as i32))
            .with_context(|| format!("{program} has ended at once"))?;
        Ok(Self { child, clock, folder })
    }

    /// The last of what it said, for an error that it may explain.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// How long its threads have run, in user space and in the kernel.
    pub(super) fn time(&self) -> Result<Duration> {
        Ok(clock_gettime(self.clock).context("the relay has ended")?.into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
