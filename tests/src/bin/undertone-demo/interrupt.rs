//! Ctrl-C, such that what was built is taken down.

use std::{
    panic::resume_unwind,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use nix::sys::signal::{SigSet, Signal};

use super::INTERRUPTED;

/// Whether somebody wants the demo to end; clones are the same.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// The demo was told to end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; all that it had built is gone")]
pub(crate) struct Interrupted;

impl Interrupt {
    /// Holds back SIGINT, SIGTERM and SIGHUP in this thread and in all threads and programs that it starts from now on;
    /// a thread of its own takes them instead. The second of them ends the process at once.
    pub(crate) fn watch() -> Result<Self> {
        let signals = signals();
        signals.thread_block().context("cannot hold back Ctrl-C")?;
        let interrupt = Self(Arc::default());
        let raised = interrupt.clone();
        thread::spawn(move || {
            while signals.wait().is_ok() {
                if raised.0.swap(true, Ordering::Relaxed) {
                    process::exit(INTERRUPTED.into());
                }
                eprintln!("\nundertone-demo: taking everything down; once more to leave it as it is");
            }
        });
        Ok(interrupt)
    }

    /// Whether it is to end.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error if it is to end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_raised() { Err(Interrupted.into()) } else { Ok(()) }
    }
}

/// Does something on a thread that holds nothing back, for programs that have to hear when they are to end.
pub(crate) fn heeding<T: Send>(start: impl FnOnce() -> T + Send) -> Result<T> {
    let unhindered = || signals().thread_unblock().map(|()| start());
    let started = thread::scope(|scope| scope.spawn(unhindered).join()).unwrap_or_else(|panic| resume_unwind(panic));
    started.context("cannot let signals through")
}

/// What tells the demo to end.
fn signals() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect()
}
