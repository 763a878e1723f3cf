//! The thread that owns the writing connection.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, named_params};
use tracing::{error, info, warn};
use undertone_control_core::call::{CallId, Record};

use super::{
    audit::Chain,
    error::StorageError,
    past::{PastCall, PastStream, unix_ms, whole},
    queue::{Entry, Queue, Wake},
};

/// How long to wait after a failed attempt; doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest that it gets.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often old records are removed.
const CLEANING_INTERVAL: Duration = Duration::from_secs(3_600);
/// Records removed in one transaction: those that come meanwhile wait for no more than that.
pub(super) const CLEANING_BATCH: usize = 500;

const DAY_MS: i64 = 86_400_000;
const DAY: Duration = Duration::from_secs(86_400);

/// All that is ever asked of the writing connection.
pub(super) const STATEMENTS: [&str; 5] = [INSERT_CALL, INSERT_STREAM, KEEP, FORGET, CLEAN];

/// A record that is written twice replaces itself: the first time may have been committed without anybody being told.
const INSERT_CALL: &str = "\
    INSERT OR REPLACE INTO calls (
        id, began_at, ended_at, dialled,
        caller_number, caller_name, caller_peer, caller_side,
        callee_number, callee_name, callee_peer, callee_side,
        sip_call_id, rang_ms, answered_ms, duration_ms, status, cause, ended_by,
        caller_extension, caller_user, callee_extension, callee_user
    ) VALUES (
        :id, :began_at, :ended_at, :dialled,
        :caller_number, :caller_name, :caller_peer, :caller_side,
        :callee_number, :callee_name, :callee_peer, :callee_side,
        :sip_call_id, :rang_ms, :answered_ms, :duration_ms, :status, :cause, :ended_by,
        :caller_extension, :caller_user, :callee_extension, :callee_user
    )";
const INSERT_STREAM: &str = "\
    INSERT INTO streams (call, place, sender, port, packets, bytes, lost, jitter_ms, mos)
    VALUES (:call, :place, :sender, :port, :packets, :bytes, :lost, :jitter_ms, :mos)";
const KEEP: &str = "INSERT OR REPLACE INTO live_calls (id, state, updated_at) VALUES (?1, ?2, ?3)";
const FORGET: &str = "DELETE FROM live_calls WHERE id = ?1";
const KEEP_SESSION: &str = "INSERT OR REPLACE INTO live_sessions (id, state, updated_at) VALUES (?1, ?2, ?3)";
const FORGET_SESSION: &str = "DELETE FROM live_sessions WHERE id = ?1";
const KEEP_RECORDING: &str = "INSERT OR REPLACE INTO live_recordings (id, state, updated_at) VALUES (?1, ?2, ?3)";
const FORGET_RECORDING: &str = "DELETE FROM live_recordings WHERE id = ?1";
const KEEP_SIGN_IN: &str = "INSERT OR REPLACE INTO sign_ins (id, state, updated_at) VALUES (?1, ?2, ?3)";
const FORGET_SIGN_IN: &str = "DELETE FROM sign_ins WHERE id = ?1";
const CLEAN: &str = "\
    DELETE FROM calls WHERE rowid IN (SELECT rowid FROM calls WHERE began_at < ?1 ORDER BY began_at LIMIT ?2)";

/// Writes what is queued, and removes what is old.
pub(super) struct Writer {
    path: PathBuf,
    pub(super) connection: Connection,
    queue: Arc<Queue>,
    next_cleaning: Instant,
    /// Attempts that have failed since the last that did not.
    failures: u64,
    chain: Chain,
    /// How long to wait before the audit is tried again; `None` while it is well.
    audit_pause: Option<Duration>,
}

impl Writer {
    pub(super) fn new(path: &Path, connection: Connection, queue: Arc<Queue>) -> Self {
        Self {
            path: path.into(),
            connection,
            queue,
            next_cleaning: Instant::now(),
            failures: 0,
            chain: Chain::default(),
            audit_pause: None,
        }
    }

    /// Runs until the queue is closed.
    pub(super) fn run(mut self) {
        loop {
            let next = self.chain.due().map_or(self.next_cleaning, |due| due.min(self.next_cleaning));
            match self.queue.wait(next) {
                // Entries that wait are not held up by an audit that always has more.
                Wake::Audit => {
                    self.write_audit();
                    self.write();
                    self.clean_if_due();
                }
                Wake::Entries => {
                    self.write();
                    self.clean_if_due();
                }
                Wake::Clean => self.clean(),
                Wake::Closed => return self.leave(),
            }
        }
    }

