//! What is counted of HTTP itself.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Connections that are open, those of followers left aside.
    pub(super) connections: AtomicUsize,
    /// Connections that there was no room for.
    pub(super) refused: AtomicU64,
    /// Followers of events.
    pub(super) followers: AtomicUsize,
    /// Followers that were let go because they did not keep up.
    pub(super) slow: AtomicU64,
}

/// The same, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) connections: usize,
    pub(super) refused: u64,
    pub(super) followers: usize,
    pub(super) slow: u64,
}

impl Counts {
    pub(super) fn read(&self) -> Counted {
        Counted {
            connections: self.connections.load(Relaxed),
            refused: self.refused.load(Relaxed),
            followers: self.followers.load(Relaxed),
            slow: self.slow.load(Relaxed),
        }
    }
}
