//! What the demo tells of itself and of what crossed.

mod counts;
mod html;
mod json;
mod latency;
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
    html::Page,
    json::write as write_json,
    latency::Histogram,
    progress::Progress,
    step::Step,
    table::{RECEIVED_LEGEND, hearing, received, streams},
};
use super::{
    arguments::Path,
    findings::Findings,
    network::Network,
    script::{PEOPLE, Scene, name, seconds, voice},
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
pub(crate) fn speech(scene: &Scene) -> String {
    let voices = PEOPLE.map(|person| format!("the {} as {}", name(person), voice(person)));
    format!("a call of {:.1} s spoken by espeak-ng, {}", seconds(scene.length), voices.join(", "))
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
pub(crate) fn not_exercised(network: &Network, paths: &[String]) -> Option<&'static str> {
    let is_taken = |path| paths.iter().any(|it| it == path);
    if matches!(network, Network::Loopback { .. }) {
        Some(
            "XDP, native and generic, separate networks, IPv6, and a look at the packets themselves: whether their payloads \
             are the same, and how long they take. Every packet crossed sockets and io_uring in the daemon. Run as root to \
             see the others.",
        )
    } else if is_taken(SOCKETS) {
        Some("XDP, native and generic. Every packet crossed sockets and io_uring in the daemon.")
    } else if is_taken(GENERIC) {
        Some("XDP native, on at least one interface.")
    } else {
        None
    }
}

/// The good news.
pub(crate) fn verdict(findings: &Findings) -> String {
    let identical = findings.compared(false).map_or(String::new(), |it| {
        format!(" All {} payloads to whoever was not to hear the supervisor arrived byte for byte.", it.identical)
    });
    format!(
        "Everybody heard whom they should, and nobody else, in every mode: {} sentences held against the recordings.{identical}",
        findings.sentences.len()
    )
}