    /// Writes rows of the audit that wait. What goes wrong with them goes wrong with nothing else.
    fn write_audit(&mut self) {
        let rows = self.queue.take_audit();
        match Chain::append(&mut self.connection, &rows) {
            Ok(head) => {
                if self.audit_pause.take().is_some() {
                    info!(database = %self.path.display(), %head, "the audit is written again");
                }
                self.queue.audited(rows.len());
                self.chain.tell(&self.connection, false);
            }
            Err(error) => {
                let pause = self.audit_pause.map_or(PAUSE_MIN, |pause| (pause * 2).min(PAUSE_MAX));
                if self.audit_pause.replace(pause).is_none() {
                    let error = StorageError::of(&self.path, error);
                    error!(reason = %error, "the audit cannot be written: nobody monitors until it can");
                }
                self.queue.put_back_audit(rows, pause);
            }
        }
    }

    /// Nothing more will be written: says what was not, and the end of what was.
    fn leave(&mut self) {
        for row in self.queue.abandon_audit() {
            error!(event = ?row.event, at = ?row.at, "a row of the audit is lost: it could not be written before the end");
        }
        self.chain.tell(&self.connection, true);
    }

    /// Writes what waits, however often it takes.
    fn write(&mut self) {
        let entries = self.queue.take();
        if entries.is_empty() {
            return;
        }
        let mut pause = PAUSE_MIN;
        while !self.attempt(&entries) {
            if !self.queue.pause(pause) {
                self.queue.abandon();
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.queue.written();
    }

    /// Writes all of `entries`, or none.
    pub(super) fn attempt(&mut self, entries: &[Entry]) -> bool {
        let began = Instant::now();
        let outcome = write_all(&mut self.connection, entries);
        if let Ok(done) = &outcome {
            self.queue.counting.commit(began.elapsed());
            self.queue.counting.written.fetch_add(done.records, Relaxed);
            self.queue.counting.dropped.fetch_add(done.refused, Relaxed);
        }
        self.note(outcome.map(drop))
    }

    fn clean_if_due(&mut self) {
        if Instant::now() >= self.next_cleaning {
            self.clean();
        }
    }

    /// Removes some of the records that are too old; the rest soon.
    fn clean(&mut self) {
        let keep = self.queue.keep();
        self.cut_audit(keep.audit_days);
        self.chain.tell(&self.connection, false);
        let before = unix_ms(SystemTime::now()) - i64::from(keep.records_days) * DAY_MS;
        let outcome = clean(&mut self.connection, before, CLEANING_BATCH);
        let removed = *outcome.as_ref().unwrap_or(&0);
        self.queue.counting.removed.fetch_add(removed as u64, Relaxed);
        self.next_cleaning = match outcome {
            Ok(CLEANING_BATCH) => Instant::now(),
            Ok(_) => Instant::now() + CLEANING_INTERVAL,
            Err(_) => Instant::now() + PAUSE_MAX,
        };
        self.note(outcome.map(drop));
    }

    /// Removes rows of the audit that are too old.
    fn cut_audit(&mut self, days: u32) {
        let Some(before) = SystemTime::now().checked_sub(DAY * days) else { return };
        loop {
            match Chain::cut(&mut self.connection, before) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    let error = StorageError::of(&self.path, error);
                    return error!(reason = %error, "old rows of the audit cannot be removed, which is tried again in an hour");
                }
            }
        }
    }

    /// Counts an attempt, and says when they begin to fail and when they are well again. Whether this one was well.
    fn note(&mut self, outcome: rusqlite::Result<()>) -> bool {
        self.queue.counting.failing.store(outcome.is_err(), Relaxed);
        match outcome {
            Ok(()) if self.failures > 0 => {
                info!(database = %self.path.display(), failures = self.failures, "call records are written again");
                self.failures = 0;
                true
            }
            Ok(()) => true,
            Err(error) => {
                self.queue.counting.failed.fetch_add(1, Relaxed);
                self.failures += 1;
                if self.failures == 1 {
                    let error = StorageError::of(&self.path, error);
                    error!(reason = %error, "call records wait, and are tried again");
                }
                false
            }
        }
    }
}

/// What a transaction did.
#[derive(Default)]
struct Done {
    records: u64,
    /// Entries that no database would take.
    refused: u64,
}

fn write_all(connection: &mut Connection, entries: &[Entry]) -> rusqlite::Result<Done> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = unix_ms(SystemTime::now());
    let mut done = Done::default();
    for entry in entries {
        match write_one(&transaction, entry, now) {
            Ok(()) => done.records += u64::from(matches!(entry, Entry::Record(..))),
            // It would be so the next time too, and hold up all others.
            Err(error) if is_of_entry(&error) => {
                warn!(%error, call = %entry.id(), "a call record is lost: the database does not take it");
                done.refused += 1;
            }
            Err(error) => return Err(error),
        }
    }
    transaction.commit()?;
    Ok(done)
}

