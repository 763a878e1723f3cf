//! Looking at what was written.

use std::vec;

use jiff::Timestamp;
use rusqlite::{Connection, named_params};
use undertone_control_core::audit::{Hash, Head, Row, Verified, Verifier};

use super::{shown, write};
use crate::storage::{error::StorageError, reader::Reader};

/// Rows read at once. Between pages nothing keeps the writer from tidying up behind itself.
pub(in crate::storage) const PAGE: usize = 500;

/// The triggers that refuse changes.
pub(in crate::storage) const GUARDS: [&str; 10] = [
    "audit_anchor_follows",
    "audit_anchor_is_kept",
    "audit_anchor_is_one",
    "audit_counts",
    "audit_follows",
    "audit_head_follows",
    "audit_head_is_kept",
    "audit_head_is_one",
    "audit_is_kept",
    "audit_stays",
];

/// Which rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    /// Those that happened then or later.
    pub(crate) since: Option<Timestamp>,
    /// Those that happened earlier.
    pub(crate) until: Option<Timestamp>,
    /// What this user, extension or address has done, and not what was done to it.
    pub(crate) who: Option<String>,
    /// Those of this user, whether they did it or it concerns them.
    pub(crate) user: Option<String>,
    /// Those of this extension, likewise.
    pub(crate) extension: Option<String>,
    /// Those of this kind.
    pub(crate) what: Option<String>,
    /// Those of calls whose name begins so.
    pub(crate) call: Option<String>,
    /// Those of monitor sessions whose name begins so.
    pub(crate) session: Option<String>,
    /// Those in front of this row, which is as a page goes on behind another one.
    pub(crate) before: Option<u64>,
    /// At most so many.
    pub(crate) limit: Option<usize>,
    /// The oldest first, instead of the newest.
    pub(crate) oldest_first: bool,
}

/// What there is to say of the audit.
#[derive(Clone, Debug)]
pub(crate) struct Verification {
    /// Of its rows.
    pub(crate) chain: Verified,
    /// The triggers that are missing.
    pub(crate) unguarded: Vec<&'static str>,
}

/// The rows that a filter lets through.
#[derive(Debug)]
pub(crate) struct AuditRows<'r> {
    reader: &'r Reader,
    filter: AuditFilter,
    /// How many may still come.
    left: usize,
    page: vec::IntoIter<Row>,
    /// The number that the next page begins behind. `None` when there is no next page.
    behind: Option<i64>,
}

impl Reader {
    /// The rows of the audit that `filter` lets through, read as they are asked for.
    pub(crate) fn audit(&self, filter: AuditFilter) -> AuditRows<'_> {
        let left = filter.limit.unwrap_or(usize::MAX);
        let before = filter.before.map_or(i64::MAX, |row| i64::try_from(row).unwrap_or(i64::MAX));
        let behind = Some(if filter.oldest_first { -1 } else { before });
        AuditRows { reader: self, filter, left, page: Vec::new().into_iter(), behind }
    }

    /// The last row of the audit.
    pub(crate) fn audit_head(&self) -> Result<Head, StorageError> {
        self.query(|connection| connection.prepare_cached(HEAD)?.query_one([], write::read_head))
    }

    /// Goes through the whole audit, at one moment of it, and looks for heads that were kept elsewhere.
    pub(crate) fn verify_audit(&self, known: &[Head]) -> Result<Verification, StorageError> {
        self.query(|connection| {
            let moment = connection.unchecked_transaction()?;
            let anchor = moment.prepare_cached(ANCHOR)?.query_one([], write::read_head)?;
            let mut verifier = Verifier::new(anchor, known.iter().copied());
            {
                let mut statement = moment.prepare_cached(ALL)?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    verifier.row(&read(row)?);
                }
            }
            let head = moment.prepare_cached(HEAD)?.query_one([], write::read_head)?;
            let unguarded = unguarded(&moment)?;
            moment.finish()?;
            Ok(Verification { chain: verifier.finish(head), unguarded })
        })
    }

    fn audit_page(&self, filter: &AuditFilter, behind: i64, count: usize) -> Result<Vec<Row>, StorageError> {
        let sql = if filter.oldest_first { UPWARDS } else { DOWNWARDS };
        self.query(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let parameters = named_params! {
                ":behind": behind,
                ":since": filter.since.map(shown),
                ":until": filter.until.map(shown),
                ":before": filter.before.map(|row| i64::try_from(row).unwrap_or(i64::MAX)),
                ":who": filter.who,
                ":user": filter.user,
                ":extension": filter.extension,
                ":what": filter.what,
                ":call": filter.call,
                ":session": filter.session,
                ":limit": i64::try_from(count).unwrap_or(i64::MAX),
            };
            statement.query_map(parameters, read)?.collect()
        })
    }
}

