//! Debian's rtpengine in user space.

use std::net::SocketAddr;

use anyhow::Result;

use super::{
    STREAMS,
    scene::{PARTY, RELAY_IN, RELAY_OUT, SENDER, Scene},
    sender::source_port,
};
use crate::machine::{Control, Process, Rtpengine};

const PARTY_PORT_FIRST: u16 = 5000;

/// Starts it, and sets up a call for each stream. Gives the port of each stream.
pub(super) fn start(scene: &Scene) -> Result<(Process, Vec<SocketAddr>)> {
    let rtpengine = Rtpengine {
        // One core, one thread: more of them only take turns on it.
        threads: 1,
        interfaces: [("a", RELAY_IN), ("b", RELAY_OUT)],
        ports: (20_000, 40_000),
        more: &["--endpoint-learning=immediate"],
    };
    let process = rtpengine.start(&scene.relay)?;
    let control = scene.relay.run(Control::connect)?;
    let near = [RELAY_IN.parse()?, RELAY_OUT.parse()?];
    let port = |number: u16| {
        let sender = SocketAddr::new(SENDER.parse()?, source_port(number));
        let party = SocketAddr::new(PARTY.parse()?, PARTY_PORT_FIRST + 2 * number);
        Ok(control.call(number, [sender, party], near)?[0])
    };
    let ports = (0..STREAMS).map(port).collect::<Result<_>>()?;
    Ok((process, ports))
}
