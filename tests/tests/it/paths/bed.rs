//! A test bed: a caller, an agent and a monitor around an appliance, with a data plane on it.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use undertone_dataplane::{
    Clock, Dataplane, End, Kind, MixerOptions, MonitorPort, Node, Options, PathChoice, PlaneError, Policy, Reason,
    Relay, StreamReport,
};
use undertone_tests::{
    Error, Result,
    lab::{Family, Lab, Site, wait_for},
    rtp::{Endpoint, Received},
};

/// Long enough for anything that happens at all.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A lab with a data plane.
pub(crate) struct Bed {
    pub(crate) plane: Dataplane,
    pub(crate) lab: Lab,
}

/// Both parties of a relay, and the relay.
pub(crate) struct Call {
    pub(crate) caller: Endpoint,
    pub(crate) agent: Endpoint,
    pub(crate) relay: Relay,
}

pub(crate) const PORTS: (u16, u16) = (20_000, 40_000);

/// Lanes of the mixer.
pub(crate) const LANES: u32 = 3;

impl Bed {
    pub(crate) fn new(path: PathChoice) -> Result<Self> {
        let lab = Lab::three_way()?;
        let plane = open(&lab, path)?;
        Ok(Self { plane, lab })
    }

    /// A relay between caller and agent at the media port `port`, whose next hops are known.
    pub(crate) fn call(&self, family: Family, port: u16) -> Result<Call> {
        self.call_of(Kind::Rtp, family, port)
    }

    /// A relay of other media than plain RTP.
    pub(crate) fn call_of(&self, kind: Kind, family: Family, port: u16) -> Result<Call> {
        self.make_call(kind, [family, family], port)
    }

    /// A relay between a caller and an agent of different IP versions.
    pub(crate) fn call_between(&self, caller: Family, agent: Family, port: u16) -> Result<Call> {
        self.make_call(Kind::Rtp, [caller, agent], port)
    }

    fn make_call(&self, kind: Kind, [caller, agent]: [Family; 2], port: u16) -> Result<Call> {
        let a = bind(&self.lab.caller, caller)?;
        let b = bind(&self.lab.agent, agent)?;
        let at = |site: &Site, family, port| SocketAddr::new(site.facing_address(family), port);
        let relay = Relay {
            a: end(at(&self.lab.caller, caller, port), a.local()),
            b: end(at(&self.lab.agent, agent, port + 2), b.local()),
            kind,
            clock: Clock::Hz8000,
        };
        self.drive(|plane| plane.add(&relay))?;
        self.wait_for_ways(&[a.local().ip(), b.local().ip()])?;
        Ok(Call { caller: a, agent: b, relay })
    }

    /// A relay that holds the way to `endpoint`, on the monitor's host.
    pub(crate) fn call_to(&self, endpoint: &Endpoint, port: u16) -> Result<Call> {
        let caller = bind(&self.lab.caller, Family::V4)?;
        let agent = bind(&self.lab.monitor, Family::V4)?;
        let at = |site: &Site, port| SocketAddr::new(site.facing_address(Family::V4), port);
        let relay = Relay {
            a: end(at(&self.lab.caller, port), caller.local()),
            b: end(at(&self.lab.monitor, port + 2), endpoint.local()),
            kind: Kind::Rtp,
            clock: Clock::Hz8000,
        };
        self.drive(|plane| plane.add(&relay))?;
        self.wait_for_ways(&[])?;
        Ok(Call { caller, agent, relay })
    }

    /// A monitor port on the monitor's host, of which the stream at `at` sends copies.
    pub(crate) fn monitor(&self, family: Family, at: SocketAddr) -> Result<Endpoint> {
        let monitor = bind(&self.lab.monitor, family)?;
        self.drive(|plane| plane.add_copy(at, MonitorPort::Network(monitor.local())))?;
        self.wait_for_ways(&[monitor.local().ip()])?;
        Ok(monitor)
    }

    pub(crate) fn wait_for_ways(&self, _: &[IpAddr]) -> Result<()> {
        wait_for("every next hop to be resolved", SOON, || {
            let capacity = self.plane.capacity();
            (capacity.destinations == capacity.destinations_resolved).then_some(())
        })
    }

    /// Drives the data plane from within the appliance, where its devices are.
    pub(crate) fn drive<T: Send>(
        &self,
        action: impl FnOnce(&Dataplane) -> std::result::Result<T, PlaneError> + Send,
    ) -> Result<T> {
        self.lab.appliance.run(|| action(&self.plane))?.map_err(failed)
    }

    /// Waits until the stream at `at` has counted `packets`.
    pub(crate) fn wait_for_count(&self, at: SocketAddr, packets: u64) -> Result<StreamReport> {
        wait_for("packets to be counted", SOON, || {
            self.plane.report(at).ok().filter(|report| report.statistics.packets >= packets)
        })
    }

    /// Waits until so many packets counted for a reason; sockets add them up at the end of a turn.
    pub(crate) fn wait_for_reason(&self, reason: Reason, packets: u64) -> Result<()> {
        wait_for("packets to count for their reason", SOON, || (self.reason(reason) == packets).then_some(()))
    }

    /// How many packets counted for a reason.
    pub(crate) fn reason(&self, reason: Reason) -> u64 {
        let reasons = self.plane.reasons().expect("counters can be read");
        reasons.iter().find(|(other, _)| *other == reason).map_or(0, |(_, count)| *count)
    }
}

impl Call {
    /// Sends these datagrams each way, and sees that they arrive as they were sent, each from the receiver's own port.
    pub(crate) fn exchange(&self, sent: &[Vec<u8>]) -> Result<()> {
        let (caller, agent) = ((&self.caller, self.relay.a.local), (&self.agent, self.relay.b.local));
        for ((from, at), (to, back)) in [(caller, agent), (agent, caller)] {
            sent.iter().try_for_each(|datagram| from.send(datagram, at))?;
            let received = to.wait_for_packets(sent.len(), SOON)?;
            assert_eq!(bytes(&received), sent, "to {}", to.local());
            assert!(received.iter().all(|packet| packet.from == back), "from {back}");
            to.take_received();
        }
        Ok(())
    }
}

/// An end that keeps to its SDP's address.
pub(crate) const fn end(local: SocketAddr, peer: SocketAddr) -> End {
    End { local, peer, learn: Policy::Strict, sends: true, dscp: None }
}

/// Opens a data plane in a lab's appliance.
pub(crate) fn open(lab: &Lab, path: PathChoice) -> Result<Dataplane> {
    let addresses = [&lab.caller, &lab.agent, &lab.monitor]
        .iter()
        .flat_map(|site| [site.facing_address(Family::V4), site.facing_address(Family::V6)])
        .collect();
    let options = Options {
        node: Node { addresses, port_first: PORTS.0, port_last: PORTS.1 },
        interfaces: ["caller", "agent", "monitor"].map(String::from).to_vec(),
        path,
        pins: None,
        groups: 256,
        mixer: MixerOptions { threads: Some(LANES), ..MixerOptions::default() },
    };
    lab.appliance.run(|| Dataplane::open(&options))?.map_err(failed)
}

pub(crate) fn bind(site: &Site, family: Family) -> Result<Endpoint> {
    Endpoint::bind(site.namespace(), SocketAddr::new(site.address(family), 0))
}

/// The payloads that arrived.
pub(crate) fn bytes(received: &[Received]) -> Vec<&[u8]> {
    received.iter().map(|packet| packet.bytes.as_slice()).collect()
}

/// An error of the data plane as one of the lab.
pub(crate) fn failed(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}
