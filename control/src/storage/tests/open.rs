//! Opening what is there.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;

fn problem(path: &Path) -> String {
    let error = Storage::open(path, KEEP).expect_err("it does not open");
    error.to_string().replace(&path.display().to_string(), "FILE").replace(&folder(path), "FOLDER")
}

fn folder(path: &Path) -> String {
    path.parent().expect("a folder").display().to_string()
}

#[test]
fn the_file_and_its_folder_are_their_owners_alone() {
    let place = Place::new();
    let storage = place.open();
    storage.record(record(1), minute(1));
    settle(&storage);
    let folder = place.path.parent().expect("a folder");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(folder), 0o700);
    for file in fs::read_dir(folder).expect("a folder") {
        let file = file.expect("a file").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn what_was_written_by_a_newer_version_is_left_alone() {
    let place = Place::new();
    drop(place.open());
    place.other().pragma_update(None, "user_version", 7).expect("written");
    let expected = "the database FILE was written by a newer Undertone: its tables are version 7, known is 6; \
                    run that version, or move the file away to begin with an empty one";
    assert_eq!(problem(&place.path), expected);
    assert!(Reader::open(&place.path).is_err());
    place.other().pragma_update(None, "user_version", 6).expect("written");
    drop(place.open());
}

#[test]
fn what_an_older_version_has_written_is_brought_up_to_date() {
    let place = Place::new();
    let storage = place.open();
    storage.record(record(1), minute(1));
    settle(&storage);
    drop(storage);
    // As the first version had it.
    let columns = ["caller_extension", "caller_user", "callee_extension", "callee_user"];
    let columns: String = columns.iter().map(|it| format!("ALTER TABLE calls DROP COLUMN {it};")).collect();
    let indices = "DROP INDEX calls_by_caller_extension; DROP INDEX calls_by_callee_extension;";
    let audit = "DROP TABLE audit; DROP TABLE audit_head; DROP TABLE audit_anchor; DROP TABLE live_sessions; \
                 DROP TABLE live_recordings; DROP TABLE sign_ins;";
    place.other().execute_batch(&format!("{indices}{columns}{audit}PRAGMA user_version = 1")).expect("changed");
    assert!(Reader::open(&place.path).is_err(), "the daemon has yet to do it");
    let storage = place.open();
    storage.record(record(2), minute(2));
    settle(&storage);
    let extension = |id| place.reader().call(CallId(id)).expect("read").expect("it is there").callee.extension;
    assert_eq!([extension(1), extension(2)], ["", "204"]);
    assert_eq!(place.names(Filter { number: Some("204".into()), ..Filter::default() }), [2], "found by its extension");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let place = Place::new();
    fs::create_dir(folder(&place.path)).expect("made");
    let way_out = "name another file in storage.path, or move this one away";
    fs::write(&place.path, "[media]\n".repeat(100)).expect("written");
    assert_eq!(problem(&place.path), format!("the database FILE is no SQLite database; {way_out}"));
    fs::remove_file(&place.path).expect("removed");
    place.other().execute_batch("CREATE TABLE calls (id TEXT)").expect("made");
    assert_eq!(problem(&place.path), format!("the database FILE belongs to another program; {way_out}"));
}

#[test]
fn tables_that_lack_something_are_noticed() {
    let place = Place::new();
    drop(place.open());
    place.other().execute_batch("ALTER TABLE calls DROP COLUMN cause").expect("changed");
    let problem = problem(&place.path);
    assert!(problem.starts_with("the database FILE lacks what its version has: "), "{problem}");
    assert!(problem.contains("cause"), "{problem}");
}

#[test]
fn a_file_that_cannot_be_made_is_told_with_the_reason() {
    let place = Place::new();
    fs::write(folder(&place.path), "").expect("a file where a folder is to be");
    let expected = "the database FILE cannot be made: File exists (os error 17); \
                    make FOLDER belong to the daemon's user, or name another file in storage.path";
    assert_eq!(problem(&place.path), expected);
}

#[test]
fn a_file_that_another_process_has_locked_is_told() {
    let place = Place::new();
    fs::create_dir(folder(&place.path)).expect("made");
    let other = place.other();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    let expected =
        "the database FILE is locked by another process; end the process that has it open (`fuser` names it)";
    assert_eq!(problem(&place.path), expected);
    other.execute_batch("ROLLBACK").expect("unlocked");
    drop(place.open());
}

#[test]
fn there_is_nothing_to_read_where_nothing_was_written() {
    let place = Place::new();
    let error = Reader::open(&place.path).expect_err("nothing is there").to_string();
    assert!(
        error.ends_with(
            "is not there; start the daemon, which makes it, or name the configuration or the file of another"
        )
    );
    assert!(!place.path.exists());
}

#[test]
fn records_can_be_read_while_no_daemon_runs_and_while_one_does() {
    let place = Place::new();
    let storage = place.open();
    storage.record(record(1), minute(1));
    settle(&storage);
    assert_eq!(place.names(Filter::default()), [1]);
    drop(storage);
    assert_eq!(place.names(Filter::default()), [1]);
}
