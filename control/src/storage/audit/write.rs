//! Adding rows, and removing old ones.

use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter, types::ToSqlOutput};
use tracing::{error, info};
use undertone_control_core::audit::{By, Event, Head, Row, What};

use super::{HEAD_INTERVAL, Pending, at};
use crate::storage::past::whole;

/// Rows removed in one transaction.
const CUT_MAX: u64 = 10_000;
/// Rows are removed when the oldest is this much too old, so that a day has one row that says so.
const CUT_SLACK: Duration = Duration::from_secs(86_400);

/// All that is ever asked of the writing connection.
pub(in crate::storage) const STATEMENTS: [&str; 7] = [HEAD, INSERT, OLDEST, FIRST_KEPT, ROW_HASH, SET_ANCHOR, CUT];

const HEAD: &str = "SELECT number, hash FROM audit_head";
const INSERT: &str = "\
    INSERT INTO audit (
        number, at, what, user, extension, via, address, target_user, target_extension, call, session, mode, reason,
        details, hash
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const OLDEST: &str = "SELECT number, at FROM audit ORDER BY number LIMIT 1";
/// The first row that is young enough. Older ones behind it, of a clock that went back, stay with it.
const FIRST_KEPT: &str = "SELECT coalesce(min(number), 0) FROM audit WHERE at >= ?1";
const ROW_HASH: &str = "SELECT hash FROM audit WHERE number = ?1";
const SET_ANCHOR: &str = "UPDATE audit_anchor SET number = ?1, hash = ?2";
const CUT: &str = "DELETE FROM audit WHERE number <= ?1";

/// What the writer knows of the chain.
#[derive(Debug, Default)]
pub(in crate::storage) struct Chain {
    /// The end that was said in the log, and when.
    told: Option<(Head, Instant)>,
    /// When another one is to be said.
    due: Option<Instant>,
}

impl Chain {
    /// Adds a row for each of these, all or none. Returns the end of the chain.
    ///
    /// They are on the disk when it returns: a machine that loses power a moment later has them.
    pub(in crate::storage) fn append(connection: &mut Connection, pending: &[Pending]) -> rusqlite::Result<Head> {
        durably(connection, |transaction| {
            let mut end = head(transaction)?;
            for Pending { event, at: happened } in pending {
                end = insert(transaction, event, at(*happened), &end)?;
            }
            Ok(end)
        })
    }

    /// Removes rows from the front that happened before a time, with a row that says so. Returns how many; nothing is done
    /// when the oldest is younger than that by less than a day. There may be more.
    pub(in crate::storage) fn cut(connection: &mut Connection, before: SystemTime) -> rusqlite::Result<u64> {
        let oldest = {
            let mut statement = connection.prepare_cached(OLDEST)?;
            let mut rows = statement.query([])?;
            rows.next()?
                .map(|row| Ok::<_, rusqlite::Error>((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
                .transpose()?
        };
        let Some((first, oldest)) = oldest.filter(|(_, oldest)| *oldest < at(before - CUT_SLACK)) else { return Ok(0) };
        durably(connection, |transaction| {
            let mut end = head(transaction)?;
            let kept: i64 = transaction.prepare_cached(FIRST_KEPT)?.query_one([at(before)], |row| row.get(0))?;
            let last = if kept == 0 { whole(end.number) } else { kept - 1 };
            let last = last.min(first.saturating_add(whole(CUT_MAX) - 1));
            let hash: String = transaction.prepare_cached(ROW_HASH)?.query_one([last], |row| row.get(0))?;
            let anchor = Head { number: last.unsigned_abs(), hash: parsed(&hash)? };
            transaction.prepare_cached(SET_ANCHOR)?.execute((last, &hash))?;
            let removed = transaction.prepare_cached(CUT)?.execute([last])? as u64;
            let event = Event { reason: anchor.to_string(), ..Event::new(What::RowsRemoved, By::node()) };
            let event = event.with("rows", removed).with("oldest", oldest).with("before", at(before));
            end = insert(transaction, &event, at(SystemTime::now()), &end)?;
            info!(rows = removed, up_to = %anchor, head = %end, "rows of the audit are too old and were removed");
            Ok(removed)
        })
    }

    /// Says the end of the chain in the log, so that it is kept where nobody who can change the file can change it, too.
    ///
    /// Unless it is to be at once, not again before some time has gone by; [`due`](Self::due) says when.
    pub(in crate::storage) fn tell(&mut self, connection: &Connection, at_once: bool) {
        let now = Instant::now();
        let next = self.told.map_or(now, |(_, at)| at + HEAD_INTERVAL);
        if now < next && !at_once {
            self.due = Some(next);
            return;
        }
        self.due = None;
        match head(connection) {
            Ok(head) if self.told.is_none_or(|(told, _)| told != head) => {
                info!(%head, "the end of the audit: `undertone audit verify --head` finds out later whether it is still there");
                self.told = Some((head, now));
            }
            Ok(_) => {}
            Err(error) => error!(%error, "the end of the audit cannot be read"),
        }
    }

    /// When the end is to be said in the log.
    pub(in crate::storage) const fn due(&self) -> Option<Instant> {
        self.due
    }
}

/// Does something in a transaction that is on the disk when it is over. Others are soon.
fn durably<T>(
    connection: &mut Connection,
    act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let outcome = (|| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = act(&transaction)?;
        transaction.commit()?;
        Ok(done)
    })();
    // What was committed is, whatever becomes of this; at worst the others are durable too.
    let _ = connection.pragma_update(None, "synchronous", "NORMAL");
    outcome
}

fn head(connection: &Connection) -> rusqlite::Result<Head> {
    connection.prepare_cached(HEAD)?.query_one([], read_head)
}

/// A head of two columns: number and hash.
pub(super) fn read_head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    let hash: String = row.get(1)?;
    Ok(Head { number: row.get::<_, i64>(0)?.unsigned_abs(), hash: parsed(&hash)? })
}

/// A hash as it stands in a column.
pub(super) fn parsed(hash: &str) -> rusqlite::Result<undertone_control_core::audit::Hash> {
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error));
    hash.parse().map_err(wrong)
}

fn insert(connection: &Connection, event: &Event, at: String, behind: &Head) -> rusqlite::Result<Head> {
    let row = Row::seal(event, at, behind);
    let hash = row.hash.to_string();
    let number = [ToSqlOutput::from(whole(row.number))];
    let texts = row.fields().into_iter().chain([hash.as_str()]).map(ToSqlOutput::from);
    connection.prepare_cached(INSERT)?.execute(params_from_iter(number.into_iter().chain(texts)))?;
    Ok(row.head())
}
