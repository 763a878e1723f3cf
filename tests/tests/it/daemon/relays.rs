//! Relays, copies and diverts at run time.

use undertone_tests::Result;

use super::{
    appliance::{Appliance, Party},
    operator::other,
};

/// The flags of a relay between two parties.
fn flags(appliance: &Appliance, index: u16, a: &Party, b: &Party) -> Vec<String> {
    let values = [
        ("--a-local", appliance.port(index)),
        ("--a-peer", a.address()),
        ("--b-local", appliance.port(index + 2)),
        ("--b-peer", b.address()),
    ];
    values.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_string()]).collect()
}

fn relay<'f>(what: &'f str, flags: &'f [String], more: &[&'f str]) -> Vec<&'f str> {
    let flags = flags.iter().map(String::as_str);
    ["relay", what].into_iter().chain(flags).chain(more.iter().copied()).collect()
}

#[test]
fn a_relay_begins_changes_and_ends() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b, c) = (Party::new()?, Party::new()?, Party::new()?);
    let _daemon = appliance.run()?;
    let between = flags(&appliance, 0, &a, &b);
    appliance.say(&relay("add", &between, &["--a-learn", "same-host"]))?.done()?;
    let sent = b.speak(5, appliance.port(2))?;
    assert_eq!(a.hear(5, appliance.port(0))?, sent);

    let complaint = appliance.say(&relay("add", &between, &[]))?.failed(1)?;
    assert!(complaint.contains("is in use") && complaint.contains("relay change"), "{complaint}");

    let to_c = flags(&appliance, 0, &a, &c);
    appliance.say(&relay("change", &to_c, &["--b-hold"]))?.done()?;
    let sent = a.speak(5, appliance.port(0))?;
    assert_eq!(c.hear(5, appliance.port(2))?, sent);
    assert_eq!(appliance.stream(appliance.port(2))?["sends"], false);
    assert!(appliance.say(&["streams"])?.done()?.contains("hold"));

    let at = appliance.port(2).port().to_string();
    appliance.say(&["relay", "remove", &at])?.done()?;
    let complaint = appliance.say(&["relay", "remove", &at])?.failed(1)?;
    assert!(complaint.contains(&format!("no stream at media port {at}")), "{complaint}");
    Ok(())
}

#[test]
fn rtcp_goes_with_its_relay() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    let _daemon = appliance.run()?;
    let between = flags(&appliance, 0, &a, &b);
    appliance.say(&relay("add", &between, &["--rtcp"]))?.done()?;
    assert_eq!(appliance.stream(appliance.port(1))?["kind"], "rtcp");
    assert_eq!(appliance.ask(&["streams"])?.as_array().map(Vec::len), Some(4));
    appliance.say(&["relay", "remove", &appliance.port(0).to_string(), "--rtcp"])?.done()?;
    assert_eq!(appliance.ask(&["streams"])?.as_array().map(Vec::len), Some(0));

    // The RTCP port is taken: neither relay stays.
    appliance.say(&relay("add", &flags(&appliance, 3, &a, &b), &[]))?.done()?;
    appliance.say(&relay("add", &between, &["--rtcp"]))?.failed(1)?;
    assert_eq!(appliance.ask(&["streams"])?.as_array().map(Vec::len), Some(2));
    Ok(())
}

#[test]
fn copies_begin_and_end() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b, monitor) = (Party::new()?, Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let (at, to) = (appliance.port(0).to_string(), monitor.address().to_string());
    appliance.say(&["copy", "add", &at, &to])?.done()?;
    let sent = a.speak(10, appliance.port(0))?;
    assert_eq!((b.hear(10, appliance.port(2))?, monitor.hear(10, appliance.port(0))?), (sent.clone(), sent));
    assert_eq!(appliance.stream(appliance.port(0))?["copies"][0]["to"], to);
    appliance.say(&["copy", "remove", &at, &to])?.done()?;
    let complaint = appliance.say(&["copy", "remove", &at, &to])?.failed(1)?;
    assert!(complaint.contains(&format!("{at} has no copy to {to}")), "{complaint}");
    Ok(())
}

#[test]
fn a_divert_is_shown_and_the_stream_goes_on() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let at = appliance.port(0).to_string();
    appliance.say(&["divert", "on", &at])?.done()?;
    assert_eq!(appliance.stream(appliance.port(0))?["divert"], true);
    let sent = a.speak(5, appliance.port(0))?;
    assert_eq!(b.hear(5, appliance.port(2))?, sent);
    appliance.say(&["divert", "off", &at])?.done()?;
    assert_eq!(appliance.stream(appliance.port(0))?["divert"], false);
    Ok(())
}

#[test]
fn the_ninth_copy_is_refused_and_the_eight_go_on() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    let monitors: Vec<_> = (0..9).map(|_| Party::new()).collect::<Result<_>>()?;
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let at = appliance.port(0).to_string();
    for monitor in &monitors[..8] {
        appliance.say(&["copy", "add", &at, &monitor.address().to_string()])?.done()?;
    }
    let complaint = appliance.say(&["copy", "add", &at, &monitors[8].address().to_string()])?.failed(1)?;
    assert!(complaint.contains("has 8 copies already; remove one first"), "{complaint}");
    let sent = a.speak(3, appliance.port(0))?;
    assert_eq!(b.hear(3, appliance.port(2))?, sent);
    for monitor in &monitors[..8] {
        assert_eq!(monitor.hear(3, appliance.port(0))?, sent);
    }
    Ok(())
}

#[test]
fn copies_of_one_stream_too_many_are_refused_and_counted_and_the_others_go_on() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b, monitor) = (Party::new()?, Party::new()?, Party::new()?);
    appliance.configure(&(appliance.relay(0, &a, &b) + &appliance.relay(4, &a, &b)))?;
    let text = std::fs::read_to_string(appliance.config()).map_err(other)?;
    appliance.write_config(&text.replace("[control]", "groups = 1\n[control]"))?;
    let _daemon = appliance.run()?;
    let to = monitor.address().to_string();
    appliance.say(&["copy", "add", &appliance.port(0).to_string(), &to])?.done()?;
    let complaint = appliance.say(&["copy", "add", &appliance.port(4).to_string(), &to])?.failed(1)?;
    assert!(complaint.contains("1 streams are being copied") && complaint.contains("raise `groups`"), "{complaint}");
    let status = appliance.ask(&["status"])?;
    let groups = status["capacity"].as_array().and_then(|all| all.iter().find(|it| it["what"] == "replication groups"));
    assert_eq!(
        groups.map(|it| [&it["used"], &it["max"], &it["refused"]].map(Clone::clone)),
        Some([1, 1, 1].map(Into::into))
    );
    // The one that has copies can still be changed.
    appliance.say(&["divert", "on", &appliance.port(0).to_string()])?.done()?;
    appliance.say(&["divert", "off", &appliance.port(0).to_string()])?.done()?;
    let sent = a.speak(3, appliance.port(0))?;
    assert_eq!((b.hear(3, appliance.port(2))?, monitor.hear(3, appliance.port(0))?), (sent.clone(), sent));
    Ok(())
}
