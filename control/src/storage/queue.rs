//! What waits to be written.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use parking_lot::{Condvar, Mutex};
use tracing::error;
use undertone_control_core::call::{CallId, Record};

use super::counters::{Counters, Counting};

/// Entries that wait at most. The next is dropped, and counted.
pub(super) const ENTRIES_MAX: usize = 65_536;
/// Room above that for what only forgets: without it, calls that have ended would be taken for running after a restart.
const FORGETTING_MAX: usize = 65_536;
/// Entries that are written in one transaction.
pub(super) const BATCH_MAX: usize = 1_000;
/// The least time between two transactions: under load entries wait so long for others to share theirs. What comes to an
/// idle writer is written at once.
pub(super) const BATCH_PAUSE: Duration = Duration::from_millis(10);
/// How long a storage that is closed goes on trying to write.
pub(super) const CLOSING_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it then tries.
const CLOSING_PAUSE: Duration = Duration::from_millis(100);

/// Something to be written. Entries are written in the order in which they came.
#[derive(Debug)]
pub(super) enum Entry {
    /// The record of a call, and when it ended.
    Record(Box<Record>, SystemTime),
    /// The state of a running call.
    Keep(CallId, String),
    /// A call whose state is of no more use.
    Forget(CallId),
}

/// What the callers of the storage and its thread have in common.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    keep_days: AtomicU32,
    pub(super) counting: Counting,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Entries that the writer has taken and not yet written.
    taken: usize,
    /// Whether it was said that the queue is full.
    told_full: bool,
    /// Whether old records are to be removed without waiting for the hour.
    clean: bool,
    /// When the last transaction was over.
    written: Option<Instant>,
    /// When to give up, once the storage is closed.
    give_up: Option<Instant>,
}

/// Why the writer wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Entries are to be written.
    Entries,
    /// Old records are to be removed.
    Clean,
    /// Nothing waits, and nothing will come.
    Closed,
}

impl Queue {
    pub(super) fn new(keep_days: u32) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            keep_days: AtomicU32::new(keep_days),
            counting: Counting::default(),
        }
    }

    /// Adds an entry, or drops and counts it.
    pub(super) fn push(&self, entry: Entry) {
        let room = if matches!(entry, Entry::Forget(_)) { ENTRIES_MAX + FORGETTING_MAX } else { ENTRIES_MAX };
        let mut waiting = self.waiting.lock();
        if waiting.entries.len() + waiting.taken >= room {
            let is_first = !std::mem::replace(&mut waiting.told_full, true);
            drop(waiting);
            self.counting.dropped.fetch_add(1, Relaxed);
            if is_first {
                error!(waiting = ENTRIES_MAX, "call records are lost from now on: too many wait to be written");
            }
            return;
        }
        waiting.entries.push_back(entry);
        // The writer sleeps until there is something, and then until there is enough.
        if matches!(waiting.entries.len(), 1 | BATCH_MAX) {
            self.changed.notify_one();
        }
    }

    /// Waits until entries are to be written, or old records to be removed, at `cleaning` at the latest.
    pub(super) fn wait(&self, cleaning: Instant) -> Wake {
        let mut waiting = self.waiting.lock();
        loop {
            if std::mem::take(&mut waiting.clean) {
                return Wake::Clean;
            }
            if !waiting.entries.is_empty() {
                break;
            }
            if waiting.give_up.is_some() {
                return Wake::Closed;
            }
            if self.changed.wait_until(&mut waiting, cleaning).timed_out() {
                return Wake::Clean;
            }
        }
        let next = waiting.written.map_or_else(Instant::now, |written| written + BATCH_PAUSE);
        while waiting.entries.len() < BATCH_MAX && waiting.give_up.is_none() {
            if self.changed.wait_until(&mut waiting, next).timed_out() {
                break;
            }
        }
        Wake::Entries
    }

    /// The entries that are to be written next. They go on counting as waiting until they are [`written`](Self::written).
    pub(super) fn take(&self) -> Vec<Entry> {
        let mut waiting = self.waiting.lock();
        let count = waiting.entries.len().min(BATCH_MAX);
        waiting.taken = count;
        waiting.entries.drain(..count).collect()
    }

    /// What was taken is written, or given up.
    pub(super) fn written(&self) {
        let mut waiting = self.waiting.lock();
        waiting.taken = 0;
        waiting.told_full = false;
        waiting.written = Some(Instant::now());
    }

    /// Waits before another attempt. False when there is to be none.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let mut until = Instant::now() + pause;
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(give_up) = waiting.give_up {
                until = until.min(Instant::now() + CLOSING_PAUSE).min(give_up);
            }
            if self.changed.wait_until(&mut waiting, until).timed_out() {
                return waiting.give_up.is_none_or(|give_up| Instant::now() < give_up);
            }
        }
    }

    /// Gives up all that waits.
    pub(super) fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        let count = waiting.entries.len() + waiting.taken;
        waiting.entries.clear();
        waiting.taken = 0;
        drop(waiting);
        self.counting.dropped.fetch_add(count as u64, Relaxed);
        error!(lost = count, "call records are lost: they could not be written before the end");
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.waiting.lock().give_up = Some(Instant::now() + CLOSING_WAIT_MAX);
        self.changed.notify_one();
    }

    /// Days that a record is kept.
    pub(super) fn keep_days(&self) -> u32 {
        self.keep_days.load(Relaxed)
    }

    pub(super) fn set_keep_days(&self, days: u32) {
        self.keep_days.store(days, Relaxed);
        self.waiting.lock().clean = true;
        self.changed.notify_one();
    }

    pub(super) fn counters(&self) -> Counters {
        let waiting = self.waiting.lock();
        let queued = waiting.entries.len() + waiting.taken;
        // Still locked: what was written is counted before it stops waiting.
        self.counting.read(queued)
    }
}
