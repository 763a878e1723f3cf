//! The audit, as an operator reads it and as somebody changes it who should not.

use std::fs;

use serde_json::{Value, json};
use undertone_tests::{Result, lab::wait_for};

use super::{
    SOON, other,
    phones::{Site, site},
};

const MONITORING: &str = "\
    [[user]]\nname = \"ann\"\nextensions = [\"200\"]\nrole = \"administrator\"\n\
    [monitoring]\n[[monitoring.rule]]\nwho = { roles = [\"administrator\"] }\nwhom = { everyone = true }\n";

impl Site {
    /// What `undertone audit …` says, ended with an exit status.
    fn audit(&self, arguments: &[&str]) -> Result<super::super::program::Said> {
        let config = self.appliance.config();
        self.appliance.say(&[&["audit"], arguments, &["--config", &config.to_string_lossy()]].concat())
    }

    fn rows(&self) -> Result<Vec<Value>> {
        serde_json::from_str(&self.audit(&["list", "--json"])?.done()?).map_err(other)
    }
}

#[test]
fn what_holds_from_when_on_is_in_the_audit_and_a_change_of_the_file_is_noticed() -> Result<()> {
    let site = site("")?;
    let mut daemon = site.appliance.run()?;
    let rows = site.rows()?;
    assert_eq!((rows.len(), &rows[0]["what"], &rows[0]["via"]), (1, &json!("daemon-started"), &json!("node")));

    let config = fs::read_to_string(site.appliance.config()).map_err(other)?;
    fs::write(site.appliance.config(), config + MONITORING).map_err(other)?;
    let said = site.appliance.say(&["reload"])?.done()?;
    assert!(said.contains("monitoring is permitted anew: 1 rule in"), "{said}");
    let rows = wait_for("the second row", SOON, || site.rows().ok().filter(|rows| rows.len() == 2))?;
    assert_eq!((&rows[0]["what"], &rows[0]["via"]), (&json!("configuration-changed"), &json!("cli")));
    assert!(rows[0]["address"].as_str().is_some_and(|from| from.starts_with("uid ")), "{}", rows[0]);
    let details: Value = serde_json::from_str(rows[0]["details"].as_str().unwrap_or_default()).map_err(other)?;
    assert_eq!(details["changed"], json!(["monitoring", "people"]));
    assert_eq!(details["monitoring"]["rules"][0]["whom"], json!({ "everyone": true }));
    site.appliance.say(&["reload"])?.done()?;

    assert_eq!(site.http.get("/api/v1/audit")?, (200, json!(rows)));
    assert_eq!(site.http.get("/api/v1/audit?what=daemon-started&limit=1")?, (200, json!([rows[1]])));
    let (status, told) = site.http.get("/api/v1/audit/head")?;
    let head = told["head"].as_str().unwrap_or_default().to_owned();
    assert_eq!((status, head.as_str()), (200, format!("2:{}", rows[0]["hash"].as_str().unwrap_or_default()).as_str()));
    let exported = site.audit(&["export"])?.done()?;
    let exported: Vec<Value> =
        exported.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>().map_err(other)?;
    assert_eq!(exported, [rows[1].clone(), rows[0].clone()]);
    assert_eq!(site.audit(&["export", "--format", "csv"])?.done()?.lines().count(), 3);
    assert!(site.audit(&["verify", "--head", &head])?.done()?.starts_with("the audit is whole: 2 rows\n"));
    assert_eq!(site.http.metrics()?.of("undertone_audit_rows_written_total"), 2);
    let other_head = format!("3:{}", &head[2..]);
    let complaint = site.audit(&["verify", "--head", &other_head])?.failed(1)?;
    assert!(complaint.contains("there is no row 3 with the hash"), "{complaint}");

    daemon.terminate()?;
    let log = daemon.lines().join("\n");
    assert!(log.contains(&head), "the end is said in the log: {log}");
    // Somebody with an editor.
    let database = site.appliance.file("undertone.db");
    let mut bytes = fs::read(&database).map_err(other)?;
    let at = bytes.windows(8).position(|window| window == b"everyone").ok_or_else(|| other("no row in the file"))?;
    bytes[at..at + 8].copy_from_slice(b"queues__");
    fs::write(&database, bytes).map_err(other)?;
    let complaint = site.audit(&["verify"])?.failed(1)?;
    assert!(complaint.contains("\n  row 2 is not what was written"), "{complaint}");
    Ok(())
}
