//! What waits to be written.

use std::{
    collections::VecDeque,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use tracing::error;
use undertone_control_core::{
    audit::Event,
    call::{CallId, Record},
    monitor::SessionId,
    portal::SignInId,
};

use super::{
    Keep,
    audit::{self, AuditFull, Pending, Ticket},
    counters::{Counters, Counting},
};

/// Entries that wait at most. The next is dropped, and counted.
pub(super) const ENTRIES_MAX: usize = 65_536;
/// Room above that for what only forgets: without it, calls that have ended would be taken for running after a restart.
const FORGETTING_MAX: usize = 65_536;
/// Entries that are written in one transaction.
pub(super) const BATCH_MAX: usize = 1_000;
/// The least time between two transactions: under load entries wait so long for others to share theirs. What comes to an
/// idle writer is written at once.
pub(super) const BATCH_PAUSE: Duration = Duration::from_millis(10);
/// A row of the audit that waits for longer is taken for one that cannot be written.
const AUDIT_SLOW: Duration = Duration::from_secs(1);
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
    /// The state of a monitor session.
    KeepSession(SessionId, String),
    /// A monitor session that is over.
    ForgetSession(SessionId),
    /// The state of the recording of a call.
    KeepRecording(CallId, String),
    /// A call whose recording is over.
    ForgetRecording(CallId),
    /// Somebody who is signed in.
    KeepSignIn(SignInId, String),
    /// A sign-in that is over.
    ForgetSignIn(SignInId),
}

/// What the callers of the storage and its thread have in common.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    keep: Mutex<Keep>,
    pub(super) counting: Counting,
    /// The last row of the audit that is on the disk.
    audited: watch::Sender<Ticket>,
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
    audit: WaitingAudit,
}

/// Rows of the audit that wait. They have room of their own, and are never dropped once they are taken.
#[derive(Debug, Default)]
struct WaitingAudit {
    rows: VecDeque<Pending>,
    /// Rows that the writer has taken and not yet written.
    taken: usize,
    /// How many there ever were.
    accepted: u64,
    /// When to try again what has failed.
    retry: Option<Instant>,
    /// Since when it fails.
    failing: Option<Instant>,
    /// Since when some wait without a break.
    since: Option<Instant>,
}

/// Why the writer wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Rows of the audit are to be written.
    Audit,
    /// Entries are to be written.
    Entries,
    /// Old records are to be removed.
    Clean,
    /// Nothing waits, and nothing will come.
    Closed,
}

impl Queue {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            keep: Mutex::new(keep),
            counting: Counting::default(),
            audited: watch::Sender::new(Ticket(0)),
        }
    }

    /// Adds an entry, or drops and counts it.
    pub(super) fn push(&self, entry: Entry) {
        let only_forgets = matches!(
            entry,
            Entry::Forget(_) | Entry::ForgetSession(_) | Entry::ForgetRecording(_) | Entry::ForgetSignIn(_)
        );
        let room = if only_forgets { ENTRIES_MAX + FORGETTING_MAX } else { ENTRIES_MAX };
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
            if waiting.audit.is_due() {
                return Wake::Audit;
            }
            if !waiting.entries.is_empty() {
                break;
            }
            let retry = waiting.audit.retry.filter(|_| !waiting.audit.rows.is_empty());
            if waiting.give_up.is_some_and(|give_up| retry.is_none() || give_up <= Instant::now()) {
                return Wake::Closed;
            }
            let until = [retry, waiting.give_up].into_iter().flatten().fold(cleaning, Instant::min);
            if self.changed.wait_until(&mut waiting, until).timed_out() && until == cleaning {
                return Wake::Clean;
            }
        }
        let next = waiting.written.map_or_else(Instant::now, |written| written + BATCH_PAUSE);
        while waiting.entries.len() < BATCH_MAX && waiting.give_up.is_none() {
            if waiting.audit.is_due() {
                return Wake::Audit;
            }
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

    /// How long what is kept.
    pub(super) fn keep(&self) -> Keep {
        *self.keep.lock()
    }

    pub(super) fn set_keep(&self, keep: Keep) {
        *self.keep.lock() = keep;
        self.waiting.lock().clean = true;
        self.changed.notify_one();
    }

    pub(super) fn counters(&self) -> Counters {
        let waiting = self.waiting.lock();
        let queued = waiting.entries.len() + waiting.taken;
        let audit_queued = waiting.audit.rows.len() + waiting.audit.taken;
        // Still locked: what was written is counted before it stops waiting.
        let audit_failing = waiting.audit.failing.is_some();
        Counters { audit_queued, audit_failing, ..self.counting.read(queued) }
    }
}

