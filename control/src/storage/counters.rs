//! What the storage has done, for metrics.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the buckets of [`Latency`], in seconds.
const BOUNDS_S: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// What the storage has done since it was opened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counters {
    /// Records of calls that were committed.
    pub(crate) written: u64,
    /// Attempts to commit that failed; what they had to commit is tried again.
    pub(crate) failed: u64,
    /// Records and states that were given up.
    pub(crate) dropped: u64,
    /// Records that were removed for their age.
    pub(crate) removed: u64,
    /// Records and states that wait.
    pub(crate) queued: usize,
    /// Whether the last attempt failed.
    pub(crate) failing: bool,
    /// How long commits took.
    pub(crate) commits: Latency,
    /// Rows of the audit that were committed.
    pub(crate) audit_written: u64,
    /// Attempts to commit some that failed; they are tried again.
    pub(crate) audit_failed: u64,
    /// Rows that there was no room for, so that what they would have said was not done.
    pub(crate) audit_refused: u64,
    /// Rows of the audit that wait.
    pub(crate) audit_queued: usize,
    /// Whether the last attempt to write some failed.
    pub(crate) audit_failing: bool,
}

/// A histogram as Prometheus has them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Latency {
    /// Upper bounds in seconds, and how many took no longer than that.
    pub(crate) buckets: [(f64, u64); BOUNDS_S.len()],
    /// All of them.
    pub(crate) count: u64,
    /// Their times together.
    pub(crate) sum_s: f64,
}

/// The same while it counts.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) written: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) removed: AtomicU64,
    pub(super) failing: AtomicBool,
    pub(super) audit_written: AtomicU64,
    pub(super) audit_failed: AtomicU64,
    pub(super) audit_refused: AtomicU64,
    /// Commits by the first bound that they kept; the last is for those that kept none.
    commits: [AtomicU64; BOUNDS_S.len() + 1],
    commits_ns: AtomicU64,
}

impl Counting {
    /// Counts a commit that took so long.
    pub(super) fn commit(&self, took: Duration) {
        let place = BOUNDS_S.partition_point(|bound| *bound < took.as_secs_f64());
        self.commits[place].fetch_add(1, Relaxed);
        self.commits_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn read(&self, queued: usize) -> Counters {
        Counters {
            written: self.written.load(Relaxed),
            failed: self.failed.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            removed: self.removed.load(Relaxed),
            queued,
            failing: self.failing.load(Relaxed),
            commits: self.latency(),
            audit_written: self.audit_written.load(Relaxed),
            audit_failed: self.audit_failed.load(Relaxed),
            audit_refused: self.audit_refused.load(Relaxed),
            audit_queued: 0,
            audit_failing: false,
        }
    }

    fn latency(&self) -> Latency {
        let mut count = 0;
        let mut up_to = |place: usize| {
            count += self.commits[place].load(Relaxed);
            count
        };
        let buckets = std::array::from_fn(|place| (BOUNDS_S[place], up_to(place)));
        let count = up_to(BOUNDS_S.len());
        Latency { buckets, count, sum_s: Duration::from_nanos(self.commits_ns.load(Relaxed)).as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_all_that_took_no_longer() {
        let counting = Counting::default();
        for us in [500, 501, 3_000_000] {
            counting.commit(Duration::from_micros(us));
        }
        let latency = counting.read(0).commits;
        assert_eq!(latency.buckets[..2], [(0.0005, 1), (0.001, 2)]);
        assert_eq!(latency.buckets.last(), Some(&(2.5, 2)));
        assert_eq!((latency.count, (latency.sum_s * 1e6).round() as u64), (3, 3_001_001));
    }
}
