//! Looking at what was written.

use std::{
    path::{Path, PathBuf},
    vec,
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, named_params};
use undertone_control_core::call::CallId;

use super::{
    error::StorageError,
    past::{CALL_COLUMNS, PastCall, PastStream, STREAM_COLUMNS},
    schema,
};

/// Calls read at once. Between pages nothing keeps the writer from tidying up behind itself.
pub(super) const PAGE: usize = 500;

/// The database, open for reading.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    connection: Connection,
}

/// Which calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Those that began then or later.
    pub(crate) since: Option<Timestamp>,
    /// Those that began earlier.
    pub(crate) until: Option<Timestamp>,
    /// Those in which this number or extension called, was dialled, or was reached.
    pub(crate) number: Option<String>,
    /// Those with a party at this peer.
    pub(crate) peer: Option<String>,
    /// The newest of them.
    pub(crate) limit: Option<usize>,
}

/// The calls that a filter lets through, the newest first.
#[derive(Debug)]
pub(crate) struct Calls<'r> {
    reader: &'r Reader,
    filter: Filter,
    /// How many may still come.
    left: usize,
    page: vec::IntoIter<PastCall>,
    /// Where the next page begins: below this time, or at it and below this name. `None` when there is no next page.
    below: Option<(i64, String)>,
}

impl Reader {
    /// Opens the database at `path`, which has to be there.
    pub(crate) fn open(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { path: path.into(), connection: schema::open_for_reading(path)? })
    }

    /// The calls that `filter` lets through, the newest first, read as they are asked for.
    pub(crate) fn calls(&self, filter: Filter) -> Calls<'_> {
        let until = filter.until.map_or(i64::MAX, Timestamp::as_millisecond);
        let left = filter.limit.unwrap_or(usize::MAX);
        // No name is less than the empty one: the time itself is left out.
        Calls { reader: self, filter, left, page: Vec::new().into_iter(), below: Some((until, String::new())) }
    }

    /// One call.
    pub(crate) fn call(&self, id: CallId) -> Result<Option<PastCall>, StorageError> {
        self.query(|connection| {
            let mut statement = connection.prepare_cached(&call_sql())?;
            let call = statement.query_one([id.to_string()], PastCall::read).optional()?;
            call.map(|call| with_streams(connection, call)).transpose()
        })
    }

    /// The states of the calls that were running.
    pub(crate) fn kept(&self) -> Result<Vec<(CallId, String)>, StorageError> {
        self.kept_by(KEPT)
    }

    /// The states of the monitor sessions that were up.
    pub(crate) fn kept_sessions(&self) -> Result<Vec<String>, StorageError> {
        self.states(KEPT_SESSIONS)
    }

    /// The sign-ins that there were.
    pub(crate) fn kept_sign_ins(&self) -> Result<Vec<String>, StorageError> {
        self.states(KEPT_SIGN_INS)
    }

    fn states(&self, sql: &str) -> Result<Vec<String>, StorageError> {
        self.query(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// The calls that were recorded, with the states of their recordings.
    pub(crate) fn kept_recordings(&self) -> Result<Vec<(CallId, String)>, StorageError> {
        self.kept_by(KEPT_RECORDINGS)
    }

    fn kept_by(&self, sql: &str) -> Result<Vec<(CallId, String)>, StorageError> {
        let states: Vec<(String, String)> = self.query(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        Ok(states.into_iter().filter_map(|(id, state)| Some((id.parse().ok()?, state))).collect())
    }

    pub(super) fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StorageError> {
        query(&self.connection).map_err(|error| StorageError::of(&self.path, error))
    }

    fn page(&self, filter: &Filter, below: &(i64, String), count: usize) -> Result<Vec<PastCall>, StorageError> {
        let sql = if filter.number.is_some() { page_by_number_sql() } else { page_sql() };
        self.query(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            // All calls of a page, with their streams, are of one moment.
            let moment = connection.unchecked_transaction()?;
            let parameters = named_params! {
                ":since": filter.since.map_or(i64::MIN, Timestamp::as_millisecond),
                ":below_time": below.0,
                ":below_id": below.1,
                ":peer": filter.peer,
                ":limit": i64::try_from(count).unwrap_or(i64::MAX),
            };
            for (name, value) in parameters {
                statement.raw_bind_parameter(*name, value)?;
            }
            if let Some(number) = &filter.number {
                statement.raw_bind_parameter(":number", number)?;
            }
            let calls: Vec<_> = statement.raw_query().mapped(PastCall::read).collect::<Result<_, _>>()?;
            let calls = calls.into_iter().map(|call| with_streams(&moment, call)).collect();
            moment.finish()?;
            calls
        })
    }
}

impl Iterator for Calls<'_> {
    type Item = Result<PastCall, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0
            && let Err(error) = self.turn()
        {
            return Some(Err(error));
        }
        self.page.next().map(Ok)
    }
}