/// The audit.
impl Queue {
    /// Adds a row, or says that there is no room for it.
    pub(super) fn push_audit(&self, event: Event, at: SystemTime) -> Result<Ticket, AuditFull> {
        let mut waiting = self.waiting.lock();
        let audit = &mut waiting.audit;
        if audit.rows.len() + audit.taken >= audit::WAITING_MAX {
            drop(waiting);
            self.counting.audit_refused.fetch_add(1, Relaxed);
            return Err(AuditFull);
        }
        audit.rows.push_back(Pending { event: Box::new(event), at });
        audit.accepted += 1;
        audit.since.get_or_insert_with(Instant::now);
        let ticket = Ticket(audit.accepted);
        self.changed.notify_one();
        Ok(ticket)
    }

    /// Rows to be written next. They go on counting as waiting until they are [`audited`](Self::audited) or come back.
    pub(super) fn take_audit(&self) -> Vec<Pending> {
        let mut waiting = self.waiting.lock();
        let count = waiting.audit.rows.len().min(BATCH_MAX);
        waiting.audit.taken = count;
        waiting.audit.rows.drain(..count).collect()
    }

    /// So many rows that were taken are on the disk.
    pub(super) fn audited(&self, count: usize) {
        let mut waiting = self.waiting.lock();
        let audit = &mut waiting.audit;
        audit.taken = 0;
        (audit.retry, audit.failing) = (None, None);
        audit.since = (!audit.rows.is_empty()).then(Instant::now);
        self.counting.audit_written.fetch_add(count as u64, Relaxed);
        self.audited.send_modify(|Ticket(last)| *last += count as u64);
    }

    /// Rows that were taken could not be written, and are to be tried again after a pause.
    pub(super) fn put_back_audit(&self, rows: Vec<Pending>, pause: Duration) {
        let mut waiting = self.waiting.lock();
        let audit = &mut waiting.audit;
        audit.taken = 0;
        rows.into_iter().rev().for_each(|row| audit.rows.push_front(row));
        let now = Instant::now();
        audit.retry = Some(now + pause);
        audit.failing.get_or_insert(now);
        self.counting.audit_failed.fetch_add(1, Relaxed);
    }

    /// Takes away what will never be written.
    pub(super) fn abandon_audit(&self) -> Vec<Pending> {
        std::mem::take(&mut self.waiting.lock().audit.rows).into()
    }

    /// For how long rows could not be written; `None` when the last could, or those that wait have not done so for long.
    pub(super) fn audit_failing(&self) -> Option<Duration> {
        let waiting = self.waiting.lock();
        let stuck = waiting.audit.since.filter(|since| since.elapsed() > AUDIT_SLOW);
        [waiting.audit.failing, stuck].into_iter().flatten().min().map(|since| since.elapsed())
    }

    /// Follows what is on the disk.
    pub(super) fn follow_audit(&self) -> watch::Receiver<Ticket> {
        self.audited.subscribe()
    }
}

impl WaitingAudit {
    fn is_due(&self) -> bool {
        !self.rows.is_empty() && self.retry.is_none_or(|retry| retry <= Instant::now())
    }
}
