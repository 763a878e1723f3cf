//! The control socket, spoken to by hand.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
};

use serde_json::Value;
use undertone_tests::Result;

use super::{
    appliance::Appliance,
    operator::{SOON, other},
};

fn connect(appliance: &Appliance) -> Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(appliance.socket()).map_err(other)?;
    stream.set_read_timeout(Some(SOON)).map_err(other)?;
    Ok(BufReader::new(stream))
}

fn ask(stream: &mut BufReader<UnixStream>, line: &str) -> Result<Value> {
    writeln!(stream.get_mut(), "{line}").map_err(other)?;
    let mut answer = String::new();
    stream.read_line(&mut answer).map_err(other)?;
    serde_json::from_str(&answer).map_err(other)
}

#[test]
fn one_line_is_one_answer_also_when_it_makes_no_sense() -> Result<()> {
    let appliance = Appliance::new()?;
    let _daemon = appliance.run()?;
    let mut stream = connect(&appliance)?;
    let table = [
        ("{\"version\":1,\"request\":\"status\"}", "status", None),
        ("hello", "error", Some("bad-request")),
        ("", "error", Some("bad-request")),
        ("{\"version\":1,\"request\":\"whisper\"}", "error", Some("bad-request")),
        ("{\"version\":7,\"request\":\"status\"}", "error", Some("other-version")),
        ("{\"version\":1,\"request\":\"divert\",\"port\":\"20000\",\"on\":true}", "error", Some("not-found")),
        ("{\"version\":1,\"request\":\"streams\"}", "streams", None),
    ];
    for (line, answer, code) in table {
        let said = ask(&mut stream, line)?;
        assert_eq!((&said["version"], &said["answer"]), (&1.into(), &answer.into()), "{line}: {said}");
        assert_eq!(said["data"]["code"].as_str(), code, "{line}: {said}");
    }
    Ok(())
}

#[test]
fn a_line_without_end_is_cut_off() -> Result<()> {
    let appliance = Appliance::new()?;
    let _daemon = appliance.run()?;
    let mut stream = connect(&appliance)?;
    // The daemon closes while it is still being talked at.
    let _ = stream.get_mut().write_all(&vec![b'x'; 1 << 20]);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.contains("longer than 65536 bytes"), "{answer}");
    appliance.ask(&["status"]).map(drop)
}

#[test]
fn too_many_connections_are_told_and_the_others_go_on() -> Result<()> {
    let appliance = Appliance::new()?;
    let _daemon = appliance.run()?;
    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut stream = connect(&appliance)?;
        assert_eq!(ask(&mut stream, "{\"version\":1,\"request\":\"streams\"}")?["answer"], "streams");
        streams.push(stream);
    }
    let complaint = appliance.say(&["status"])?.failed(1)?;
    assert!(complaint.contains("64 connections are open"), "{complaint}");
    assert_eq!(ask(&mut streams[0], "{\"version\":1,\"request\":\"streams\"}")?["answer"], "streams");
    streams.pop();
    undertone_tests::lab::wait_for("room for a connection", SOON, || appliance.ask(&["status"]).ok()).map(drop)
}

#[test]
fn only_user_and_group_may_speak_with_it() -> Result<()> {
    let appliance = Appliance::new()?;
    let _daemon = appliance.run()?;
    let mode = std::fs::metadata(appliance.socket()).map_err(other)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    Ok(())
}
