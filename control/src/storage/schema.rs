//! The tables, and opening the file that they are in.
//!
//! `user_version` says which of [`STEPS`] have been taken; `application_id` says that the file is ours. Times are
//! milliseconds since 1970; durations are milliseconds after a call began.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{
    audit,
    error::{StorageError, Trouble},
    reader, writer,
};

/// The version of the tables: the number of [`STEPS`].
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// What makes the tables of each version out of those of the one before.
const STEPS: &[&str] = &[
    "
    CREATE TABLE calls (
        id            TEXT PRIMARY KEY,
        began_at      INTEGER NOT NULL,
        ended_at      INTEGER NOT NULL,
        dialled       TEXT NOT NULL,
        caller_number TEXT NOT NULL,
        caller_name   TEXT NOT NULL,
        caller_peer   TEXT NOT NULL,
        caller_side   TEXT NOT NULL,
        callee_number TEXT NOT NULL,
        callee_name   TEXT NOT NULL,
        callee_peer   TEXT NOT NULL,
        callee_side   TEXT NOT NULL,
        sip_call_id   TEXT NOT NULL,
        rang_ms       INTEGER,
        answered_ms   INTEGER,
        duration_ms   INTEGER NOT NULL,
        status        INTEGER NOT NULL,
        cause         TEXT NOT NULL,
        ended_by      TEXT
    ) STRICT;
    CREATE INDEX calls_by_time    ON calls (began_at, id);
    CREATE INDEX calls_by_dialled ON calls (dialled, began_at, id);
    CREATE INDEX calls_by_caller  ON calls (caller_number, began_at, id);
    CREATE INDEX calls_by_callee  ON calls (callee_number, began_at, id);

    CREATE TABLE streams (
        call      TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
        place     INTEGER NOT NULL,
        sender    TEXT NOT NULL,
        port      TEXT NOT NULL,
        packets   INTEGER NOT NULL,
        bytes     INTEGER NOT NULL,
        lost      INTEGER NOT NULL,
        jitter_ms REAL NOT NULL,
        mos       REAL,
        PRIMARY KEY (call, place)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE live_calls (
        id         TEXT PRIMARY KEY,
        state      TEXT NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE calls ADD COLUMN caller_extension TEXT NOT NULL DEFAULT '';
    ALTER TABLE calls ADD COLUMN caller_user      TEXT NOT NULL DEFAULT '';
    ALTER TABLE calls ADD COLUMN callee_extension TEXT NOT NULL DEFAULT '';
    ALTER TABLE calls ADD COLUMN callee_user      TEXT NOT NULL DEFAULT '';
    CREATE INDEX calls_by_caller_extension ON calls (caller_extension, began_at, id);
    CREATE INDEX calls_by_callee_extension ON calls (callee_extension, began_at, id);
",
    audit::TABLES,
    "
    CREATE TABLE live_sessions (
        id         TEXT PRIMARY KEY,
        state      TEXT NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE live_recordings (
        id         TEXT PRIMARY KEY,
        state      TEXT NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE sign_ins (
        id         TEXT PRIMARY KEY,
        state      TEXT NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];

/// `Uton`, in the file's header.
const APPLICATION_ID: i64 = 0x5574_6f6e;
/// How long to wait for another process to let go of the file.
const BUSY_WAIT: Duration = Duration::from_millis(250);
/// What the journal shrinks to after it had to grow.
const JOURNAL_BYTES_MAX: u32 = 64 << 20;

/// Opens the file for the one who writes it, and makes it or brings it up to date if that is to be done.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StorageError> {
    make(path).map_err(|error| StorageError::new(path, Trouble::Make(error)))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> Result<Connection, Trouble> {
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        if version(&connection)? < VERSION {
            migrate(&mut connection)?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        prepare(&connection, writer::STATEMENTS)?;
        prepare(&connection, audit::WRITING)?;
        Ok(connection)
    };
    open().map_err(|trouble| StorageError::new(path, trouble))
}

/// Opens the file for one who reads.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> Result<Connection, Trouble> {
        if !path.try_exists().map_err(|_| Trouble::Closed)? {
            return Err(Trouble::Missing);
        }
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        match version(&connection)? {
            // The daemon has yet to bring it up to date.
            older if older < VERSION => return Err(Trouble::Missing),
            _ => {
                prepare(&connection, reader::statements())?;
                prepare(&connection, audit::READING)?;
            }
        }
        Ok(connection)
    };
    open().map_err(|trouble| StorageError::new(path, trouble))
}

/// Makes the folder and an empty file. Both are their owner's alone: they say who spoke with whom.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The version of the tables; 0 for a file without any.
fn version(connection: &Connection) -> Result<i64, Trouble> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    let is_empty = || connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get::<_, bool>(0));
    match (version, application) {
        (0, 0) if is_empty()? => Ok(0),
        (1.., APPLICATION_ID) if version > VERSION => Err(Trouble::Newer(version)),
        (1.., APPLICATION_ID) => Ok(version),
        _ => Err(Trouble::Foreign),
    }
}

/// Brings the tables up to date, all or nothing.
fn migrate(connection: &mut Connection) -> Result<(), Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Now that nobody else writes: another process may have been faster.
    let from = version(&transaction)?;
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

/// Every statement makes sense, so the tables have what they name.
fn prepare<S: AsRef<str>>(connection: &Connection, statements: impl IntoIterator<Item = S>) -> Result<(), Trouble> {
    let prepared = statements.into_iter().try_for_each(|sql| connection.prepare(sql.as_ref()).map(drop));
    prepared.map_err(|error| match Trouble::from(error) {
        Trouble::Other(error) => Trouble::Tables(error),
        known => known,
    })
}
