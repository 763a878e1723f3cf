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

use undertone_dataplane::{InterfacePath, Path, PathChoice};

pub(crate) use self::{
    counts::Counts,
    picture::picture,
    progress::Progress,
    step::Step,
    table::{LEGEND, Row, table, write_json},
};
use super::{
    crossing::{Crossing, MONITORS},
    network::Network,
    script::{Party, Scene},
};

/// Writes a line, or several, for the user to read. When nobody reads any more, the demo still does its work.
pub(crate) fn say(what: impl Display) {
    let _ = writeln!(io::stdout(), "{what}");
}

/// Who speaks, for how long.
pub(crate) fn speech(scenes: &[Scene]) -> String {
    let voices = Party::BOTH.map(|party| format!("the {} as {}", party.name(), party.voice()));
    let seconds: f64 = scenes.iter().map(Scene::seconds).sum();
    format!("{seconds:.1} s of dialogue spoken by espeak-ng, {}", voices.join(" and "))
}

/// Which path the interfaces take and, where a faster one might have been, why.
pub(crate) fn paths(paths: &[InterfacePath], choice: PathChoice) -> String {
    let alike = paths.chunk_by(|one, other| (one.path, &one.reason) == (other.path, &other.reason));
    let describe = |paths: &[InterfacePath]| {
        let InterfacePath { path, reason, .. } = &paths[0];
        let why =
            if choice == PathChoice::Fastest && *path != Path::Native { format!(" ({reason})") } else { String::new() };
        let interfaces: Vec<_> = paths.iter().map(|path| path.interface.as_str()).filter(|name| *name != "*").collect();
        let colon = if interfaces.is_empty() { "" } else { ": " };
        format!("{}{colon}{}, {}{why}", interfaces.join(", "), label(*path), explanation(*path))
    };
    alike.map(describe).collect::<Vec<_>>().join("; ")
}

/// A path's name in what people read.
pub(crate) const fn label(path: Path) -> &'static str {
    match path {
        Path::Native => "XDP native",
        Path::Generic => "XDP generic",
        Path::Sockets => "io_uring",
    }
}

const fn explanation(path: Path) -> &'static str {
    match path {
        Path::Native => "in the driver, ahead of the kernel's network stack",
        Path::Generic => "behind the driver, ahead of the kernel's network stack",
        Path::Sockets => "in this process, behind the kernel's network stack",
    }
}

/// Which parts of the product this run has not exercised, and what it would take.
pub(crate) fn not_exercised(network: &Network, paths: &[InterfacePath]) -> Vec<&'static str> {
    let is_taken = |path| paths.iter().any(|taken| taken.path == path);
    let mut missing = Vec::new();
    if matches!(network, Network::Loopback) {
        missing.push(
            "XDP, native and generic, and separate networks. Every packet crossed sockets and io_uring in this \
             process, on the loopback interface. Run as root to see XDP.",
        );
        if network.families().len() < 2 {
            missing.push("IPv6. The loopback interface does not have it here.");
        }
    } else if is_taken(Path::Sockets) {
        missing.push("XDP, native and generic. Every packet crossed sockets and io_uring in this process.");
    } else if is_taken(Path::Generic) {
        missing.push("XDP native, on at least one interface.");
    }
    missing
}

/// The good news.
pub(crate) fn verdict(crossings: &[Crossing]) -> String {
    let packets: usize = crossings.iter().map(|crossing| crossing.sent.len()).sum();
    format!(
        "Everything arrived as it was sent: {packets} packets at the other party and {} copies at the monitor ports, byte \
         for byte.",
        packets * MONITORS
    )
}
