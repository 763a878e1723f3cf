//! The topology, drawn, with what crossed.

use super::label;
use crate::{
    crossing::{Crossing, MONITORS},
    network::{Host, Network},
    script::Party,
};

/// Columns inside the appliance's box.
const BOX: usize = 15;
/// Columns of a party's address, of either IP version.
const ADDRESS: usize = 14;
/// Columns of a count of packets.
const COUNT: usize = 6;
/// Columns left of the box.
const LEFT: usize = ADDRESS + COUNT + 11;

/// Draws parties, appliance and monitor ports. The count beside a party is what came of it.
pub(crate) fn picture(network: &Network, crossings: &[Crossing]) -> String {
    let path = crossings.first().map_or("", |crossing| label(&crossing.path));
    let mut lines =
        vec![format!("  {:LEFT$}┌{}┐{:>LEFT$}", Party::Caller.name(), "─".repeat(BOX), Party::Agent.name())];
    let calls: Vec<_> = crossings.chunks_exact(2).collect();
    let rows: Vec<_> = calls.iter().flat_map(|call| call_rows(network, call)).collect();
    let middle = rows.len() / 2 - 1;
    for (index, (left, right)) in rows.into_iter().enumerate() {
        let inside = if index == middle {
            "appliance"
        } else if index == middle + 1 {
            path
        } else {
            ""
        };
        lines.push(format!("  {left}│{inside:^BOX$}│{right}"));
    }
    let indent = 2 + LEFT + BOX / 2 + 1;
    lines.push(format!("  {:LEFT$}└{}┬{}┘", "", "─".repeat(BOX / 2), "─".repeat(BOX / 2)));
    lines.extend((0..MONITORS).map(|monitor| format!("{:indent$}{}", "", monitor_row(monitor, &calls))));
    lines.join("\n")
}

/// What went from left to right, and what from right to left: left and right of the box.
fn call_rows(network: &Network, call: &[Crossing]) -> [(String, String); 2] {
    let [from_caller, from_agent] = [&call[0], &call[1]];
    let address = |party| network.address(Host::Party(party), from_caller.family).to_string();
    let (caller, agent) = (address(Party::Caller), address(Party::Agent));
    [
        (
            format!("{caller:ADDRESS$}{:>COUNT$} ────────▶ ", from_caller.measured.packets),
            format!(" {:COUNT$} ────────▶ {agent:>ADDRESS$}", ""),
        ),
        (
            format!("{:ADDRESS$}{:>COUNT$} ◀──────── ", "", ""),
            format!(" {:COUNT$} ◀────────", from_agent.measured.packets),
        ),
    ]
}

fn monitor_row(monitor: usize, calls: &[&[Crossing]]) -> String {
    let corner = if monitor + 1 == MONITORS { '└' } else { '├' };
    let copies: usize =
        calls.iter().flat_map(|call| call.iter()).map(|crossing| crossing.monitors[monitor].count()).sum();
    let ports: Vec<_> = calls.iter().map(|call| call[0].monitor_ports[monitor].to_string()).collect();
    format!("{corner}──▶ {copies} copies to monitor port {}: {}", monitor + 1, ports.join(", "))
}
