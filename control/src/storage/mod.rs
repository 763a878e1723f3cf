//! Call records and the state of running calls, in a database on this host.
//!
//! [`Storage`] takes what is to be kept and never makes its caller wait: a [`Queue`] holds it until the one
//! thread that owns the writing connection ([`Writer`]) has committed it, however long the database is locked
//! or its disk full. [`Reader`] looks at the same file through a connection of its own, from any process. The tables are in
//! [`schema`].

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
    time::SystemTime,
};

use undertone_control_core::call::{CallId, Record};

#[cfg(test)]
pub(crate) use self::counters::Latency;
pub(crate) use self::{
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

impl Storage {
    /// Opens the database at `path`, makes it and its folder if they are not there, and brings older tables up to date.
    /// Records that are older than `keep_days` are removed now and every hour.
    pub(crate) fn open(path: &Path, keep_days: u32) -> Result<Self, StorageError> {
        let connection = schema::open_for_writing(path)?;
        let queue = Arc::new(Queue::new(keep_days));
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

    /// From now on records are removed at another age.
    pub(crate) fn set_keep_days(&self, keep_days: u32) {
        self.queue.set_keep_days(keep_days);
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
