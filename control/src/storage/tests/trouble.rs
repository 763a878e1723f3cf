//! Nothing is lost while the database cannot be written.

use super::{
    queue::{ENTRIES_MAX, Wake},
    *,
};

#[test]
fn a_locked_database_costs_no_record() {
    let place = Place::new();
    let storage = place.open();
    let other = place.other();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    (1..=10).for_each(|id| storage.record(record(id), minute(id)));
    storage.keep(CallId(11), "{}".into());
    wait_until("two attempts fail", || storage.counters().failed >= 2);
    (12..=20).for_each(|id| storage.record(record(id), minute(id)));
    let counters = storage.counters();
    assert_eq!((counters.written, counters.queued, counters.failing), (0, 20, true));
    other.execute_batch("ROLLBACK").expect("unlocked");
    settle(&storage);
    let counters = storage.counters();
    assert_eq!((counters.written, counters.dropped, counters.failing), (19, 0, false));
    let expected: Vec<_> = (1..=20).rev().filter(|id| *id != 11).collect();
    assert_eq!(place.names(Filter::default()), expected);
    assert_eq!(storage.kept().expect("read").len(), 1);
}

#[test]
fn a_database_that_stays_locked_does_not_keep_the_daemon_from_ending() {
    let place = Place::new();
    let storage = place.open();
    let queue = Arc::clone(&storage.queue);
    let other = place.other();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    (1..=3).for_each(|id| storage.record(record(id), minute(id)));
    wait_until("an attempt fails", || storage.counters().failed >= 1);
    let began = Instant::now();
    drop(storage);
    assert!(began.elapsed() < queue::CLOSING_WAIT_MAX + PATIENCE, "{:?}", began.elapsed());
    let counters = queue.counters();
    assert_eq!((counters.written, counters.dropped, counters.queued), (0, 3, 0));
}

#[test]
fn a_full_disk_costs_no_record() {
    let place = Place::new();
    let connection = schema::open_for_writing(&place.path).expect("it opens");
    let queue = Arc::new(Queue::new(KEEP));
    let mut writer = Writer::new(&place.path, connection, Arc::clone(&queue));
    let pages: i64 = writer.connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("counted");
    (1..=500).for_each(|id| queue.push(Entry::Record(Box::new(record(id)), minute(id))));
    assert_eq!(queue.wait(Instant::now()), Wake::Entries);
    let entries = queue.take();
    // The file may not grow by more than this.
    writer.connection.pragma_update(None, "max_page_count", pages + 2).expect("limited");
    assert!(!writer.attempt(&entries));
    assert!(!writer.attempt(&entries));
    let counters = queue.counters();
    assert_eq!((counters.written, counters.failed, counters.queued, counters.failing), (0, 2, 500, true));
    assert_eq!(place.count("calls"), 0);
    writer.connection.pragma_update(None, "max_page_count", pages + 10_000).expect("room again");
    assert!(writer.attempt(&entries));
    queue.written();
    let counters = queue.counters();
    assert_eq!((counters.written, counters.dropped, counters.queued, counters.failing), (500, 0, 0, false));
    assert_eq!(place.count("calls"), 500);
}

#[test]
fn a_full_disk_is_named_with_the_way_out() {
    let place = Place::new();
    let connection = schema::open_for_writing(&place.path).expect("it opens");
    connection.pragma_update(None, "max_page_count", 1).expect("limited");
    let fill = "CREATE TABLE filler AS \
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT hex(randomblob(100)) FROM n";
    let error = connection.execute_batch(fill).expect_err("there is no room");
    let text = StorageError::of(&place.path, error).to_string();
    assert!(text.contains("cannot grow: its disk is full; make room on the disk of "), "{text}");
}

#[test]
fn a_record_that_no_database_takes_does_not_hold_up_the_others() {
    let place = Place::new();
    let connection = schema::open_for_writing(&place.path).expect("it opens");
    connection
        .execute_batch(
            "CREATE TRIGGER picky BEFORE INSERT ON calls WHEN new.dialled = 'never'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .expect("made");
    let queue = Arc::new(Queue::new(KEEP));
    let mut writer = Writer::new(&place.path, connection, Arc::clone(&queue));
    let refused = Record { dialled: "never".into(), ..record(1) };
    let entries = [refused, record(2)].map(|record| Entry::Record(Box::new(record), minute(1)));
    assert!(writer.attempt(&entries));
    let counters = queue.counters();
    assert_eq!((counters.written, counters.dropped, counters.failed), (1, 1, 0));
    assert_eq!(place.names(Filter::default()), [2]);
}

#[test]
fn what_comes_to_an_idle_writer_is_written_at_once_and_what_follows_waits_for_others() {
    let queue = Queue::new(KEEP);
    let wait = || {
        queue.push(Entry::Forget(CallId(1)));
        let began = Instant::now();
        assert_eq!(queue.wait(began + PATIENCE), Wake::Entries);
        queue.take();
        began.elapsed()
    };
    // A machine may be late, but not always.
    let quickest = (0..50).map(|_| wait()).min();
    assert!(quickest < Some(queue::BATCH_PAUSE / 2), "{quickest:?}");
    let began = Instant::now();
    queue.written();
    wait();
    assert!(began.elapsed() >= queue::BATCH_PAUSE, "{:?}", began.elapsed());
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_it() {
    let queue = Queue::new(KEEP);
    let keep = |id| Entry::Keep(CallId(id), String::new());
    (0..ENTRIES_MAX as u64).for_each(|id| queue.push(keep(id)));
    assert_eq!((queue.counters().queued, queue.counters().dropped), (ENTRIES_MAX, 0));
    // What the writer holds counts too.
    assert_eq!(queue.take().len(), queue::BATCH_MAX);
    queue.push(keep(1));
    queue.push(Entry::Record(Box::new(record(1)), minute(1)));
    assert_eq!((queue.counters().queued, queue.counters().dropped), (ENTRIES_MAX, 2));
    // There is room for what forgets.
    queue.push(Entry::Forget(CallId(1)));
    assert_eq!((queue.counters().queued, queue.counters().dropped), (ENTRIES_MAX + 1, 2));
    queue.written();
    queue.push(keep(1));
    assert_eq!(queue.counters().dropped, 2);
    assert!(matches!(queue.take().first(), Some(Entry::Keep(CallId(1_000), _))));
}
