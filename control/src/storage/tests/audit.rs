//! The audit: what is written stays, and what does not is noticed.

use std::{fs, thread::scope};

use rusqlite::params;
use undertone_control_core::{
    audit::{By, Event, Fault, Head, On, Row, What},
    monitor::SessionId,
    permission::Via,
};
use undertone_core::mixer::Mode;

use super::*;
use crate::storage::audit::{GUARDS, WAITING_MAX};

/// What a supervisor did.
fn event(session: u64, what: What) -> Event {
    let by = By { user: "ann".into(), extension: "200".into(), via: Via::Phone, address: "192.0.2.7:5060".into() };
    let on = On { user: "bob".into(), extension: "100".into() };
    Event {
        on,
        call: Some(CallId(0xabc)),
        session: Some(SessionId(session)),
        mode: Some(Mode::Listen),
        ..Event::new(what, by).with("session", session)
    }
}

impl Place {
    /// A chain of ten that nobody has open, and what was written of it last.
    fn with_chain() -> (Self, Head) {
        let place = Self::new();
        let storage = place.open();
        for number in 1..=10 {
            storage.audit(event(number, What::SessionStarted), minute(number)).expect("room");
        }
        settle_audit(&storage);
        drop(storage);
        let head = place.reader().audit_head().expect("a head");
        assert_eq!(head.number, 10);
        (place, head)
    }

    fn faults(&self) -> Vec<Fault> {
        self.faults_with(&[])
    }

    fn faults_with(&self, known: &[Head]) -> Vec<Fault> {
        self.reader().verify_audit(known).expect("read").chain.faults
    }

    fn rows(&self, filter: AuditFilter) -> Vec<Row> {
        self.reader().audit(filter).map(|row| row.expect("read")).collect()
    }

    /// Somebody who knows what is in the way changes something.
    fn tamper(&self, sql: &str) {
        let triggers: String = GUARDS.iter().map(|guard| format!("DROP TRIGGER {guard};")).collect();
        let kept: Vec<String> = {
            let other = self.other();
            let mut statement =
                other.prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").expect("a statement");
            statement.query_map([], |row| row.get(0)).expect("read").map(|sql| sql.expect("text")).collect()
        };
        assert_eq!(kept.len(), GUARDS.len());
        self.other().execute_batch(&format!("{triggers}{sql};{}", kept.join(";"))).expect("changed");
    }
}

/// Has rows written, of something that happened at a time.
fn write(storage: &Storage, numbers: std::ops::RangeInclusive<u64>, at: SystemTime) {
    for number in numbers {
        storage.audit(event(number, What::Refused), at).expect("room");
    }
}

/// Waits until no row of the audit waits to be written.
fn settle_audit(storage: &Storage) {
    wait_until("the audit is written", || storage.counters().audit_queued == 0);
}

#[test]
fn a_row_is_found_as_it_was_and_the_chain_is_whole() {
    let place = Place::new();
    let storage = place.open();
    storage.audit(event(7, What::SessionStarted), minute(1) + Duration::from_nanos(1)).expect("room");
    let refused = Event { reason: "no-rule".into(), mode: None, ..event(8, What::Refused) };
    storage.audit(refused, minute(2)).expect("room");
    settle_audit(&storage);
    let rows = place.rows(AuditFilter { oldest_first: true, ..AuditFilter::default() });
    let json = serde_json::to_value(&rows[0]).expect("JSON");
    let expected = serde_json::json!({
        "number": 1, "at": "2026-11-26T08:01:00.000000001Z", "what": "session-started",
        "user": "ann", "extension": "200", "via": "phone", "address": "192.0.2.7:5060",
        "target_user": "bob", "target_extension": "100", "call": "0000000000000abc", "session": "0000000000000007",
        "mode": "listen", "reason": "", "details": "{\"session\":7}", "hash": rows[0].hash.to_string(),
    });
    assert_eq!(json, expected);
    assert_eq!((rows.len(), rows[1].reason.as_str(), rows[1].mode.as_str()), (2, "no-rule", ""));
    let verified = place.reader().verify_audit(&[rows[0].head(), rows[1].head()]).expect("read");
    assert!(verified.is_whole(), "{verified:?}");
    assert_eq!((verified.chain.rows, verified.chain.head), (2, rows[1].head()));
    let counters = storage.counters();
    assert_eq!((counters.audit_written, counters.audit_failed, counters.audit_refused), (2, 0, 0));
}