impl Verification {
    /// Whether nothing is wrong.
    pub(crate) fn is_whole(&self) -> bool {
        self.chain.is_whole() && self.unguarded.is_empty()
    }
}

impl Iterator for AuditRows<'_> {
    type Item = Result<Row, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0
            && let Err(error) = self.turn()
        {
            return Some(Err(error));
        }
        self.page.next().map(Ok)
    }
}

impl AuditRows<'_> {
    /// Turns to the next page. After an error there is none.
    fn turn(&mut self) -> Result<(), StorageError> {
        let count = self.left.min(PAGE);
        let Some(behind) = self.behind.take().filter(|_| count > 0) else { return Ok(()) };
        let page = self.reader.audit_page(&self.filter, behind, count)?;
        let last = page.last().filter(|_| page.len() == count);
        self.behind = last.map(|row| i64::try_from(row.number).unwrap_or(i64::MAX));
        self.left -= page.len();
        self.page = page.into_iter();
        Ok(())
    }
}

fn unguarded(connection: &Connection) -> rusqlite::Result<Vec<&'static str>> {
    let mut statement = connection.prepare_cached(GUARDED)?;
    let there: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(GUARDS.into_iter().filter(|guard| !there.iter().any(|name| name == guard)).collect())
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        at: text(row, 1)?,
        what: text(row, 2)?,
        user: text(row, 3)?,
        extension: text(row, 4)?,
        via: text(row, 5)?,
        address: text(row, 6)?,
        target_user: text(row, 7)?,
        target_extension: text(row, 8)?,
        call: text(row, 9)?,
        session: text(row, 10)?,
        mode: text(row, 11)?,
        reason: text(row, 12)?,
        details: text(row, 13)?,
        // What is no hash is that of no row, which the chain tells.
        hash: text(row, 14)?.parse().unwrap_or(Hash([0; 32])),
    })
}

/// A text, whatever somebody has made of it.
fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

/// All that is ever asked of a reading connection.
pub(in crate::storage) const STATEMENTS: [&str; 6] = [HEAD, ANCHOR, ALL, UPWARDS, DOWNWARDS, GUARDED];

macro_rules! rows {
    ($($which:literal)+) => {
        concat!(
            "SELECT number, at, what, user, extension, via, address, target_user, target_extension, call, session, mode, ",
            "reason, details, hash FROM audit ",
            $($which),+
        )
    };
}

macro_rules! page {
    ($from:literal $order:literal) => {
        rows!(
            "WHERE " $from
            " AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)"
            " AND (:before IS NULL OR number < :before)"
            " AND (:who IS NULL OR :who IN (user, extension, address))"
            " AND (:user IS NULL OR user = :user OR target_user = :user)"
            " AND (:extension IS NULL OR extension = :extension OR target_extension = :extension)"
            " AND (:what IS NULL OR what = :what)"
            " AND (:call IS NULL OR substr(call, 1, length(:call)) = :call)"
            " AND (:session IS NULL OR substr(session, 1, length(:session)) = :session)"
            " ORDER BY " $order " LIMIT :limit"
        )
    };
}

const HEAD: &str = "SELECT number, hash FROM audit_head";
const ANCHOR: &str = "SELECT number, hash FROM audit_anchor";
const ALL: &str = rows!("ORDER BY number");
const UPWARDS: &str = page!("number > :behind" "number");
const DOWNWARDS: &str = page!("number < :behind" "number DESC");
const GUARDED: &str = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'audit_%'";
