//! `undertone status`.

use std::fmt::Write as _;

use comfy_table::CellAlignment::{Left, Right};

use super::{
    client::{Client, unexpected},
    output::{duration, grouped, lines, print, print_json, table},
};
use crate::{
    failure::Failure,
    protocol::{Answer, ReasonCount, Request, Status, Usage},
};

/// Show how the daemon is: paths, capacity, and what became of packets
///
/// PATH says for each interface which way its packets take, and why not a faster one. PACKETS counts every packet since
/// the tables were made, by what became of it and why.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  undertone status\n  undertone status --json | jq '.reasons[] | select(.fate == \"dropped\")'"
)]
pub(super) struct Args {
    /// Show reasons that no packet has had, too
    #[arg(long)]
    all: bool,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    match client.ask(&Request::Status)? {
        Answer::Status(status) if args.json => print_json(&status),
        Answer::Status(status) => print(&text(&status, args.all)),
        other => Err(unexpected(&other)),
    }
}

/// The fates of packets, and what they are called here.
const FATES: [(&str, &str); 3] = [("sent", "sent on"), ("passed", "passed to the kernel"), ("dropped", "dropped")];

/// A status as the operator reads it.
fn text(status: &Status, all: bool) -> String {
    let mut text = heading(status);
    if !status.problems.is_empty() {
        section(&mut text, "NOT AS CONFIGURED", status.problems.iter().flat_map(|problem| problem.lines()));
    }
    let mut paths = table([("interface", Left), ("path", Left), ("why", Left)]);
    for it in &status.interfaces {
        paths.add_row([&it.interface, &it.path, &it.reason]);
    }
    section(&mut text, "PATH", lines(&paths));
    section(&mut text, "CAPACITY", lines(&capacity(&status.capacity)));
    for (fate, called) in FATES {
        let reasons: Vec<_> = status.reasons.iter().filter(|it| it.fate == fate).collect();
        // What comes back from the mixer was counted on its way there.
        let total = reasons.iter().filter(|it| it.reason != "mixed").map(|it| it.packets).sum();
        let title = format!("PACKETS {called}: {}", grouped(total));
        section(&mut text, &title, reason_lines(&reasons, all));
    }
    text
}

fn heading(status: &Status) -> String {
    let Status { program_version, pid, uptime_s, relays_configured, captures, .. } = status;
    let adopted = match (status.adopted.tables, status.adopted.streams) {
        (false, _) => "found no running streams when it started".to_owned(),
        (true, streams) => format!("took over {streams} running streams when it started"),
    };
    let pins =
        status.pins.as_ref().map_or("nothing: streams end with the daemon".into(), |pins| pins.display().to_string());
    format!(
        "undertone {program_version}, process {pid}, up {}; {adopted}\n\
         configuration  {} ({relays_configured} relays)\n\
         pinned         {pins}\n\
         captures       {captures}\n",
        duration(uptime_s * 1000),
        status.config.display(),
    )
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = impl AsRef<str>>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{title}");
    for line in lines {
        let _ = writeln!(text, "  {}", line.as_ref());
    }
}

fn capacity(usage: &[Usage]) -> comfy_table::Table {
    let mut table = table([("", Left), ("used", Right), ("of", Right), ("%", Right), ("refused", Right)]);
    for it in usage {
        let [used, max, refused] = [it.used, it.max, it.refused].map(grouped);
        table.add_row([it.what.clone(), used, max, format!("{:.1}", it.percent()), refused]);
    }
    table
}

fn reason_lines(reasons: &[&ReasonCount], all: bool) -> Vec<String> {
    let mut table = table([("reason", Left), ("packets", Right), ("meaning", Left)]);
    let shown: Vec<_> = reasons.iter().filter(|it| all || it.packets > 0).collect();
    for it in &shown {
        table.add_row([it.reason.clone(), grouped(it.packets), it.help.clone()]);
    }
    if shown.is_empty() { Vec::new() } else { lines(&table) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Adoption, InterfaceStatus};

    fn status() -> Status {
        let reason = |reason: &str, fate: &str, packets, help: &str| ReasonCount {
            reason: reason.into(),
            fate: fate.into(),
            packets,
            help: help.into(),
        };
        Status {
            program_version: "1.2.3".into(),
            pid: 42,
            uptime_s: 3_700,
            config: "/etc/undertone/undertone.toml".into(),
            pins: Some("/sys/fs/bpf/undertone".into()),
            interfaces: vec![InterfaceStatus {
                interface: "eth0".into(),
                path: "xdp-generic".into(),
                reason: "the driver has no XDP".into(),
            }],
            adopted: Adoption { tables: true, streams: 4 },
            relays_configured: 2,
            captures: 0,
            problems: vec!["line 7: cannot add the relay: media port is in use".into()],
            capacity: vec![Usage { what: "media ports".into(), used: 4, max: 20_000, refused: 3 }],
            reasons: vec![
                reason("forwarded", "sent", 1_234_567, "Forwarded to its party."),
                reason("not-udp", "passed", 0, "Not UDP."),
                reason("stranger", "dropped", 12, "From somebody who is not the stream's source: RTP injection."),
            ],
        }
    }

    #[test]
    fn it_is_read_from_top_to_bottom() {
        let expected = "\
undertone 1.2.3, process 42, up 1 h 1 min; took over 4 running streams when it started
configuration  /etc/undertone/undertone.toml (2 relays)
pinned         /sys/fs/bpf/undertone
captures       0

NOT AS CONFIGURED
  line 7: cannot add the relay: media port is in use

PATH
  interface  path         why
  eth0       xdp-generic  the driver has no XDP

CAPACITY
               used      of    %  refused
  media ports     4  20,000  0.0        3

PACKETS sent on: 1,234,567
  reason       packets  meaning
  forwarded  1,234,567  Forwarded to its party.

PACKETS passed to the kernel: 0

PACKETS dropped: 12
  reason    packets  meaning
  stranger       12  From somebody who is not the stream's source: RTP injection.
";
        assert_eq!(text(&status(), false), expected);
        assert!(text(&status(), true).contains("not-udp"));
    }
}