#[test]
fn the_next_daemon_goes_on_with_the_chain() {
    let (place, head) = Place::with_chain();
    let storage = place.open();
    storage.audit(event(11, What::SessionEnded), minute(11)).expect("room");
    drop(storage);
    assert_eq!(place.faults_with(&[head]), []);
    assert_eq!(place.reader().audit_head().expect("a head").number, 11);
    let other = Place::with_chain().1;
    assert_ne!(other.hash, head.hash, "each chain has a beginning of its own");
}

#[test]
fn filters_let_through_what_they_say() {
    let place = Place::new();
    let storage = place.open();
    for number in 1..=4 {
        let mut event = event(number, if number == 4 { What::Refused } else { What::ModeChanged });
        match number {
            1 => event.by.user = "max".into(),
            2 => event.on.extension = "101".into(),
            3 => event.call = Some(CallId(3)),
            _ => {}
        }
        storage.audit(event, minute(number)).expect("room");
    }
    settle_audit(&storage);
    let numbers = |filter: AuditFilter| -> Vec<u64> { place.rows(filter).iter().map(|row| row.number).collect() };
    let text = |text: &str| Some(text.to_owned());
    let at = |minutes| Some(jiff::Timestamp::try_from(minute(minutes)).expect("a time"));
    let any = AuditFilter::default;
    assert_eq!(numbers(any()), [4, 3, 2, 1]);
    assert_eq!(numbers(AuditFilter { oldest_first: true, ..any() }), [1, 2, 3, 4]);
    assert_eq!(numbers(AuditFilter { since: at(2), until: at(4), ..any() }), [3, 2]);
    assert_eq!(numbers(AuditFilter { user: text("max"), ..any() }), [1]);
    assert_eq!(numbers(AuditFilter { user: text("bob"), limit: Some(2), ..any() }), [4, 3]);
    assert_eq!(numbers(AuditFilter { extension: text("101"), ..any() }), [2]);
    assert_eq!(numbers(AuditFilter { extension: text("200"), oldest_first: true, limit: Some(3), ..any() }), [1, 2, 3]);
    assert_eq!(numbers(AuditFilter { what: text("refused"), ..any() }), [4]);
    assert_eq!(numbers(AuditFilter { who: text("max"), ..any() }), [1]);
    assert_eq!(numbers(AuditFilter { who: text("bob"), ..any() }), [0_u64; 0], "what was done to him he has not done");
    assert_eq!(numbers(AuditFilter { before: Some(3), limit: Some(1), ..any() }), [2]);
    assert_eq!(numbers(AuditFilter { before: Some(3), oldest_first: true, ..any() }), [1, 2]);
    assert_eq!(
        numbers(AuditFilter { call: text("000000000000000"), ..any() }),
        [3],
        "the beginning of a name is enough"
    );
    assert_eq!(numbers(AuditFilter { call: text("0000000000000003"), ..any() }), [3]);
    assert_eq!(numbers(AuditFilter { session: text("0000000000000002"), ..any() }), [2]);
    assert_eq!(numbers(AuditFilter { user: text("' OR 1 --"), ..any() }), [0_u64; 0]);
    assert_eq!(numbers(AuditFilter { limit: Some(0), ..any() }), [0_u64; 0]);
}

