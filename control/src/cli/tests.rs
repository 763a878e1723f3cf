use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use super::*;
use crate::protocol::{PortName, Request};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    Cli::command().debug_assert();
}

#[test]
fn every_example_of_the_help_can_be_typed() {
    let mut examples = 0;
    let root = Cli::command();
    let mut waiting = vec![&root];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands());
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let joined = help.replace("\\\n", " ");
        for line in joined.lines().map(str::trim).filter(|line| line.starts_with("undertone ")) {
            for part in line.split(['|', '&']).map(str::trim).filter(|part| part.starts_with("undertone ")) {
                parse(part).unwrap_or_else(|error| panic!("{part}: {error}"));
                examples += 1;
            }
        }
    }
    assert!(examples > 10, "{examples}");
}

#[test]
fn a_relay_is_said_in_flags() {
    let line = "undertone relay add --a-local 192.0.2.10:20000 --a-peer 198.51.100.7:4000 --a-hold --a-dscp ef \
                --b-local [2001:db8::10]:20002 --b-peer [2001:db8::7]:4000 --b-learn latch --kind rtp-mux --clock 48000";
    let Ok(Cli { command: Command::Relay(command), .. }) = parse(line) else { panic!("not understood") };
    let Request::AddRelay { relay, rtcp: false } = relay::request(&command) else { panic!("another request") };
    let json = serde_json::to_value(&relay).expect("it can be written");
    let expected = serde_json::json!({
        "a": { "local": "192.0.2.10:20000", "peer": "198.51.100.7:4000", "learn": "strict", "sends": false, "dscp": "ef" },
        "b": { "local": "[2001:db8::10]:20002", "peer": "[2001:db8::7]:4000", "learn": "latch", "sends": true },
        "kind": "rtp-mux",
        "clock": 48_000,
    });
    assert_eq!(json, expected);
}

#[test]
fn a_relay_is_ended_by_port() {
    let Ok(Cli { command: Command::Relay(command), .. }) = parse("undertone relay remove 20000 --rtcp") else {
        panic!("not understood")
    };
    let expected = Request::RemoveRelay { port: PortName { ip: None, port: 20_000 }, rtcp: true };
    assert_eq!(relay::request(&command), expected);
}

#[test]
fn the_socket_may_be_named_anywhere() {
    for line in ["undertone --socket /tmp/u.sock status", "undertone status --socket /tmp/u.sock"] {
        assert_eq!(parse(line).expect("understood").socket, Some("/tmp/u.sock".into()));
    }
}

#[test]
fn wrong_usage_is_told_with_what_would_be_right() {
    let table = [
        ("undertone", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, "Usage"),
        ("undertone listen", ErrorKind::InvalidSubcommand, "listen"),
        ("undertone divert maybe 20000", ErrorKind::InvalidValue, "on, off"),
        ("undertone divert on eth0", ErrorKind::ValueValidation, "names no media port"),
        ("undertone capture 20000", ErrorKind::MissingRequiredArgument, "--write <FILE>"),
        ("undertone capture 20000 -w x --count 0", ErrorKind::ValueValidation, "0"),
        ("undertone relay change --a-learn all", ErrorKind::InvalidValue, "strict, same-host, latch"),
        ("undertone relay add --clock 8001", ErrorKind::ValueValidation, "8000, 11025"),
        ("undertone relay add --a-dscp 64", ErrorKind::ValueValidation, "from 0 to 63"),
        ("undertone monitor 100", ErrorKind::MissingRequiredArgument, "--as <EXTENSION>"),
        ("undertone monitor 100 --as 200 --end", ErrorKind::ArgumentConflict, "--end"),
        ("undertone monitor 0190 --mode loud", ErrorKind::InvalidValue, "listen, whisper, whisper-caller, barge"),
        ("undertone run --log-format xml", ErrorKind::InvalidValue, "text, json"),
    ];
    for (line, kind, hint) in table {
        let error = parse(line).expect_err(line);
        assert_eq!(error.kind(), kind, "{line}");
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(hint), "{line}: {error}");
    }
}
