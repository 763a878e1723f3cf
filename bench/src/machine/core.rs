//! One core for what is measured.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::{Pid, gettid},
};

/// Keeps the calling thread, and what it starts from now on, on `core`.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).with_context(|| format!("{core} is no number of a core"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot run on core {core}"))
}

/// Has the calling thread run before everything else on its core that is not of a real-time class. What it starts is
/// not.
pub(crate) fn go_first() -> Result<()> {
    let thread = gettid().to_string();
    let output = Command::new("chrt")
        .args(["--reset-on-fork", "--fifo", "--pid", "1", &thread])
        .output()
        .context("cannot run `chrt`: it comes with the package util-linux")?;
    if !output.status.success() {
        bail!("cannot raise the priority, run as root: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The time that the calling thread has had a core to itself, interrupts included.
pub(crate) fn thread_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("cannot read the thread's clock")?.into())
}

/// Where a session of processes stands among others: the kernel shares a core between sessions first, and what is nice
/// counts within one (`CONFIG_SCHED_AUTOGROUP`).
const AUTOGROUP: &str = "/proc/self/autogroup";

/// A session that runs before others, until this is dropped.
pub(crate) struct First {
    nice_before: Option<String>,
}

impl Drop for First {
    fn drop(&mut self) {
        if let Some(nice) = &self.nice_before {
            let _ = fs::write(AUTOGROUP, nice);
        }
    }
}

/// Has what the calling thread starts from now on run before what else the machine does, and in turn with each other.
pub(crate) fn go_before_others() -> Result<First> {
    let thread = gettid().to_string();
    let output = Command::new("renice")
        .args(["--priority", "-20", "--pid", &thread])
        .output()
        .context("cannot run `renice`: it comes with the package bsdutils")?;
    if !output.status.success() {
        bail!("cannot raise the priority, run as root: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    // "/autogroup-7 nice 0", where there are any.
    let group = fs::read_to_string(AUTOGROUP).unwrap_or_default();
    let nice_before = group.trim_end().rsplit_once(" nice ").map(|(_, nice)| nice.to_owned());
    if nice_before.is_some() {
        fs::write(AUTOGROUP, "-20").context("cannot raise the priority of the session, run as root")?;
    }
    Ok(First { nice_before })
}