#[test]
fn every_row_comes_once_however_many_pages_there_are() {
    let place = Place::new();
    let storage = place.open();
    write(&storage, 1..=1_250, minute(1));
    settle_audit(&storage);
    let all: Vec<_> = (1..=1_250).collect();
    let numbers = |oldest_first| {
        let rows = place.rows(AuditFilter { oldest_first, ..AuditFilter::default() });
        rows.iter().map(|row| row.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(true), all);
    assert_eq!(numbers(false), all.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn the_database_refuses_every_change_but_a_row_behind_the_last() {
    let (place, head) = Place::with_chain();
    let other = place.other();
    let copy = |number: &str| {
        format!(
            "audit SELECT {number}, at, what, user, extension, via, address, target_user, target_extension, call, session, \
             mode, reason, details, hash FROM audit WHERE number = 1"
        )
    };
    let refused = [
        "UPDATE audit SET mode = 'listen' WHERE number = 3".to_owned(),
        "UPDATE OR REPLACE audit SET number = 4 WHERE number = 3".into(),
        "DELETE FROM audit WHERE number = 10".into(),
        "DELETE FROM audit WHERE number = 1".into(),
        "DELETE FROM audit".into(),
        format!("INSERT INTO {}", copy("12")),
        format!("INSERT INTO {}", copy("0")),
        format!("INSERT OR REPLACE INTO {}", copy("5")),
        "UPDATE audit_head SET number = 9".into(),
        "UPDATE audit_head SET number = 11".into(),
        "UPDATE audit_head SET hash = ''".into(),
        "DELETE FROM audit_head".into(),
        "REPLACE INTO audit_head VALUES (1, 3, '')".into(),
        "UPDATE audit_anchor SET number = 5".into(),
        "UPDATE audit_anchor SET number = 11, hash = (SELECT hash FROM audit WHERE number = 10)".into(),
        "DELETE FROM audit_anchor".into(),
        "REPLACE INTO audit_anchor VALUES (1, 3, '')".into(),
    ];
    for sql in refused {
        let error = other.execute_batch(&sql).expect_err(&sql);
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation), "{sql}: {error}");
    }
    assert_eq!(place.faults_with(&[head]), []);
    // What is no row of ours is not refused behind the last, and noticed.
    other.execute_batch(&format!("INSERT INTO {}", copy("11"))).expect("behind the last");
    assert_eq!(place.faults(), [Fault::Changed(11)]);
}

#[test]
fn a_row_that_was_edited_is_named() {
    let (place, _) = Place::with_chain();
    place.tamper("UPDATE audit SET target_user = 'eve' WHERE number = 4");
    assert_eq!(place.faults(), [Fault::Changed(4)]);
    let (place, _) = Place::with_chain();
    place.tamper("UPDATE audit SET hash = 'nothing', details = CAST(x'ff' AS TEXT) WHERE number = 4");
    assert_eq!(place.faults(), [Fault::Changed(4), Fault::Changed(5)]);
}

#[test]
fn rows_that_were_removed_or_moved_are_named() {
    let (place, _) = Place::with_chain();
    place.tamper("DELETE FROM audit WHERE number IN (1, 5, 6)");
    assert_eq!(place.faults(), [Fault::Missing(1, 1), Fault::Missing(5, 6)]);
    let (place, _) = Place::with_chain();
    place.tamper(
        "UPDATE audit SET number = 0 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 7; \
         UPDATE audit SET number = 7 WHERE number = 0",
    );
    assert_eq!(place.faults(), [3, 4, 7, 8].map(Fault::Changed));
}

#[test]
fn a_tail_that_was_cut_off_is_noticed_and_one_that_was_cut_off_with_its_head_by_a_head_that_was_kept() {
    let (place, head) = Place::with_chain();
    place.tamper("DELETE FROM audit WHERE number > 7");
    assert_eq!(place.faults(), [Fault::Cut(8, 10)]);
    let last = "(SELECT hash FROM audit WHERE number = 7)";
    place.tamper(&format!("UPDATE audit_head SET number = 7, hash = {last}"));
    assert_eq!(place.faults(), [], "the file alone cannot tell");
    assert_eq!(place.faults_with(&[head]), [Fault::Unknown(head)]);
    let storage = place.open();
    write(&storage, 8..=12, minute(30));
    settle_audit(&storage);
    assert_eq!(place.faults(), []);
    assert_eq!(place.faults_with(&[head]), [Fault::Unknown(head)], "also when it has grown again");
}

#[test]
fn an_older_copy_of_the_file_is_known_by_a_head_that_was_kept() {
    let (place, old) = Place::with_chain();
    let copy = fs::read(&place.path).expect("read");
    let storage = place.open();
    storage.audit(event(11, What::SessionStarted), minute(11)).expect("room");
    drop(storage);
    let head = place.reader().audit_head().expect("a head");
    for more in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{more}", place.path.display()));
    }
    fs::write(&place.path, copy).expect("restored");
    assert_eq!(place.faults_with(&[old]), [], "the file alone cannot tell");
    assert_eq!(place.faults_with(&[old, head]), [Fault::Unknown(head)]);
}

