//! Beginning, end, and there being only one.

use std::fs;

use nix::sys::signal::Signal;
use undertone_tests::Result;

use super::{
    appliance::{Appliance, Party},
    operator::{SOON, other},
};

#[test]
fn it_runs_forwards_tells_and_ends() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let mut daemon = appliance.run()?;

    let status = appliance.ask(&["status"])?;
    assert_eq!(status["interfaces"][0]["path"], "io-uring");
    assert_eq!(status["capacity"][0]["used"], 2);
    assert_eq!(status["relays_configured"], 1);

    let sent = a.speak(50, appliance.port(0))?;
    assert_eq!(b.hear(50, appliance.port(2))?, sent);
    let stream = appliance.wait_for_stream(appliance.port(0), "packets to be counted", |it| it["packets"] == 50)?;
    assert_eq!((&stream["lost"], &stream["locked"], &stream["strangers"]), (&0.into(), &true.into(), &0.into()));
    let status = appliance.ask(&["status"])?;
    let forwarded = status["reasons"].as_array().and_then(|all| all.iter().find(|it| it["reason"] == "forwarded"));
    assert_eq!(forwarded.map(|it| &it["packets"]), Some(&50.into()));

    let table = appliance.say(&["streams"])?.done()?;
    let row = table.lines().find(|line| line.starts_with(&appliance.port(0).to_string())).expect("a row");
    assert!(row.contains(&a.address().to_string()) && row.contains("locked"), "{table}");
    assert!(appliance.say(&["status"])?.done()?.contains("forwarded       50"));

    daemon.signal(Signal::SIGTERM).and_then(|()| daemon.wait(SOON)).map(|status| assert!(status.success()))?;
    daemon.wait_for_line("nothing is pinned", SOON)?;
    assert!(!appliance.socket().exists());
    Ok(())
}

#[test]
fn the_log_begins_with_the_path_and_why() -> Result<()> {
    let appliance = Appliance::new()?;
    let mut daemon = appliance.run()?;
    let lines = daemon.lines();
    assert!(lines[1].contains("io-uring") && lines[1].contains("reason="), "{lines:?}");
    assert!(daemon.terminate()?.success());
    Ok(())
}

#[test]
fn without_a_daemon_every_command_names_the_socket_and_the_way_out() -> Result<()> {
    let appliance = Appliance::new()?;
    let socket = appliance.socket().display().to_string();
    let commands: [&[&str]; 7] = [
        &["status"],
        &["streams", "--json"],
        &["reload"],
        &["capture", "20000", "-w", "-"],
        &["divert", "on", "20000"],
        &["copy", "add", "20000", "127.0.0.1:9"],
        &["relay", "remove", "20000"],
    ];
    for command in commands {
        let complaint = appliance.say(command)?.failed(3)?;
        assert!(complaint.contains(&socket) && complaint.contains("\ntry: "), "{complaint}");
    }
    Ok(())
}

#[test]
fn a_second_daemon_is_refused_and_harms_nothing() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let daemon = appliance.run()?;
    let complaint = appliance.say(&["run", "--config", &appliance.config().to_string_lossy()])?;
    assert_eq!(complaint.exit, Some(1));
    assert!(complaint.err.contains(&format!("another daemon (process {})", daemon.pid())), "{complaint:?}");
    let sent = a.speak(3, appliance.port(0))?;
    assert_eq!(b.hear(3, appliance.port(2))?, sent);
    appliance.ask(&["status"]).map(drop)
}

#[test]
fn a_killed_daemons_socket_is_replaced() -> Result<()> {
    let appliance = Appliance::new()?;
    appliance.run()?.kill9()?;
    assert!(appliance.socket().exists());
    let complaint = appliance.say(&["status"])?.failed(3)?;
    assert!(complaint.contains("the one that made this socket is gone"), "{complaint}");
    let _daemon = appliance.run()?;
    appliance.ask(&["status"]).map(drop)
}

#[test]
fn a_configuration_that_cannot_be_read_is_told() -> Result<()> {
    let appliance = Appliance::new()?;
    fs::remove_file(appliance.config()).map_err(other)?;
    let config = appliance.config().display().to_string();
    for command in ["run", "check"] {
        let complaint = appliance.say(&[command, "--config", &config])?.failed(2)?;
        assert!(complaint.contains(&config) && complaint.contains("\ntry: "), "{complaint}");
    }
    Ok(())
}

#[test]
fn a_media_address_that_is_not_here_is_told_by_check_and_run() -> Result<()> {
    let appliance = Appliance::new()?;
    let text = "[media]\naddresses = [\"192.0.2.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n";
    fs::write(appliance.config(), text).map_err(other)?;
    let config = appliance.config().display().to_string();
    for command in ["run", "check"] {
        let said = appliance.say(&[command, "--config", &config])?;
        let parts = ["error: media address 192.0.2.1 is on no interface\ntry: ", "ip_nonlocal_bind"];
        assert!(said.exit == Some(1) && parts.iter().all(|part| said.err.contains(part)), "{said:?}");
    }
    assert!(!appliance.socket().exists());
    appliance.say(&["check", "--file-only", "--config", &config])?.done().map(drop)
}

#[test]
fn a_daemon_that_is_being_killed_is_replaced_at_once() -> Result<()> {
    let appliance = Appliance::new()?;
    for _ in 0..3 {
        let mut daemon = appliance.run()?;
        daemon.signal(Signal::SIGKILL)?;
        let _next = appliance.run()?;
        appliance.ask(&["status"])?;
    }
    Ok(())
}
