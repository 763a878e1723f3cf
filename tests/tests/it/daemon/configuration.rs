//! `undertone check`, and reading the configuration again.

use std::{fs, process::Command};

use nix::sys::signal::Signal;
use undertone_tests::{Result, lab::wait_for};

use super::{
    appliance::{Appliance, Party},
    operator::{SOON, other},
    program::{Said, undertone},
};

#[test]
fn the_example_passes_the_check() -> Result<()> {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../control/undertone.example.toml");
    let said = Said::of(Command::new(undertone()?).args(["check", "--file-only", "--config", example]))?.done()?;
    assert!(said.contains("20000-39999 (40,000 in all)") && said.contains("3 (2 copies)"), "{said}");
    Ok(())
}

#[test]
fn a_wrong_file_is_told_with_line_and_key_and_starts_nothing() -> Result<()> {
    let appliance = Appliance::new()?;
    appliance.configure("[[relay]]\nlearn = \"all\"\n")?;
    let config = appliance.config().display().to_string();
    for command in ["check", "run"] {
        let complaint = appliance.say(&[command, "--config", &config])?.failed(2)?;
        let expected = [
            format!("error: {config}, line 7, `relay.a`: this is missing\ntry: "),
            format!("error: {config}, line 7, `relay.b`: this is missing\ntry: "),
            format!("error: {config}, line 8, `relay.learn`: there is no such key\ntry: "),
        ];
        assert!(expected.iter().all(|line| complaint.contains(line)), "{complaint}");
    }
    assert!(!appliance.socket().exists());
    Ok(())
}

#[test]
fn a_wrong_file_changes_nothing_and_a_right_one_what_it_says() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b, c) = (Party::new()?, Party::new()?, Party::new()?);
    let first = appliance.relay(0, &a, &b);
    appliance.configure(&first)?;
    let _daemon = appliance.run()?;

    let wrong = first.replace("peer", "per");
    appliance.configure(&wrong)?;
    let complaint = appliance.say(&["reload"])?.failed(2)?;
    assert!(complaint.contains("nothing was changed") && complaint.contains("line 8, `relay.a.per`"), "{complaint}");
    let sent = a.speak(5, appliance.port(0))?;
    assert_eq!(b.hear(5, appliance.port(2))?, sent);

    let third = appliance.relay(0, &a, &c) + &appliance.relay(4, &b, &b);
    appliance.configure(&third)?;
    let said = appliance.say(&["reload"])?.done()?;
    assert!(said.contains("change the relay") && said.contains("add the relay"), "{said}");
    let sent = a.speak(5, appliance.port(0))?;
    assert_eq!(c.hear(5, appliance.port(2))?, sent);
    let counted =
        appliance.wait_for_stream(appliance.port(0), "the stream's counters to go on", |it| it["packets"] == 10)?;
    assert_eq!(counted["to"], c.address().to_string());

    appliance.configure("")?;
    assert_eq!(appliance.say(&["reload"])?.done()?.matches("remove the relay").count(), 2);
    assert_eq!(appliance.ask(&["streams"])?, serde_json::json!([]));
    assert_eq!(appliance.say(&["reload"])?.done()?, "nothing had to change\n");
    Ok(())
}

#[test]
fn what_only_a_restart_changes_is_refused() -> Result<()> {
    let appliance = Appliance::new()?;
    let _daemon = appliance.run()?;
    let text = fs::read_to_string(appliance.config()).map_err(other)?;
    fs::write(appliance.config(), text.replace("[control]", "groups = 77\n[control]")).map_err(other)?;
    let complaint = appliance.say(&["reload"])?.failed(2)?;
    assert!(complaint.contains("line 5, `media.groups`") && complaint.contains("restart"), "{complaint}");
    Ok(())
}

#[test]
fn sighup_reads_it_again_too() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    let mut daemon = appliance.run()?;
    appliance.configure("speed = 3\n")?;
    daemon.signal(Signal::SIGHUP)?;
    let line = daemon.wait_for_line("configuration not applied", SOON)?;
    assert!(line.contains("control.speed"), "{line}");
    appliance.configure(&appliance.relay(0, &a, &b))?;
    daemon.signal(Signal::SIGHUP)?;
    daemon.wait_for_line("configuration read again", SOON)?;
    assert_eq!(appliance.stream(appliance.port(0))?["peer"], a.address().to_string());
    Ok(())
}

#[test]
fn what_was_asked_for_at_run_time_survives_a_reload() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b, monitor) = (Party::new()?, Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let (at, to) = (appliance.port(0).to_string(), monitor.address().to_string());
    appliance.say(&["copy", "add", &at, &to])?.done()?;
    let more = appliance.relay(0, &a, &b) + &appliance.relay(8, &a, &b);
    appliance.configure(&more)?;
    appliance.say(&["reload"])?.done()?;
    let sent = a.speak(4, appliance.port(0))?;
    assert_eq!(monitor.hear(4, appliance.port(0))?, sent);
    Ok(())
}

#[test]
fn a_relay_that_cannot_be_is_told_and_is_added_when_it_can_be() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    let mut daemon = appliance.run()?;
    let in_the_way = std::net::UdpSocket::bind(appliance.port(2)).map_err(other)?;
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let complaint = appliance.say(&["reload"])?.failed(1)?;
    assert!(complaint.contains("line 7: cannot add the relay"), "{complaint}");
    assert_eq!(appliance.ask(&["status"])?["problems"].as_array().map(Vec::len), Some(1));
    drop(in_the_way);
    wait_for("the port to be free", SOON, || appliance.say(&["reload"]).and_then(Said::done).ok())?;
    assert_eq!(appliance.ask(&["status"])?["problems"], serde_json::json!([]));
    assert!(daemon.terminate()?.success());
    Ok(())
}
