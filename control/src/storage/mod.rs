//! Call records, the state of running calls and the audit of monitoring, in a database on this host.
//!
//! [`Storage`] takes what is to be kept and never makes its caller wait: a [`Queue`] holds it until the one
//! thread that owns the writing connection ([`Writer`]) has committed it, however long the database is locked
//! or its disk full. The [`audit`] has room of its own there, and is not lost when it is full: what it would say is not done.
//! [`Reader`] looks at the same file through a connection of its own, from any process. The tables are in
//! [`schema`].

mod audit;
mod counters;
mod error;
mod past;
mod queue;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use undertone_control_core::{
    audit::Event,
    call::{CallId, Record},
    config,
    monitor::SessionId,
    portal::SignInId,
};

#[cfg(test)]
pub(crate) use self::counters::Latency;
pub(crate) use self::{
    audit::{AuditFilter, AuditFull, Ticket, Verification},
    counters::Counters,
    error::StorageError,
    past::{PastCall, PastParty, PastStream, shown},
    reader::{Filter, Reader},
};
use self::{
    error::Trouble,
    queue::{Entry, Queue},
    writer::Writer,
};

/// The database, open for writing. One process at a time has it so.
///
/// Dropping it writes what is still queued, for as long as [`queue::CLOSING_WAIT_MAX`] when that fails.
#[derive(Debug)]
pub(crate) struct Storage {
    path: PathBuf,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

/// How many days what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Call records.
    pub(crate) records_days: u32,
    /// Rows of the audit.
    pub(crate) audit_days: u32,
}

impl From<&config::Storage> for Keep {
    fn from(config: &config::Storage) -> Self {
        Self { records_days: config.keep_days, audit_days: config.audit_keep_days }
    }
}

impl Storage {
    /// Opens the database at `path`, makes it and its folder if they are not there, and brings older tables up to date.
    /// What is older than `keep` says is removed now and every hour.
    pub(crate) fn open(path: &Path, keep: Keep) -> Result<Self, StorageError> {
        let connection = schema::open_for_writing(path)?;
        let queue = Arc::new(Queue::new(keep));
        let writer = Writer::new(path, connection, Arc::clone(&queue));
        let thread = thread::Builder::new().name("undertone-store".into()).spawn(move || writer.run());
        let writer = thread.map_err(|error| StorageError::new(path, Trouble::Thread(error)))?;
        Ok(Self { path: path.into(), queue, writer: Some(writer) })
    }

    /// Keeps the record of a call that ended, in place of its state. Never waits: when the queue is full the record is
    /// dropped and counted.
    pub(crate) fn record(&self, record: Record, ended_at: SystemTime) {
        self.queue.push(Entry::Record(Box::new(record), ended_at));
    }

    /// Keeps the state of a running call, in place of its earlier state. Never waits.
    pub(crate) fn keep(&self, id: CallId, json: String) {
        self.queue.push(Entry::Keep(id, json));
    }

    /// Forgets the state of a call that leaves no record. Never waits.
    pub(crate) fn forget(&self, id: CallId) {
        self.queue.push(Entry::Forget(id));
    }

    /// Keeps the state of a monitor session, in place of its earlier state. Never waits.
    pub(crate) fn keep_session(&self, id: SessionId, json: String) {
        self.queue.push(Entry::KeepSession(id, json));
    }

    /// Forgets a monitor session. Never waits.
    pub(crate) fn forget_session(&self, id: SessionId) {
        self.queue.push(Entry::ForgetSession(id));
    }

    /// Keeps the state of the recording of a call, in place of its earlier state. Never waits.
    pub(crate) fn keep_recording(&self, id: CallId, json: String) {
        self.queue.push(Entry::KeepRecording(id, json));
    }

    /// Forgets the recording of a call. Never waits.
    pub(crate) fn forget_recording(&self, id: CallId) {
        self.queue.push(Entry::ForgetRecording(id));
    }

    /// Keeps a sign-in, in place of what it was earlier. Never waits.
    pub(crate) fn keep_sign_in(&self, id: SignInId, json: String) {
        self.queue.push(Entry::KeepSignIn(id, json));
    }

    /// Forgets a sign-in. Never waits.
    pub(crate) fn forget_sign_in(&self, id: SignInId) {
        self.queue.push(Entry::ForgetSignIn(id));
    }

    /// Writes a row of the audit, of something that happened at a time. Never waits: when there is no room for it, it is
    /// not taken, and what it would say is not to be done. What was taken is written, however long that takes; what still
    /// is not when the storage is closed goes to the log, in full.
    pub(crate) fn audit(&self, event: Event, at: SystemTime) -> Result<Ticket, AuditFull> {
        self.queue.push_audit(event, at)
    }

    /// Waits until a row of the audit, and all before it, are on the disk. Never ends when they cannot be written: whoever
    /// waits has to know how long.
    pub(crate) fn audited(&self, ticket: Ticket) -> impl Future<Output = ()> + use<> {
        let mut on_disk = self.queue.follow_audit();
        async move {
            // The queue has the sender, which is gone only when nothing is written any more.
            if on_disk.wait_for(|last| *last >= ticket).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// For how long the audit could not be written; `None` when it can. Nobody is to begin to monitor while it cannot.
    pub(crate) fn audit_failing(&self) -> Option<Duration> {
        self.queue.audit_failing()
    }

    /// From now on what is kept is removed at another age.
    pub(crate) fn set_keep(&self, keep: Keep) {
        self.queue.set_keep(keep);
    }

    /// What it has done so far.
    pub(crate) fn counters(&self) -> Counters {
        self.queue.counters()
    }

    /// A connection to read what has been written by now.
    pub(crate) fn reader(&self) -> Result<Reader, StorageError> {
        Reader::open(&self.path)
    }

    /// The states of the calls that were running when the database was last written.
    pub(crate) fn kept(&self) -> Result<Vec<(CallId, String)>, StorageError> {
        self.reader()?.kept()
    }

    /// The states of the monitor sessions that were up when the database was last written.
    pub(crate) fn kept_sessions(&self) -> Result<Vec<String>, StorageError> {
        self.reader()?.kept_sessions()
    }

    /// The sign-ins that there were when the database was last written.
    pub(crate) fn kept_sign_ins(&self) -> Result<Vec<String>, StorageError> {
        self.reader()?.kept_sign_ins()
    }

    /// The calls that were recorded when the database was last written, with the states of their recordings.
    pub(crate) fn kept_recordings(&self) -> Result<Vec<(CallId, String)>, StorageError> {
        self.reader()?.kept_recordings()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A thread that panicked has said so.
            let _ = writer.join();
        }
    }
}
