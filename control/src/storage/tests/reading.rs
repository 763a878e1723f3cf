//! What is written is found again.

use super::*;

#[test]
fn a_record_is_found_as_it_was() {
    let place = Place::new();
    let storage = place.open();
    storage.record(record(0xabc), minute(2));
    settle(&storage);
    let call = storage.reader().expect("a reader").call(CallId(0xabc)).expect("read").expect("it is there");
    let stream = |from: &str, port: &str, mos| PastStream {
        from: from.into(),
        port: port.into(),
        packets: 3_000,
        bytes: 516_000,
        lost: 2,
        jitter_ms: 1.25,
        mos,
    };
    let party = |number: &str, name: &str, peer: &str, side: &str| PastParty {
        number: number.into(),
        extension: String::new(),
        name: name.into(),
        user: String::new(),
        peer: peer.into(),
        side: side.into(),
    };
    let expected = PastCall {
        id: "0000000000000abc".into(),
        began_at: "2026-11-26T08:00:58.5Z".parse().expect("a time"),
        ended_at: "2026-11-26T08:02:00Z".parse().expect("a time"),
        dialled: "4711".into(),
        caller: party("+4930123", "Ada, \"Countess\"", "carrier", "off-net"),
        callee: PastParty { extension: "204".into(), user: "bob".into(), ..party("200", "", "pbx", "on-net") },
        sip_call_id: "a84b4c76e66710@carrier.example".into(),
        rang_ms: Some(120),
        answered_ms: Some(1_500),
        duration_ms: 61_500,
        status: 200,
        cause: "OK".into(),
        ended_by: Some("callee".into()),
        streams: vec![stream("caller", "192.0.2.10:20000", Some(4.4)), stream("callee", "[2001:db8::10]:20002", None)],
    };
    assert_eq!(call, expected);
    assert_eq!(place.reader().call(CallId(0xabd)).expect("read"), None);
    let counters = storage.counters();
    assert_eq!((counters.written, counters.failed, counters.dropped, counters.failing), (1, 0, 0, false));
    assert_eq!(counters.commits.count, 1);
}

#[test]
fn a_record_that_comes_twice_replaces_itself() {
    let place = Place::new();
    let storage = place.open();
    storage.record(record(1), minute(1));
    let mut again = record(1);
    again.streams.truncate(1);
    again.cause.status = 486;
    storage.record(again, minute(1));
    settle(&storage);
    assert_eq!((place.count("calls"), place.count("streams")), (1, 1));
    assert_eq!(place.reader().call(CallId(1)).expect("read").map(|call| call.status), Some(486));
}

