//! The audit in the database: rows that are added behind the last and removed from the front, and nothing else.
//!
//! Triggers refuse every other change, which keeps mistakes out, and no one who may write the file: those the chain of hashes
//! tells ([`audit`](undertone_control_core::audit)). The end of the chain stands in a table of its own, so that a tail that is
//! missing is noticed, and is said in the log from time to time, to be kept elsewhere.

mod read;
mod write;

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use undertone_control_core::audit::Event;

#[cfg(test)]
pub(in crate::storage) use self::read::GUARDS;
pub(crate) use self::read::{AuditFilter, Verification};
pub(super) use self::{
    read::STATEMENTS as READING,
    write::{Chain, STATEMENTS as WRITING},
};

/// Rows that wait at most. The next is not taken, and whoever wanted it written has to do without what it would say.
pub(in crate::storage) const WAITING_MAX: usize = 8_192;
/// How often the end of the chain is said in the log, while it moves.
const HEAD_INTERVAL: Duration = Duration::from_secs(600);

/// The tables, in the third version of the file.
///
/// `audit_anchor` has the last row that was removed from the front, and before that what no other chain begins with;
/// `audit_head` has the last row. Either is one row.
pub(super) const TABLES: &str = "
    CREATE TABLE audit (
        number           INTEGER PRIMARY KEY,
        at               TEXT NOT NULL,
        what             TEXT NOT NULL,
        user             TEXT NOT NULL,
        extension        TEXT NOT NULL,
        via              TEXT NOT NULL,
        address          TEXT NOT NULL,
        target_user      TEXT NOT NULL,
        target_extension TEXT NOT NULL,
        call             TEXT NOT NULL,
        session          TEXT NOT NULL,
        mode             TEXT NOT NULL,
        reason           TEXT NOT NULL,
        details          TEXT NOT NULL,
        hash             TEXT NOT NULL
    ) STRICT;
    CREATE TABLE audit_anchor (
        one    INTEGER PRIMARY KEY CHECK (one = 1),
        number INTEGER NOT NULL,
        hash   TEXT NOT NULL
    ) STRICT;
    CREATE TABLE audit_head (
        one    INTEGER PRIMARY KEY CHECK (one = 1),
        number INTEGER NOT NULL,
        hash   TEXT NOT NULL
    ) STRICT;
    INSERT INTO audit_anchor SELECT 1, 0, lower(hex(randomblob(32)));
    INSERT INTO audit_head SELECT * FROM audit_anchor;

    CREATE TRIGGER audit_follows BEFORE INSERT ON audit
    WHEN new.number IS NOT (SELECT number + 1 FROM audit_head)
    BEGIN SELECT RAISE(ABORT, 'a row of the audit follows the last one'); END;
    CREATE TRIGGER audit_counts AFTER INSERT ON audit
    BEGIN UPDATE audit_head SET number = new.number, hash = new.hash; END;
    CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'a row of the audit is never changed'); END;
    CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
    WHEN old.number > coalesce((SELECT number FROM audit_anchor), 0)
    BEGIN SELECT RAISE(ABORT, 'a row of the audit is removed when it is too old, and the anchor says so'); END;

    CREATE TRIGGER audit_head_follows BEFORE UPDATE ON audit_head
    WHEN new.number IS NOT old.number + 1
        OR NOT EXISTS (SELECT 1 FROM audit WHERE number = new.number AND hash = new.hash)
    BEGIN SELECT RAISE(ABORT, 'the head of the audit is its last row'); END;
    CREATE TRIGGER audit_head_is_kept BEFORE DELETE ON audit_head
    BEGIN SELECT RAISE(ABORT, 'the audit has one head'); END;
    CREATE TRIGGER audit_head_is_one BEFORE INSERT ON audit_head
    BEGIN SELECT RAISE(ABORT, 'the audit has one head'); END;
    CREATE TRIGGER audit_anchor_follows BEFORE UPDATE ON audit_anchor
    WHEN new.number <= old.number
        OR NOT EXISTS (SELECT 1 FROM audit WHERE number = new.number AND hash = new.hash)
    BEGIN SELECT RAISE(ABORT, 'the anchor of the audit is the last row that is removed'); END;
    CREATE TRIGGER audit_anchor_is_kept BEFORE DELETE ON audit_anchor
    BEGIN SELECT RAISE(ABORT, 'the audit has one anchor'); END;
    CREATE TRIGGER audit_anchor_is_one BEFORE INSERT ON audit_anchor
    BEGIN SELECT RAISE(ABORT, 'the audit has one anchor'); END;
";

/// A row that is to be written, by its place among those that this process was told of, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(in crate::storage) u64);

/// Why a row is not taken: so many wait that nobody knows when it would be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit cannot be written: {WAITING_MAX} rows wait for the database")]
pub(crate) struct AuditFull;

/// What is to be written, and when it happened.
#[derive(Debug)]
pub(in crate::storage) struct Pending {
    pub(in crate::storage) event: Box<Event>,
    pub(in crate::storage) at: SystemTime,
}

/// A time as it stands in the audit: text that sorts as times do.
fn at(time: SystemTime) -> String {
    shown(Timestamp::try_from(time).unwrap_or_default())
}

fn shown(time: Timestamp) -> String {
    format!("{time:.9}")
}