#[test]
fn guards_that_are_missing_are_named() {
    let (place, _) = Place::with_chain();
    place.other().execute_batch("DROP TRIGGER audit_stays").expect("changed");
    let verified = place.reader().verify_audit(&[]).expect("read");
    assert_eq!((verified.unguarded.as_slice(), verified.is_whole()), (&["audit_stays"][..], false));
}

#[test]
fn rows_that_are_too_old_go_from_the_front_and_the_chain_says_so() {
    let place = Place::new();
    let storage = place.open();
    let days_ago = |days: u64| SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
    // The fourth is of a clock that had gone back.
    for (session, days) in [(1, 9), (2, 8), (3, 4), (4, 8), (5, 1)] {
        storage.audit(event(session, What::SessionStarted), days_ago(days)).expect("room");
    }
    settle_audit(&storage);
    let before = place.rows(AuditFilter { oldest_first: true, ..AuditFilter::default() });
    storage.set_keep(Keep { audit_days: 8, ..KEEP });
    wait_until("two are removed", || place.count("audit") == 4);
    let rows = place.rows(AuditFilter { oldest_first: true, ..AuditFilter::default() });
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4, 5, 6]);
    let [said] = &rows[3..] else { panic!("{rows:?}") };
    assert_eq!((said.what.as_str(), said.via.as_str()), ("rows-removed", "node"));
    assert_eq!(said.reason, before[1].head().to_string());
    assert!(said.details.contains("\"rows\":2"), "{}", said.details);
    let verified = place.reader().verify_audit(&[before[0].head(), before[1].head(), before[2].head()]).expect("read");
    assert!(verified.is_whole(), "{verified:?}");
    assert_eq!((verified.chain.outdated, verified.chain.anchor), (vec![before[0].head()], before[1].head()));
    // A day's worth is removed at once: not when the oldest is too old by less.
    storage.set_keep(Keep { audit_days: 4, ..KEEP });
    storage.audit(event(6, What::SessionEnded), days_ago(0)).expect("room");
    settle_audit(&storage);
    assert_eq!(place.count("audit"), 5);
    // Who removes rows by hand has to say so, too.
    place.tamper("UPDATE audit_anchor SET number = 4, hash = (SELECT hash FROM audit WHERE number = 4); DELETE FROM audit WHERE number <= 4");
    assert_eq!(place.faults(), [Fault::Unattested(4)]);
}

#[test]
fn all_may_be_too_old() {
    let place = Place::new();
    let storage = place.open();
    write(&storage, 1..=3, SystemTime::now() - Duration::from_secs(86_400 * 365));
    settle_audit(&storage);
    storage.set_keep(Keep { audit_days: 1, ..KEEP });
    wait_until("all are removed", || place.rows(AuditFilter::default()).iter().all(|row| row.what == "rows-removed"));
    assert_eq!(place.faults(), []);
    assert_eq!(place.reader().audit_head().expect("a head").number, 4);
}

