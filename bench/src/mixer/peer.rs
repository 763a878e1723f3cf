//! What listened calls are compared with: calls through Debian's rtpengine in user space, and calls through nothing.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{
    network::{Network, near, phones},
    phones::{Phones, Side, Stream, THREADS, v4},
};
use crate::machine::{self, Control, Process, Rtpengine};

const SIDES: [Side; 2] = [Side::Caller, Side::Agent];

/// Calls without anybody who listens.
pub(super) struct Peer {
    phones: Phones,
    // Ends before its network does.
    process: Option<Process>,
    _network: Network,
    calls: u16,
    streams: Vec<Stream>,
}

impl Peer {
    /// Calls through rtpengine, on the calling thread's core; the telephones are on core `beside`.
    pub(super) fn rtpengine(calls: u16, beside: usize) -> Result<Self> {
        let network = Network::new()?;
        let near = SIDES.map(near);
        let rtpengine = Rtpengine {
            threads: 1,
            interfaces: [("a", &near[0].to_string()), ("b", &near[1].to_string())],
            ports: (10_000, 60_000),
            // Calls without a packet stay while other rows are measured.
            more: &["--endpoint-learning=immediate", "--timeout=36000"],
        };
        let process = rtpengine.start(&network.inside)?;
        let control = network.inside.run(Control::connect)?;
        let parties = SIDES.map(|side| SocketAddr::from(phones(side)));
        let mut streams = Vec::new();
        for number in 0..calls {
            let ports = control.call(number, parties, near.map(Into::into))?;
            for (side, at) in SIDES.into_iter().zip(ports) {
                streams.push(Stream { side, number: number.into(), to: v4(at)? });
            }
        }
        let phones = Phones::start(network.sockets(&SIDES)?, beside)?;
        Ok(Self { phones, process: Some(process), _network: network, calls, streams })
    }

    /// Calls between two ends of a link.
    pub(super) fn straight(calls: u16, beside: usize) -> Result<Self> {
        let network = Network::new()?;
        let [caller, ..] = network.sockets(&SIDES)?;
        let at = SocketAddr::from((near(Side::Caller), phones(Side::Caller).port()));
        let agent = network.inside.run(|| UdpSocket::bind(at).context("cannot open a socket"))?;
        let streams = (0..calls).flat_map(|number| {
            let stream = |side, to| Stream { side, number: number.into(), to };
            [v4(at).map(|to| stream(Side::Caller, to)), Ok(stream(Side::Agent, phones(Side::Caller)))]
        });
        let streams = streams.collect::<Result<_>>()?;
        let phones = Phones::start([caller, Some(agent), None], beside)?;
        Ok(Self { phones, process: None, _network: network, calls, streams })
    }

    /// Time that the relay, if there is one, and the telephones run for a call, in microseconds a second.
    pub(super) fn time_per_call(&self, duration: Duration) -> Result<[f64; 2]> {
        self.phones.send(self.streams.clone())?;
        std::thread::sleep(Duration::from_millis(300));
        let read = || {
            let relay = self.process.as_ref().map(Process::time).transpose()?.unwrap_or_default();
            let threads = machine::threads()?;
            let phones = threads.iter().filter(|thread| THREADS.contains(&thread.name.as_str()));
            Ok([relay, phones.map(|thread| thread.ran).sum()])
        };
        let (window, [before, after]) = self.phones.count(duration, read)?;
        self.phones.send(Vec::new())?;
        let lost = |sent: u64, heard: u64| sent.saturating_sub(heard);
        let [from_callers, from_agents, _] = window.sent.packets;
        let lost = lost(from_callers, window.heard.agent.packets) + lost(from_agents, window.heard.caller.packets);
        if lost > 0 || from_callers == 0 {
            bail!("of {} packets {lost} were lost", from_callers + from_agents);
        }
        let per_call = |at: usize| {
            after[at].saturating_sub(before[at]).as_secs_f64() * 1e6
                / window.lasted.as_secs_f64()
                / f64::from(self.calls)
        };
        Ok([per_call(0), per_call(1)])
    }
}