#[test]
fn numbers_that_no_database_has_do_not_hold_up_the_others() {
    let place = Place::new();
    let storage = place.open();
    let mut odd = record(1);
    odd.lasted_ns = 0;
    odd.rang_ns = Some(u64::MAX);
    odd.streams[0].packets = u64::MAX;
    odd.streams[0].jitter_ms = f64::NAN;
    odd.streams[0].mos = Some(f64::INFINITY);
    storage.record(odd, SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    storage.record(record(2), minute(1));
    settle(&storage);
    assert_eq!(storage.counters().written, 2);
    let odd = place.reader().call(CallId(1)).expect("read").expect("it is there");
    assert_eq!((odd.streams[0].packets, odd.streams[0].jitter_ms, odd.streams[0].mos), (i64::MAX, 0.0, None));
}

#[test]
fn filters_let_through_what_they_say_and_the_newest_comes_first() {
    let place = Place::new();
    let storage = place.open();
    for id in 1..=4 {
        let mut record = record(id);
        record.lasted_ns = 0;
        match id {
            1 => record.dialled = "300".into(),
            2 => record.parties[0].number = "300".into(),
            3 => record.parties[1].number = "300".into(),
            _ => record.peers[1] = "other".into(),
        }
        storage.record(record, minute(id));
    }
    settle(&storage);
    let at = |minutes| Some(jiff::Timestamp::try_from(minute(minutes)).expect("a time"));
    let text = |text: &str| Some(text.to_owned());
    let any = Filter::default();
    assert_eq!(place.names(any.clone()), [4, 3, 2, 1]);
    assert_eq!(place.names(Filter { since: at(2), until: at(4), ..any.clone() }), [3, 2]);
    assert_eq!(place.names(Filter { number: text("300"), ..any.clone() }), [3, 2, 1]);
    assert_eq!(place.names(Filter { number: text("300"), limit: Some(2), ..any.clone() }), [3, 2]);
    assert_eq!(place.names(Filter { number: text("300"), until: at(3), ..any.clone() }), [2, 1]);
    assert_eq!(place.names(Filter { peer: text("pbx"), ..any.clone() }), [3, 2, 1]);
    assert_eq!(place.names(Filter { peer: text("other"), number: text("4711"), ..any.clone() }), [4]);
    assert_eq!(place.names(Filter { limit: Some(1), ..any.clone() }), [4]);
    assert_eq!(place.names(Filter { limit: Some(0), ..any.clone() }), [0_u64; 0]);
    assert_eq!(place.names(Filter { number: text("' OR 1 --"), ..any }), [0_u64; 0]);
}

#[test]
fn every_call_comes_once_however_many_pages_there_are() {
    let place = Place::new();
    let storage = place.open();
    let count = 2 * reader::PAGE as u64;
    // Half of them begin at one moment.
    (1..=count).for_each(|id| storage.record(record(id), minute(id.min(count / 2))));
    settle(&storage);
    let newest_first: Vec<_> = (1..=count).rev().collect();
    assert_eq!(place.names(Filter::default()), newest_first);
    let number = Some("200".to_owned());
    assert_eq!(place.names(Filter { number, ..Filter::default() }), newest_first);
    let limit = reader::PAGE + 1;
    assert_eq!(place.names(Filter { limit: Some(limit), ..Filter::default() }), newest_first[..limit]);
}

#[test]
fn a_number_is_found_by_index() {
    let place = Place::new();
    let storage = place.open();
    settle(&storage);
    let [all, by_number, ..] = reader::statements();
    let of_numbers = [
        "calls_by_dialled",
        "calls_by_caller ",
        "calls_by_callee ",
        "calls_by_caller_extension",
        "calls_by_callee_extension",
    ];
    for (sql, indices) in [(all, &["calls_by_time"][..]), (by_number, &of_numbers)] {
        let other = place.other();
        let mut statement = other.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("it makes sense");
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>();
        let plan = steps.expect("a plan").join("\n");
        for index in indices {
            assert!(plan.contains(index), "{plan}");
        }
        assert!(!plan.contains("SCAN calls\n"), "{plan}");
    }
}

#[test]
fn states_of_running_calls_are_there_for_the_next_daemon() {
    let place = Place::new();
    let storage = place.open();
    storage.keep(CallId(1), "{\"phase\":\"trying\"}".into());
    storage.keep(CallId(2), "{}".into());
    storage.keep(CallId(3), "{}".into());
    storage.keep(CallId(1), "{\"phase\":\"up\"}".into());
    storage.forget(CallId(2));
    storage.record(record(3), minute(1));
    // As at a restart: what is queued is written before the end.
    drop(storage);
    let storage = place.open();
    assert_eq!(storage.kept().expect("read"), [(CallId(1), "{\"phase\":\"up\"}".to_owned())]);
    assert_eq!(place.names(Filter::default()), [3]);
}

#[test]
fn records_that_are_too_old_are_removed_at_the_start() {
    const DAY: u64 = 24 * 60;
    let place = Place::new();
    let storage = place.open();
    let now = SystemTime::now();
    let days_ago = |days: u64| now - Duration::from_secs(60 * DAY * days);
    let old = 3 * BATCH as u64 / 2;
    (1..=old).for_each(|id| storage.record(record(id), days_ago(8)));
    storage.record(record(old + 1), days_ago(6));
    drop(storage);
    let storage = Storage::open(&place.path, Keep { records_days: 7, ..KEEP }).expect("it opens");
    wait_until("old records are removed", || storage.counters().removed == old);
    assert_eq!((place.count("calls"), place.count("streams")), (1, 2));
    assert_eq!(place.names(Filter::default()), [old + 1]);
    storage.set_keep(Keep { records_days: 5, ..KEEP });
    wait_until("another age holds", || storage.counters().removed == old + 1);
}

/// Records removed in one transaction.
const BATCH: usize = writer::CLEANING_BATCH;

#[test]
fn old_records_are_removed_some_at_a_time_the_oldest_first() {
    let place = Place::new();
    let storage = place.open();
    (1..=5).for_each(|id| storage.record(record(id), minute(10 - id)));
    drop(storage);
    let mut connection = schema::open_for_writing(&place.path).expect("it opens");
    // The call of minute 6 began a little more than a minute before.
    let before = past::unix_ms(minute(6)) - 61_500 + 1;
    assert_eq!(writer::clean(&mut connection, before, 1).expect("removed"), 1);
    assert_eq!(place.names(Filter::default()), [1, 2, 3, 4]);
    assert_eq!(writer::clean(&mut connection, before, 10).expect("removed"), 1);
    assert_eq!(writer::clean(&mut connection, before, 10).expect("nothing"), 0);
    assert_eq!(place.names(Filter::default()), [1, 2, 3]);
}
