//! One core for what is measured.

use std::{process::Command, time::Duration};

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

/// Has what the calling thread starts from now on run before what else the machine does, and in turn with each other.
pub(crate) fn go_before_others() -> Result<()> {
    let thread = gettid().to_string();
    let output = Command::new("renice")
        .args(["--priority", "-20", "--pid", &thread])
        .output()
        .context("cannot run `renice`: it comes with the package bsdutils")?;
    if !output.status.success() {
        bail!("cannot raise the priority, run as root: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
