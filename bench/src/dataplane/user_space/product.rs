//! The product's daemon on its `io_uring` path.

use std::{fmt::Write as _, fs, net::SocketAddr};

use anyhow::{Context as _, Result};

use super::{
    STREAMS,
    scene::{PARTY, RELAY_IN, RELAY_OUT, SENDER, Scene},
    sender::source_port,
};
use crate::machine::{Process, sibling};

const DAEMON: &str = "undertone";
/// The first media port of either side.
const PORT_FIRST: u16 = 20_000;
/// The first port of the party.
const PARTY_PORT_FIRST: u16 = 5000;

/// Why the daemon cannot be started, if so.
pub(super) fn obstacle() -> Option<String> {
    sibling(DAEMON).err().map(|error| error.to_string())
}

/// Starts it. Gives the port of each stream.
pub(super) fn start(scene: &Scene) -> Result<(Process, Vec<SocketAddr>)> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let config = folder.path().join("undertone.toml");
    let socket = folder.path().join("undertone.sock");
    fs::write(&config, configuration(&socket.display().to_string()))?;
    let arguments = ["run", "--config", &config.display().to_string()].map(String::from);
    let process = Process::start(&scene.relay, &sibling(DAEMON)?.display().to_string(), &arguments, folder)?;
    let port = |number: u16| Ok(SocketAddr::new(RELAY_IN.parse()?, PORT_FIRST + 2 * number));
    Ok((process, (0..STREAMS).map(port).collect::<Result<_>>()?))
}

fn configuration(socket: &str) -> String {
    let mut text = format!(
        "[media]\naddresses = [\"{RELAY_IN}\", \"{RELAY_OUT}\"]\nports = \"{PORT_FIRST}-{}\"\npath = \"io-uring\"\n\
         pins = \"none\"\n[control]\nsocket = \"{socket}\"\n",
        PORT_FIRST + 2 * STREAMS,
    );
    for number in 0..STREAMS {
        let (port, from, to) = (PORT_FIRST + 2 * number, source_port(number), PARTY_PORT_FIRST + 2 * number);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "[[relay]]\na = {{ local = \"{RELAY_IN}:{port}\", peer = \"{SENDER}:{from}\" }}\n\
             b = {{ local = \"{RELAY_OUT}:{port}\", peer = \"{PARTY}:{to}\" }}\n"
        );
    }
    text
}
