//! The storage over real files.

mod audit;
mod open;
mod reading;
mod trouble;

use std::{
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use rusqlite::Connection;
use tempfile::TempDir;
use undertone_control_core::{
    call::{Cause, PartyName, Role, StreamRecord},
    trunk::Side,
};

use super::*;

/// 2026-11-26T08:00:00Z.
const MORNING_MS: u64 = 1_795_680_000_000;
/// So long that no record of these tests is too old.
const KEEP: Keep = Keep { records_days: 36_525, audit_days: 36_525 };
/// How long to wait for what is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a database.
struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { path: folder.path().join("state/undertone.db"), _folder: folder }
    }

    fn open(&self) -> Storage {
        Storage::open(&self.path, KEEP).expect("it opens")
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path).expect("it can be read")
    }

    /// Another process at the same file.
    fn other(&self) -> Connection {
        Connection::open(&self.path).expect("another connection")
    }

    /// The names of the calls that a filter lets through.
    fn names(&self, filter: Filter) -> Vec<u64> {
        let name = |call: PastCall| u64::from_str_radix(&call.id, 16).expect("a name");
        self.reader().calls(filter).map(|call| name(call.expect("read"))).collect()
    }

    fn count(&self, table: &str) -> i64 {
        self.other().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counted")
    }
}

/// Some minutes after a certain morning.
fn minute(minutes: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(MORNING_MS) + Duration::from_secs(60 * minutes)
}

/// A call of 61.5 seconds.
fn record(id: u64) -> Record {
    let party =
        |number: &str, name: &str| PartyName { number: number.into(), name: name.into(), ..PartyName::default() };
    let stream = |from, at: &str, mos| StreamRecord {
        from,
        at: at.parse().expect("a port"),
        packets: 3_000,
        bytes: 516_000,
        lost: 2,
        jitter_ms: 1.25,
        mos,
    };
    Record {
        id: CallId(id),
        dialled: "4711".into(),
        parties: [
            party("+4930123", "Ada, \"Countess\""),
            PartyName { extension: "204".into(), user: "bob".into(), ..party("200", "") },
        ],
        peers: ["carrier".into(), "pbx".into()],
        sides: [Side::OffNet, Side::OnNet],
        sip_call_id: "a84b4c76e66710@carrier.example".into(),
        lasted_ns: 61_500_000_000,
        rang_ns: Some(120_000_000),
        answered_ns: Some(1_500_000_000),
        cause: Cause { status: 200, text: "OK".into(), by: Some(Role::Callee) },
        streams: vec![
            stream(Role::Caller, "192.0.2.10:20000", Some(4.4)),
            stream(Role::Callee, "[2001:db8::10]:20002", None),
        ],
    }
}

/// Waits until something is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Waits until nothing waits to be written.
fn settle(storage: &Storage) {
    wait_until("everything is written", || storage.counters().queued == 0);
}
