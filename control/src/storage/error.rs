//! What keeps a database from being opened, read or written.

use std::{
    error::Error as _,
    fmt, io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use crate::failure::Failure;

/// The database at `path` cannot be used.
#[derive(Debug)]
pub(crate) struct StorageError {
    path: PathBuf,
    pub(super) trouble: Trouble,
}

/// Why, by what an operator does about it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its folder or file cannot be made.
    Make(io::Error),
    /// There is none to read.
    Missing,
    /// It cannot be opened.
    Closed,
    /// It is no `SQLite` database.
    NoDatabase,
    /// It belongs to another program.
    Foreign,
    /// A newer version of this program wrote it.
    Newer(i64),
    /// It says that it has the tables of this version, and does not.
    Tables(rusqlite::Error),
    /// Its contents contradict themselves.
    Corrupt,
    /// Another process has it locked.
    Locked,
    /// There is no room on its disk.
    Full,
    /// It may be read only.
    ReadOnly,
    /// The thread that writes cannot be started.
    Thread(io::Error),
    /// Anything else.
    Other(rusqlite::Error),
}

impl StorageError {
    pub(super) fn new(path: &Path, trouble: Trouble) -> Self {
        Self { path: path.into(), trouble }
    }

    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        Self::new(path, Trouble::from(error))
    }

    /// What is wrong, without the way out.
    pub(crate) fn complaint(&self) -> String {
        format!("the database {} {}", self.path.display(), self.trouble)
    }

    /// What to do about it.
    pub(crate) fn way_out(&self) -> String {
        let folder = self.path.parent().unwrap_or(Path::new("/")).display();
        match &self.trouble {
            Trouble::Make(_) => {
                format!("make {folder} belong to the daemon's user, or name another file in storage.path")
            }
            Trouble::Missing => {
                "start the daemon, which makes it, or name the configuration or the file of another".into()
            }
            Trouble::Closed => {
                format!("try as the daemon's user: its file and the folder {folder} are closed to others")
            }
            Trouble::NoDatabase | Trouble::Foreign => "name another file in storage.path, or move this one away".into(),
            Trouble::Newer(_) => "run that version, or move the file away to begin with an empty one".into(),
            Trouble::Tables(_) | Trouble::Corrupt => {
                "move it away to begin with an empty one; `sqlite3 FILE .recover` gets out what can be read".into()
            }
            Trouble::Locked => "end the process that has it open (`fuser` names it)".into(),
            Trouble::Full => format!("make room on the disk of {folder}, or lower the days of [storage]"),
            Trouble::ReadOnly => {
                format!(
                    "make the file and {folder} writable for the daemon's user, and the disk if it is mounted read-only"
                )
            }
            Trouble::Thread(_) => "raise the limit of threads of the daemon's user".into(),
            Trouble::Other(_) => "look at the disk, and at the system's log".into(),
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.complaint(), self.way_out())
    }
}

impl std::error::Error for StorageError {}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::new(error.complaint()).with_way_out(error.way_out())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(error) => write!(formatter, "cannot be made: {error}"),
            Self::Missing => formatter.write_str("is not there"),
            Self::Closed => formatter.write_str("cannot be opened"),
            Self::NoDatabase => formatter.write_str("is no SQLite database"),
            Self::Foreign => formatter.write_str("belongs to another program"),
            Self::Newer(version) => {
                let known = super::schema::VERSION;
                write!(
                    formatter,
                    "was written by a newer Undertone: its tables are version {version}, known is {known}"
                )
            }
            Self::Tables(error) => write!(formatter, "lacks what its version has: {error}"),
            Self::Corrupt => formatter.write_str("is damaged"),
            Self::Locked => formatter.write_str("is locked by another process"),
            Self::Full => formatter.write_str("cannot grow: its disk is full"),
            Self::ReadOnly => formatter.write_str("cannot be written: it is read-only"),
            Self::Thread(error) => write!(formatter, "cannot be written: no thread for it: {error}"),
            Self::Other(error) => {
                write!(formatter, "cannot be used: {error}")?;
                error.source().map_or(Ok(()), |cause| write!(formatter, ": {cause}"))
            }
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NoDatabase,
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::Closed,
            _ => Self::Other(error),
        }
    }
}
