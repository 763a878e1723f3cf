//! A call as the database has it.

use std::time::SystemTime;

use jiff::Timestamp;
use rusqlite::Row;
use serde::{Serialize, Serializer};
use undertone_control_core::call::{Record, Role, StreamRecord};

use crate::protocol::side;

/// Columns of [`PastCall`], in the order in which [`PastCall::read`] takes them.
pub(super) const CALL_COLUMNS: &str = "\
    id, began_at, ended_at, dialled, \
    caller_number, caller_name, caller_peer, caller_side, \
    callee_number, callee_name, callee_peer, callee_side, \
    sip_call_id, rang_ms, answered_ms, duration_ms, status, cause, ended_by, \
    caller_extension, caller_user, callee_extension, callee_user";
/// Columns of [`PastStream`], likewise.
pub(super) const STREAM_COLUMNS: &str = "sender, port, packets, bytes, lost, jitter_ms, mos";

/// A call that is over. Durations are milliseconds after it began.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PastCall {
    /// Its name, in hexadecimal digits.
    pub(crate) id: String,
    /// When it began.
    #[serde(serialize_with = "rfc3339")]
    pub(crate) began_at: Timestamp,
    /// When it ended.
    #[serde(serialize_with = "rfc3339")]
    pub(crate) ended_at: Timestamp,
    /// The number that was dialled.
    pub(crate) dialled: String,
    /// Who called.
    pub(crate) caller: PastParty,
    /// Who was called.
    pub(crate) callee: PastParty,
    /// The caller's Call-ID header.
    pub(crate) sip_call_id: String,
    /// When the callee was first heard of.
    pub(crate) rang_ms: Option<i64>,
    /// When the callee answered.
    pub(crate) answered_ms: Option<i64>,
    /// When it ended.
    pub(crate) duration_ms: i64,
    /// How it ended, as a SIP status.
    pub(crate) status: u16,
    /// The same in words.
    pub(crate) cause: String,
    /// Who ended it, `caller` or `callee`; `None` for us.
    pub(crate) ended_by: Option<String>,
    /// How its streams were.
    pub(crate) streams: Vec<PastStream>,
}

/// A party of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PastParty {
    /// Its number.
    pub(crate) number: String,
    /// Its extension; empty where it has none.
    pub(crate) extension: String,
    /// Its display name, or that of the user.
    pub(crate) name: String,
    /// The user whose extension it is; empty where it is nobody's.
    pub(crate) user: String,
    /// The peer that it was at; empty where none was reached.
    pub(crate) peer: String,
    /// The peer's side, `on-net` or `off-net`.
    pub(crate) side: String,
}

/// A stream of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PastStream {
    /// Who sent it, `caller` or `callee`.
    pub(crate) from: String,
    /// The media port that it came to.
    pub(crate) port: String,
    /// Packets that came.
    pub(crate) packets: i64,
    /// Bytes of them.
    pub(crate) bytes: i64,
    /// Packets that did not.
    pub(crate) lost: i64,
    /// Jitter at the end (RFC 3550).
    pub(crate) jitter_ms: f64,
    /// Mean opinion score, 1 to 4.5.
    pub(crate) mos: Option<f64>,
}

impl PastCall {
    /// What the database will have of a call that ended at a time.
    pub(crate) fn new(record: &Record, ended_at: SystemTime) -> Self {
        let ended_at = unix_ms(ended_at);
        let duration_ms = ms(record.lasted_ns);
        let party = |role: Role| PastParty::new(record, role);
        Self {
            id: record.id.to_string(),
            began_at: time(ended_at.saturating_sub(duration_ms)),
            ended_at: time(ended_at),
            dialled: record.dialled.clone(),
            caller: party(Role::Caller),
            callee: party(Role::Callee),
            sip_call_id: record.sip_call_id.clone(),
            rang_ms: record.rang_ns.map(ms),
            answered_ms: record.answered_ns.map(ms),
            duration_ms,
            status: record.cause.status,
            cause: record.cause.text.clone(),
            ended_by: record.cause.by.map(|role| role.key().into()),
            streams: record.streams.iter().map(PastStream::new).collect(),
        }
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            began_at: time(row.get(1)?),
            ended_at: time(row.get(2)?),
            dialled: row.get(3)?,
            caller: PastParty::read(row, 4, 19)?,
            callee: PastParty::read(row, 8, 21)?,
            sip_call_id: row.get(12)?,
            rang_ms: row.get(13)?,
            answered_ms: row.get(14)?,
            duration_ms: row.get(15)?,
            status: row.get(16)?,
            cause: row.get(17)?,
            ended_by: row.get(18)?,
            streams: Vec::new(),
        })
    }

    /// How long the parties spoke; `None` when they did not.
    pub(crate) fn talk_ms(&self) -> Option<i64> {
        self.answered_ms.map(|answered_ms| self.duration_ms - answered_ms)
    }

    /// The worst score of its streams.
    pub(crate) fn mos(&self) -> Option<f64> {
        self.streams.iter().filter_map(|stream| stream.mos).min_by(f64::total_cmp)
    }
}

impl PastParty {
    fn new(record: &Record, role: Role) -> Self {
        let ([caller, callee], [caller_peer, callee_peer], [caller_side, callee_side]) =
            (&record.parties, &record.peers, record.sides);
        let (party, peer, of) = match role {
            Role::Caller => (caller, caller_peer, caller_side),
            Role::Callee => (callee, callee_peer, callee_side),
        };
        Self {
            number: party.number.clone(),
            extension: party.extension.clone(),
            name: party.name.clone(),
            user: party.user.clone(),
            peer: peer.clone(),
            side: side(of).into(),
        }
    }

    /// Reads it from two places of a row: its columns of the first version of the tables, and of the second.
    fn read(row: &Row<'_>, first: usize, second: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(first)?,
            extension: row.get(second)?,
            name: row.get(first + 1)?,
            user: row.get(second + 1)?,
            peer: row.get(first + 2)?,
            side: row.get(first + 3)?,
        })
    }
}

impl PastStream {
    fn new(it: &StreamRecord) -> Self {
        let finite = |value: &f64| value.is_finite();
        Self {
            from: it.from.key().into(),
            port: it.at.to_string(),
            packets: whole(it.packets),
            bytes: whole(it.bytes),
            lost: whole(it.lost),
            jitter_ms: Some(it.jitter_ms).filter(finite).unwrap_or(0.0),
            mos: it.mos.filter(finite),
        }
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            from: row.get(0)?,
            port: row.get(1)?,
            packets: row.get(2)?,
            bytes: row.get(3)?,
            lost: row.get(4)?,
            jitter_ms: row.get(5)?,
            mos: row.get(6)?,
        })
    }
}

/// A time as it is shown: RFC 3339, UTC, with milliseconds.
pub(crate) fn shown(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Milliseconds since 1970; 0 for times before.
pub(super) fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn ms(ns: u64) -> i64 {
    whole(ns / 1_000_000)
}

/// A number as the database has them.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time of the database; one that no calendar has is 1970.
fn time(unix_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms).unwrap_or_default()
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}