/// Whether an error is about what was to be written, and not about the database.
fn is_of_entry(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    matches!(error.sqlite_error_code(), Some(ConstraintViolation | TooBig | TypeMismatch))
}

fn write_one(transaction: &Transaction<'_>, entry: &Entry, now: i64) -> rusqlite::Result<()> {
    match entry {
        Entry::Record(record, ended_at) => insert(transaction, record, *ended_at),
        Entry::Keep(id, json) => transaction.prepare_cached(KEEP)?.execute((id.to_string(), json, now)).map(drop),
        Entry::Forget(id) => forget(transaction, *id),
        Entry::KeepSession(id, json) => {
            transaction.prepare_cached(KEEP_SESSION)?.execute((id.to_string(), json, now)).map(drop)
        }
        Entry::ForgetSession(id) => transaction.prepare_cached(FORGET_SESSION)?.execute([id.to_string()]).map(drop),
        Entry::KeepRecording(id, json) => {
            transaction.prepare_cached(KEEP_RECORDING)?.execute((id.to_string(), json, now)).map(drop)
        }
        Entry::ForgetRecording(id) => transaction.prepare_cached(FORGET_RECORDING)?.execute([id.to_string()]).map(drop),
        Entry::KeepSignIn(id, json) => {
            transaction.prepare_cached(KEEP_SIGN_IN)?.execute((id.as_str(), json, now)).map(drop)
        }
        Entry::ForgetSignIn(id) => transaction.prepare_cached(FORGET_SIGN_IN)?.execute([id.as_str()]).map(drop),
    }
}

fn insert(transaction: &Transaction<'_>, record: &Record, ended_at: SystemTime) -> rusqlite::Result<()> {
    let call = PastCall::new(record, ended_at);
    transaction.prepare_cached(INSERT_CALL)?.execute(named_params! {
        ":id": call.id,
        ":began_at": call.began_at.as_millisecond(),
        ":ended_at": call.ended_at.as_millisecond(),
        ":dialled": call.dialled,
        ":caller_number": call.caller.number,
        ":caller_name": call.caller.name,
        ":caller_extension": call.caller.extension,
        ":caller_user": call.caller.user,
        ":caller_peer": call.caller.peer,
        ":caller_side": call.caller.side,
        ":callee_number": call.callee.number,
        ":callee_name": call.callee.name,
        ":callee_extension": call.callee.extension,
        ":callee_user": call.callee.user,
        ":callee_peer": call.callee.peer,
        ":callee_side": call.callee.side,
        ":sip_call_id": call.sip_call_id,
        ":rang_ms": call.rang_ms,
        ":answered_ms": call.answered_ms,
        ":duration_ms": call.duration_ms,
        ":status": call.status,
        ":cause": call.cause,
        ":ended_by": call.ended_by,
    })?;
    for (place, stream) in call.streams.iter().enumerate() {
        insert_stream(transaction, &call.id, place, stream)?;
    }
    forget(transaction, record.id)
}

fn insert_stream(transaction: &Transaction<'_>, call: &str, place: usize, it: &PastStream) -> rusqlite::Result<()> {
    let parameters = named_params! {
        ":call": call,
        ":place": whole(place as u64),
        ":sender": it.from,
        ":port": it.port,
        ":packets": it.packets,
        ":bytes": it.bytes,
        ":lost": it.lost,
        ":jitter_ms": it.jitter_ms,
        ":mos": it.mos,
    };
    transaction.prepare_cached(INSERT_STREAM)?.execute(parameters).map(drop)
}

fn forget(transaction: &Transaction<'_>, id: CallId) -> rusqlite::Result<()> {
    transaction.prepare_cached(FORGET)?.execute([id.to_string()]).map(drop)
}

/// Removes at most `limit` records of calls that began before a time. Returns how many those were.
pub(super) fn clean(connection: &mut Connection, before: i64, limit: usize) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let removed = transaction.prepare_cached(CLEAN)?.execute((before, whole(limit as u64)))?;
    transaction.commit()?;
    Ok(removed)
}

impl Entry {
    fn id(&self) -> String {
        match self {
            Self::Record(record, _) => record.id.to_string(),
            Self::Keep(id, _) | Self::Forget(id) => id.to_string(),
            Self::KeepSession(id, _) | Self::ForgetSession(id) => id.to_string(),
            Self::KeepRecording(id, _) | Self::ForgetRecording(id) => id.to_string(),
            Self::KeepSignIn(id, _) | Self::ForgetSignIn(id) => id.as_str().to_owned(),
        }
    }
}