#[test]
fn a_locked_database_costs_no_row_and_is_told() {
    let place = Place::new();
    let storage = place.open();
    let other = place.other();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    assert_eq!(storage.audit_failing(), None);
    let tickets: Vec<_> =
        (1..=5).map(|number| storage.audit(event(number, What::Refused), minute(number)).expect("room")).collect();
    wait_until("two attempts fail", || storage.counters().audit_failed >= 2);
    assert!(storage.audit_failing().is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let soon = |ticket| tokio::time::timeout(Duration::from_millis(1), storage.audited(ticket));
    assert!(runtime.block_on(async { soon(tickets[0]).await }).is_err(), "nothing is on the disk");
    other.execute_batch("ROLLBACK").expect("unlocked");
    let later = |ticket| tokio::time::timeout(PATIENCE, storage.audited(ticket));
    runtime.block_on(async { later(tickets[4]).await }).expect("on the disk");
    assert_eq!((storage.audit_failing(), storage.counters().audit_queued), (None, 0));
    let sessions: Vec<_> = place.rows(AuditFilter { oldest_first: true, ..AuditFilter::default() });
    let sessions: Vec<_> = sessions.into_iter().map(|row| row.session).collect();
    assert_eq!(sessions, (1..=5).map(|number| SessionId(number).to_string()).collect::<Vec<_>>());
    assert_eq!(place.faults(), []);
}

#[test]
fn a_damaged_audit_does_not_hold_up_records() {
    let (place, _) = Place::with_chain();
    place.tamper("DELETE FROM audit_head");
    let storage = place.open();
    storage.audit(event(11, What::Refused), minute(11)).expect("room");
    wait_until("an attempt fails", || storage.counters().audit_failed >= 1);
    storage.record(record(1), minute(1));
    wait_until("the record is written", || storage.counters().written == 1);
    assert!(storage.audit_failing().is_some());
    assert_eq!(storage.counters().dropped, 0);
}

#[test]
fn a_full_queue_takes_no_row_and_says_so_and_leaves_records_alone() {
    let place = Place::new();
    let storage = place.open();
    let other = place.other();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    write(&storage, 1..=WAITING_MAX as u64, minute(1));
    assert_eq!(storage.audit(event(0, What::SessionStarted), minute(1)), Err(AuditFull));
    storage.record(record(1), minute(1));
    assert_eq!((storage.counters().audit_refused, storage.counters().dropped), (1, 0));
    other.execute_batch("ROLLBACK").expect("unlocked");
    wait_until("all are written", || storage.counters().audit_written == WAITING_MAX as u64);
    storage.audit(event(1, What::SessionStarted), minute(1)).expect("room again");
    settle(&storage);
    settle_audit(&storage);
    assert_eq!((place.count("calls"), place.count("audit")), (1, WAITING_MAX as i64 + 1));
    assert_eq!(place.faults(), []);
}

#[test]
fn records_and_the_audit_are_written_beside_each_other() {
    let place = Place::new();
    let storage = place.open();
    scope(|threads| {
        let storage = &storage;
        for thread in 0..4_u64 {
            threads.spawn(move || {
                for number in 0..200 {
                    storage.audit(event(number, What::ModeChanged), minute(thread)).expect("room");
                    storage.record(record(1 + thread * 200 + number), minute(1));
                }
            });
        }
        threads.spawn(|| {
            let verified = || Reader::open(&place.path).expect("a reader").verify_audit(&[]).expect("read");
            wait_until("half of them are there", || {
                let verified = verified();
                assert!(verified.is_whole(), "{verified:?}");
                verified.chain.rows >= 400
            });
        });
    });
    settle(&storage);
    settle_audit(&storage);
    assert_eq!((place.count("calls"), place.count("audit")), (800, 800));
    assert_eq!(place.faults(), []);
    assert_eq!((storage.counters().dropped, storage.counters().audit_refused), (0, 0));
}

#[test]
fn what_was_taken_is_written_before_the_storage_closes() {
    let place = Place::new();
    let storage = place.open();
    write(&storage, 1..=500, minute(1));
    drop(storage);
    assert_eq!(place.count("audit"), 500);
}

#[test]
fn an_audit_that_stays_locked_does_not_keep_the_daemon_from_ending_and_is_whole_after() {
    let (place, head) = Place::with_chain();
    let storage = place.open();
    let other = place.other();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    write(&storage, 11..=13, minute(11));
    wait_until("an attempt fails", || storage.counters().audit_failed >= 1);
    let began = Instant::now();
    drop(storage);
    assert!(began.elapsed() < queue::CLOSING_WAIT_MAX + PATIENCE, "{:?}", began.elapsed());
    other.execute_batch("ROLLBACK").expect("unlocked");
    assert_eq!(place.faults_with(&[head]), []);
    assert_eq!(place.reader().audit_head().expect("a head"), head);
}

#[test]
fn a_hash_is_one_of_the_row_that_stands_in_the_file() {
    let (place, _) = Place::with_chain();
    let rows = place.rows(AuditFilter { oldest_first: true, ..AuditFilter::default() });
    let start: String =
        place.other().query_row("SELECT hash FROM audit_anchor", params![], |row| row.get(0)).expect("read");
    let start = start.parse().expect("a hash");
    assert_eq!(rows[0].hash, rows[0].hash_after(&start));
    for pair in rows.windows(2) {
        assert_eq!(pair[1].hash, pair[1].hash_after(&pair[0].hash));
    }
}
