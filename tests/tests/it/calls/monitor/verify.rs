//! Somebody who may write the file changes the audit, and `undertone audit verify` says what.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{super::exchange::Exchange, *};
use crate::daemon::operator::other;

/// Rows of the chain: that the daemon has begun, and refusals.
const ROWS: u64 = 8;

fn open(database: &Path) -> Result<rusqlite::Connection> {
    rusqlite::Connection::open(database).map_err(other)
}

/// A daemon that is over, and what it has left.
struct Left {
    exchange: Exchange,
    database: PathBuf,
    head: String,
}

impl Left {
    fn new() -> Result<Self> {
        let mut plan = Plan::loopback()?.with_spare();
        let at = SocketAddr::new(plan.ground.ours(Who::Carrier, Family::V4), 8080);
        plan.sip = format!("{MONITORING}[http]\nlisten = \"{at}\"\n");
        let mut exchange = plan.start()?;
        let http = Http::new(at);
        for number in 1..ROWS {
            let (status, told) =
                http.post("/api/v1/monitors", &json!({ "extension": number.to_string(), "as": "200" }))?;
            assert_eq!(status, 404, "{told}");
        }
        let head = wait_for("the rows", SOON, || {
            let head = http.get("/api/v1/audit/head").ok()?.1["head"].as_str()?.to_owned();
            head.starts_with(&format!("{ROWS}:")).then_some(head)
        })?;
        exchange.daemon().terminate()?;
        let database = exchange.operator.file("undertone.db");
        let this = Self { exchange, database, head };
        open(&this.database)?.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(other)?;
        Ok(this)
    }

    /// A copy that somebody has changed who took the triggers away for that, and put them back.
    fn changed(&self, name: &str, statements: &str) -> Result<PathBuf> {
        let copy = self.exchange.operator.file(name);
        fs::copy(&self.database, &copy).map_err(other)?;
        let connection = open(&copy)?;
        let triggers: Vec<(String, String)> = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            .and_then(|mut it| it.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(other)?;
        let drops: String = triggers.iter().map(|(name, _)| format!("DROP TRIGGER {name};")).collect();
        let back: String = triggers.iter().map(|(_, sql)| format!("{sql};")).collect();
        connection.execute_batch(&format!("{drops}{statements};{back}")).map_err(other)?;
        Ok(copy)
    }

    fn verify(&self, database: &Path, more: &[&str]) -> Result<crate::daemon::program::Said> {
        let database = database.to_string_lossy();
        self.exchange.operator.say(&[&["audit", "verify", "--database", &*database], more].concat())
    }

    /// What is told of a copy that somebody has changed so.
    fn faults(&self, name: &str, statements: &str, more: &[&str]) -> Result<String> {
        self.verify(&self.changed(name, statements)?, more)?.failed(1)
    }
}

#[test]
fn a_chain_that_was_touched_is_told() -> Result<()> {
    let left = Left::new()?;
    let whole = left.verify(&left.database, &["--head", &left.head])?.done()?;
    assert_eq!(whole, format!("the audit is whole: {ROWS} rows\n  head      {}\n", left.head));
    let untouched = left.changed("untouched.db", "")?;
    assert_eq!(left.verify(&untouched, &["--head", &left.head])?.done()?, whole, "triggers are as they were");

    let changed =
        |number: u64| format!("row {number} is not what was written, or not behind what it was written behind");
    let bogus = "ab".repeat(32);
    let copy_of_3 =
        "at, what, user, extension, via, address, target_user, target_extension, call, session, mode, reason, details";
    let append = format!("INSERT INTO audit SELECT 9, {copy_of_3}, '{bogus}' FROM audit WHERE number = 3");
    for (name, statements, expected) in [
        ("edited", "UPDATE audit SET target_extension = '7' WHERE number = 3".to_owned(), vec![changed(3)]),
        ("edited-details", "UPDATE audit SET details = '{}' WHERE number = 1".into(), vec![changed(1)]),
        ("rehashed", format!("UPDATE audit SET hash = '{bogus}' WHERE number = 4"), vec![changed(4), changed(5)]),
        ("removed", "DELETE FROM audit WHERE number = 5".into(), vec!["row 5 is missing".into()]),
        ("removed-more", "DELETE FROM audit WHERE number IN (3, 4)".into(), vec!["rows 3 to 4 are missing".into()]),
        (
            "removed-and-closed",
            "DELETE FROM audit WHERE number = 5; UPDATE audit SET number = number - 1 WHERE number > 5".into(),
            vec![changed(5), changed(6), changed(7), "row 8, the last, is missing".into()],
        ),
        (
            "reordered",
            "UPDATE audit SET number = -1 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 4; \
             UPDATE audit SET number = 4 WHERE number = -1"
                .into(),
            vec![changed(3), changed(4), changed(5)],
        ),
        ("appended", format!("{append}; UPDATE audit_head SET number = 9, hash = '{bogus}'"), vec![changed(9)]),
        (
            "appended-uncounted",
            append.clone(),
            vec![changed(9), "the rows from 9 on were not written by Undertone".into()],
        ),
        ("cut", "DELETE FROM audit WHERE number > 6".into(), vec!["rows 7 to 8, the last, are missing".into()]),
        (
            "front",
            "UPDATE audit_anchor SET (number, hash) = (SELECT number, hash FROM audit WHERE number = 2); \
             DELETE FROM audit WHERE number <= 2"
                .into(),
            vec!["the rows up to 2 were removed, and no row says that they were too old".into()],
        ),
    ] {
        let told = left.faults(name, &statements, &[])?;
        let faults: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(faults, expected, "{name}");
    }

    // Who cuts the end off and says so in the file is found out by a head that was kept elsewhere, and by nothing else.
    let cut = "DELETE FROM audit WHERE number > 6; \
               UPDATE audit_head SET (number, hash) = (SELECT number, hash FROM audit WHERE number = 6)";
    let database = left.changed("cut-well.db", cut)?;
    assert!(left.verify(&database, &[])?.done()?.starts_with("the audit is whole: 6 rows\n"));
    let told = left.verify(&database, &["--head", &left.head])?.failed(1)?;
    assert!(told.contains("there is no row 8 with the hash "), "{told}");
    let answer = left.verify(&database, &["--head", &left.head, "--json"])?;
    assert_eq!(serde_json::from_str::<Value>(&answer.out).map_err(other)?["whole"], false, "{}", answer.out);

    let copy = left.changed("unguarded.db", "")?;
    open(&copy)?.execute_batch("DROP TRIGGER audit_stays").map_err(other)?;
    let told = left.verify(&copy, &[])?.failed(1)?;
    assert!(told.contains("the trigger audit_stays, which refuses changes, is missing"), "{told}");

    // What stands in the way of a mistake.
    let refused = open(&copy)?.execute_batch("DELETE FROM audit WHERE number = 3").expect_err("it is kept");
    assert!(refused.to_string().contains("a row of the audit is removed when it is too old"), "{refused}");
    let told = left.verify(&left.database, &["--head", "8:12"])?.failed(2)?;
    assert!(told.contains("a number, a colon and 64 hexadecimal digits"), "{told}");
    let none = left.exchange.operator.file("none.db");
    let told = left.verify(&none, &[])?.failed(1)?;
    assert!(told.contains("none.db"), "{told}");
    Ok(())
}