impl Calls<'_> {
    /// Turns to the next page. After an error there is none.
    fn turn(&mut self) -> Result<(), StorageError> {
        let count = self.left.min(PAGE);
        let Some(below) = self.below.take().filter(|_| count > 0) else { return Ok(()) };
        let page = self.reader.page(&self.filter, &below, count)?;
        let last = page.last().filter(|_| page.len() == count);
        self.below = last.map(|call| (call.began_at.as_millisecond(), call.id.clone()));
        self.left -= page.len();
        self.page = page.into_iter();
        Ok(())
    }
}

fn with_streams(connection: &Connection, call: PastCall) -> rusqlite::Result<PastCall> {
    let mut statement = connection.prepare_cached(&streams_sql())?;
    let streams = statement.query_map([&call.id], PastStream::read)?.collect::<Result<_, _>>()?;
    Ok(PastCall { streams, ..call })
}

/// All that is ever asked of a reading connection.
pub(super) fn statements() -> [String; 8] {
    let kept = [KEPT, KEPT_SESSIONS, KEPT_RECORDINGS, KEPT_SIGN_INS].map(str::to_owned);
    let [calls, sessions, recordings, sign_ins] = kept;
    [page_sql(), page_by_number_sql(), call_sql(), streams_sql(), calls, sessions, recordings, sign_ins]
}

const KEPT: &str = "SELECT id, state FROM live_calls ORDER BY id";
const KEPT_RECORDINGS: &str = "SELECT id, state FROM live_recordings ORDER BY id";
const KEPT_SESSIONS: &str = "SELECT state FROM live_sessions ORDER BY id";
const KEPT_SIGN_INS: &str = "SELECT state FROM sign_ins ORDER BY id";
/// What a page has, numbers left aside, in its order.
const IN_PAGE: &str = "\
    began_at >= :since AND (began_at, id) < (:below_time, :below_id) \
    AND (:peer IS NULL OR caller_peer = :peer OR callee_peer = :peer) \
    ORDER BY began_at DESC, id DESC LIMIT :limit";

fn page_sql() -> String {
    format!("SELECT {CALL_COLUMNS} FROM calls WHERE {IN_PAGE}")
}

/// Each column that a number may stand in has an index in the order of a page, and gives the newest that it has.
fn page_by_number_sql() -> String {
    let newest =
        |column: &str| format!("SELECT * FROM (SELECT rowid FROM calls WHERE {column} = :number AND {IN_PAGE})");
    let newest = ["dialled", "caller_number", "callee_number", "caller_extension", "callee_extension"]
        .map(newest)
        .join(" UNION ");
    format!("SELECT {CALL_COLUMNS} FROM calls WHERE rowid IN ({newest}) ORDER BY began_at DESC, id DESC LIMIT :limit")
}

fn call_sql() -> String {
    format!("SELECT {CALL_COLUMNS} FROM calls WHERE id = ?1")
}

fn streams_sql() -> String {
    format!("SELECT {STREAM_COLUMNS} FROM streams WHERE call = ?1 ORDER BY place")
}
