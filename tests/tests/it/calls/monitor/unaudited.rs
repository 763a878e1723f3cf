//! The database of the audit is locked, or its disk full.

use std::{path::PathBuf, time::Duration};

use super::{super::exchange::Exchange, *};
use crate::daemon::operator::other;

/// Longer than sessions go on without an audit, and than the longest pause between two attempts to write.
const LONG: Duration = Duration::from_secs(30);

fn floor(keys: &str) -> Result<(Floor, Http)> {
    floor_with(keys, None)
}

fn floor_with(keys: &str, database: Option<PathBuf>) -> Result<(Floor, Http)> {
    let mut plan = Plan { database, ..Plan::loopback()? };
    let at = SocketAddr::new(plan.ground.ours(Who::Carrier, Family::V4), 8080);
    let route = "[[route]]\nfrom = [\"carrier\"]\nprefix = \"200\"\nto = \"spare\"\n";
    let section = MONITORING.replace("[monitoring]\n", &format!("[monitoring]\n{keys}"));
    plan.sip = format!("{section}[http]\nlisten = \"{at}\"\n{route}");
    Ok((Floor::of(plan)?, Http::new(at)))
}

fn database(exchange: &Exchange) -> Result<rusqlite::Connection> {
    rusqlite::Connection::open(exchange.operator.file("undertone.db")).map_err(other)
}

/// What and why of all that was written, the oldest first.
fn told(floor: &Floor) -> Result<Vec<(String, String)>> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    Ok(floor.audit()?.iter().map(|row| (text(row, "what"), text(row, "reason"))).collect())
}

#[test]
fn sessions_end_and_none_begins_while_the_audit_cannot_be_written() -> Result<()> {
    let (floor, http) = floor("")?;
    let database = database(&floor.exchange)?;
    let run = |statement| database.execute_batch(statement).map_err(other);
    sessions_end(floor, &http, || run("BEGIN EXCLUSIVE"), || run("ROLLBACK")).map(drop)
}

/// Between `fail` and `mend` nothing can be written.
fn sessions_end(
    mut floor: Floor,
    http: &Http,
    fail: impl FnOnce() -> Result<()>,
    mend: impl FnOnce() -> Result<()>,
) -> Result<Floor> {
    floor.dial("007100")?;
    floor.supervisor.established()?;
    floor.assert_heard(Some(Mode::Listen))?;
    fail()?;
    floor.supervisor.press("*82")?;
    floor.supervisor.heard()?;
    floor.assert_heard(None)?;
    floor.dial("007100")?;
    floor.supervisor.refused("503")?;
    let (status, answer) = http.post("/api/v1/monitors", &json!({ "extension": "100", "as": "200" }))?;
    assert_eq!(
        (status, &answer["error"]),
        (503, &json!("the audit cannot be written, and nobody monitors without it"))
    );
    let metrics = http.metrics()?;
    assert_eq!(metrics.of("undertone_monitor_refused_total{reason=\"unaudited\"}"), 2);
    assert_eq!(metrics.of("undertone_monitor_sessions_unaudited_total"), 1);
    assert_eq!(floor.exchange.calls()?.len(), 1, "the call goes on");

    mend()?;
    let rows = wait_for("what has happened to be written", LONG, || {
        let rows = told(&floor).ok()?;
        (rows.iter().filter(|(what, _)| what == "refused").count() == 2).then_some(rows)
    })?;
    let rows: Vec<_> = rows.iter().map(|(what, reason)| (what.as_str(), reason.as_str())).collect();
    let expected = [
        ("session-started", ""),
        ("mode-changed", ""),
        ("session-ended", "The Audit Cannot Be Written"),
        ("refused", "unaudited"),
        ("refused", "unaudited"),
    ];
    assert_eq!(rows[1..], expected, "behind the daemon's beginning");
    floor.dial("007100")?;
    floor.supervisor.established()?;
    floor.assert_heard(Some(Mode::Listen))?;
    Ok(floor)
}

#[test]
fn sessions_go_on_while_the_audit_cannot_be_written_where_that_is_configured() -> Result<()> {
    let (mut floor, http) = floor("audit-failure = \"continue\"\n")?;
    floor.dial("007100")?;
    floor.supervisor.established()?;
    floor.assert_heard(Some(Mode::Listen))?;
    let database = database(&floor.exchange)?;
    database.execute_batch("BEGIN EXCLUSIVE").map_err(other)?;
    floor.supervisor.press("*83")?;
    wait_for("a row to wait", SOON, || (http.metrics().ok()?.of("undertone_audit_queued") == 1).then_some(()))?;
    // As long as it would take them to end, twice.
    floor.assert_heard(Some(Mode::WhisperToAgent))?;
    let from = floor.supervisor.heard_so_far()?.len();
    wait_for("the session to go on", LONG, || {
        (floor.supervisor.heard_so_far().ok()?.len() > from + 10 * SAMPLE_RATE as usize).then_some(())
    })?;
    floor.supervisor.press("*82")?;
    floor.assert_heard(Some(Mode::WhisperToAgent))?;
    database.execute_batch("ROLLBACK").map_err(other)?;
    let refused = ("refused".to_owned(), "unaudited".to_owned());
    wait_for("what has happened to be written", LONG, || told(&floor).ok()?.contains(&refused).then_some(()))?;
    wait_for("the audit to be well", SOON, || (http.metrics().ok()?.of("undertone_audit_failing") == 0).then_some(()))?;
    floor.supervisor.press("*82")?;
    floor.assert_heard(Some(Mode::Barge))
}

mod privileged {
    use undertone_tests::lab::Tmpfs;

    use super::*;

    #[test]
    fn sessions_end_and_none_begins_while_the_disk_is_full() -> Result<()> {
        let disk = Tmpfs::mount(1024)?;
        let (floor, http) = floor_with("", Some(disk.path().join("undertone.db")))?;
        let mut floor = sessions_end(floor, &http, || disk.fill(), || disk.make_room())?;
        // Before the disk goes.
        floor.exchange.daemon().terminate().map(drop)
    }
}
