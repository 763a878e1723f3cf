//! The product's daemon on its `io_uring` path.

use std::{env, fmt::Write as _, fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result};

use super::{
    STREAMS,
    process::Process,
    scene::{PARTY, RELAY_IN, RELAY_OUT, SENDER, Scene},
    sender::source_port,
};

/// The first media port of either side.
const PORT_FIRST: u16 = 20_000;
/// The first port of the party.
const PARTY_PORT_FIRST: u16 = 5000;

/// Why the daemon cannot be started, if so.
pub(super) fn obstacle() -> Option<String> {
    match program() {
        Ok(path) if path.exists() => None,
        Ok(path) => Some(format!("there is no {}: run `cargo build --release`", path.display())),
        Err(error) => Some(error.to_string()),
    }
}

/// Starts it. Gives the port of each stream.
pub(super) fn start(scene: &Scene) -> Result<(Process, Vec<SocketAddr>)> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let config = folder.path().join("undertone.toml");
    let socket = folder.path().join("undertone.sock");
    fs::write(&config, configuration(&socket.display().to_string()))?;
    let arguments = ["run", "--config", &config.display().to_string()].map(String::from);
    let process = Process::start(&scene.relay, &program()?.display().to_string(), &arguments, folder)?;
    let port = |number: u16| Ok(SocketAddr::new(RELAY_IN.parse()?, PORT_FIRST + 2 * number));
    Ok((process, (0..STREAMS).map(port).collect::<Result<_>>()?))
}

/// The daemon that was built with this program.
fn program() -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find the folder of this program")?;
    Ok(this.with_file_name("undertone"))
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
