//! What the demo tells of itself and of what crossed.

mod counts;
mod picture;
mod progress;
mod step;
mod table;

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use serde_json::Value;

pub(crate) use self::{
    counts::Counts,
    picture::picture,
    progress::Progress,
    step::Step,
    table::{LEGEND, Row, table, write_json},
};
use super::{
    arguments::Path,
    crossing::{Arrivals, Crossing},
    network::Network,
    script::{Party, Scene},
};

/// Writes a line, or several, for the user to read. When nobody reads any more, the demo still does its work.
pub(crate) fn say(what: impl Display) {
    let _ = writeln!(io::stdout(), "{what}");
}

/// Shows what was typed and what came of it, set off from what the demo itself has to say.
pub(crate) fn tell(typed: &str, said: &str) {
    say(format!("            {typed}"));
    for line in said.trim_end().lines() {
        say(format!("            {line}"));
    }
}

/// Who speaks, for how long.
pub(crate) fn speech(scenes: &[Scene]) -> String {
    let voices = Party::BOTH.map(|party| format!("the {} as {}", party.name(), party.voice()));
    let seconds: f64 = scenes.iter().map(Scene::seconds).sum();
    format!("{seconds:.1} s of dialogue spoken by espeak-ng, {}", voices.join(" and "))
}

/// Which path the interfaces take and, where a faster one might have been, why, by a status.
pub(crate) fn paths(status: &Value, choice: Path) -> String {
    let all = status["interfaces"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let alike = all.chunk_by(|one, other| (&one["path"], &one["reason"]) == (&other["path"], &other["reason"]));
    let describe = |paths: &[Value]| {
        let (path, reason) = (text(&paths[0], "path"), text(&paths[0], "reason"));
        let why = if choice == Path::Fastest && path != NATIVE { format!(" ({reason})") } else { String::new() };
        let names: Vec<_> = paths.iter().map(|it| text(it, "interface")).filter(|name| name != "*").collect();
        let colon = if names.is_empty() { "" } else { ": " };
        format!("{}{colon}{}, {}{why}", names.join(", "), label(&path), explanation(&path))
    };
    alike.map(describe).collect::<Vec<_>>().join("; ")
}

const NATIVE: &str = "xdp-native";
const GENERIC: &str = "xdp-generic";
const SOCKETS: &str = "io-uring";

/// A path's name in what people read.
pub(crate) fn label(path: &str) -> &str {
    match path {
        NATIVE => "XDP native",
        GENERIC => "XDP generic",
        SOCKETS => "io_uring",
        other => other,
    }
}

fn explanation(path: &str) -> &'static str {
    match path {
        NATIVE => "in the driver, ahead of the kernel's network stack",
        GENERIC => "behind the driver, ahead of the kernel's network stack",
        _ => "in the daemon, behind the kernel's network stack",
    }
}

/// Which parts of the product this run has not exercised, and what it would take.
pub(crate) fn not_exercised(network: &Network, crossings: &[Crossing]) -> Vec<&'static str> {
    let is_taken = |path| crossings.iter().any(|crossing| crossing.path == path);
    let mut missing = Vec::new();
    if matches!(network, Network::Loopback { .. }) {
        missing.push(
            "XDP, native and generic, separate networks, and IPv6, of which the loopback interface has one address \
             only. Every packet crossed sockets and io_uring in the daemon. Run as root to see the others.",
        );
    } else if is_taken(SOCKETS) {
        missing.push("XDP, native and generic. Every packet crossed sockets and io_uring in the daemon.");
    } else if is_taken(GENERIC) {
        missing.push("XDP native, on at least one interface.");
    }
    missing
}

/// The good news.
pub(crate) fn verdict(crossings: &[Crossing]) -> String {
    let packets: u64 = crossings.iter().map(|crossing| crossing.measured.packets).sum();
    let copies: usize = crossings.iter().flat_map(|it| &it.monitors).map(Arrivals::count).sum();
    format!(
        "All that was said arrived: {packets} packets without loss, each party's words in the other's telephone, and \
         {copies} copies at the monitor ports, in order and without a gap."
    )
}
