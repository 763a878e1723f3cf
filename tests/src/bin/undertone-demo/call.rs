//! One call: its relay, its copies, and its two parties talking.

use std::{cell::OnceCell, panic::resume_unwind, thread, time::Duration};

use anyhow::{Context as _, Result};
use undertone_dataplane::{Clock, Dataplane, End, Kind, MonitorPort, Policy, Relay};
use undertone_tests::{
    lab::{Family, wait_for},
    rtp::{Endpoint, Packet, Received, Schedule, Stream},
    speech::encode_pcmu,
};

use super::{
    crossing::{Arrivals, Crossing, MONITORS},
    interrupt::Interrupt,
    network::{Host, Network},
    report::Progress,
    script::{Party, Scene},
};

/// Long enough for a next hop to answer, or for a packet to cross.
const SOON: Duration = Duration::from_secs(5);

/// How long nothing may come for all to have come.
const SILENCE: Duration = Duration::from_millis(100);

/// The UDP port of a party's telephone.
const PHONE_PORT: u16 = 4000;

/// The monitor port that is number 1; the others follow.
const MONITOR_PORT: u16 = 7001;

/// The parties of a call on the line, and the monitor ports that its streams are copied to.
pub(crate) struct Call<'a> {
    network: &'a Network,
    plane: &'a Dataplane,
    family: Family,
    relay: Relay,
    parties: [Endpoint; 2],
    monitors: [Endpoint; MONITORS],
}

impl<'a> Call<'a> {
    /// Gives both parties media ports, and copies both streams to every monitor port.
    pub(crate) fn place(network: &'a Network, plane: &'a Dataplane, family: Family) -> Result<Self> {
        let bind = |party| network.bind(Host::Party(party), family, PHONE_PORT);
        let parties = [bind(Party::Caller)?, bind(Party::Agent)?];
        let [first, second] = [0, 1].map(|index| network.bind(Host::Monitor, family, MONITOR_PORT + index));
        // Each party's RTP at an even port, RFC 3550, section 11.
        let media_port = |party: Party| network.media_port() + 2 * party.index() as u16;
        let end = |party: Party| End {
            local: (network.media_address(Host::Party(party), family), media_port(party)).into(),
            peer: parties[party.index()].local(),
            learn: Policy::Strict,
            sends: true,
            dscp: None,
        };
        let relay = Relay { a: end(Party::Caller), b: end(Party::Agent), kind: Kind::Rtp, clock: Clock::Hz8000 };
        let call = Self { network, plane, family, relay, parties, monitors: [first?, second?] };
        call.set_up().context("the appliance does not take the call")?;
        Ok(call)
    }

    fn set_up(&self) -> Result<()> {
        self.network.inside(|| {
            self.plane.add(&self.relay)?;
            for monitor in &self.monitors {
                for end in [self.relay.a, self.relay.b] {
                    self.plane.add_copy(end.local, MonitorPort::Network(monitor.local()))?;
                }
            }
            Ok::<_, undertone_dataplane::PlaneError>(())
        })?;
        wait_for("the parties and the monitor to answer for their addresses", SOON, || {
            let capacity = self.plane.capacity();
            (capacity.destinations_resolved == capacity.destinations).then_some(())
        })?;
        Ok(())
    }

    /// Lets both parties talk at once, each in real time, and gives what became of both streams.
    pub(crate) fn talk(&self, scene: &Scene, interrupt: &Interrupt) -> Result<Vec<Crossing>> {
        let progress = &Progress::of_call(self.family, scene);
        let [caller, agent] = thread::scope(|scope| {
            let speak = |party| scope.spawn(move || self.speak(party, scene, progress, interrupt));
            [speak(Party::Caller), speak(Party::Agent)]
                .map(|party| party.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        interrupt.check()?;
        self.hear(scene, [caller?, agent?])
    }

    /// Takes the call and its copies off the appliance.
    pub(crate) fn end(self) -> Result<()> {
        self.network.inside(|| self.plane.remove(self.relay.a.local))
    }

    /// Sends what one party says, and gives the datagrams.
    fn speak(&self, party: Party, scene: &Scene, progress: &Progress, interrupt: &Interrupt) -> Result<Vec<Vec<u8>>> {
        let stream = stream(party);
        let packets = stream.packets(&encode_pcmu(scene.track(party)));
        let times = (0..).map(|index| stream.ptime() * index);
        let schedule: Schedule = times.zip(packets.iter().map(Packet::to_bytes)).collect();
        self.parties[party.index()].send_schedule_while(&schedule, self.leg(party).local, |frame| {
            progress.frame(party, frame);
            !interrupt.is_raised()
        })?;
        Ok(schedule.into_iter().map(|(_, datagram)| datagram).collect())
    }

    /// Collects what arrived of what was sent, once nothing more comes.
    fn hear(&self, scene: &Scene, sent: [Vec<Vec<u8>>; 2]) -> Result<Vec<Crossing>> {
        for monitor in &self.monitors {
            // What does not come in time is a finding, not an error.
            let _ = monitor.wait_for_packets(2 * scene.frames(), SOON);
        }
        let at_parties = self.parties.each_ref().map(|party| party.wait_for_silence(SILENCE));
        let at_monitors = self.monitors.each_ref().map(|monitor| monitor.wait_for_silence(SILENCE));
        let streams = Party::BOTH.into_iter().zip(sent);
        streams.map(|(party, sent)| self.crossing(scene, party, sent, &at_parties, &at_monitors)).collect()
    }

    fn crossing(
        &self,
        scene: &Scene,
        party: Party,
        sent: Vec<Vec<u8>>,
        at_parties: &[Vec<Received>; 2],
        at_monitors: &[Vec<Received>; MONITORS],
    ) -> Result<Crossing> {
        let at = self.leg(party).local;
        let paths = self.plane.paths();
        let interface = self.network.interface(Host::Party(party));
        let taken = paths.iter().find(|path| path.interface == interface).or(paths.first());
        Ok(Crossing {
            party,
            family: self.family,
            path: taken.context("the data plane takes no path")?.path,
            spoken: scene.track(party).to_vec(),
            first_timestamp: stream(party).first_timestamp,
            // Whatever reaches a party counts as the other's, wherever it comes from: a party hears it all.
            far_end: Arrivals::of(&sent, at_parties[party.other().index()].iter()),
            // At a monitor port, streams are told apart by the media port that a copy comes from.
            monitors: at_monitors
                .each_ref()
                .map(|heard| Arrivals::of(&sent, heard.iter().filter(|copy| copy.from.port() == at.port()))),
            monitor_ports: self.monitors.each_ref().map(Endpoint::local),
            statistics: self.plane.report(at)?.statistics,
            similarity: OnceCell::new(),
            sent,
        })
    }

    const fn leg(&self, party: Party) -> &End {
        match party {
            Party::Caller => &self.relay.a,
            Party::Agent => &self.relay.b,
        }
    }
}

/// The numbers that a party's packets bear: both wrap during the call, as they do in any long one.
const fn stream(party: Party) -> Stream {
    let stream = match party {
        Party::Caller => Stream::pcmu(0xca11_e400),
        Party::Agent => Stream::pcmu(0x0a6e_7400),
    };
    stream.starting_at(u16::MAX - 100, u32::MAX - 16_000)
}
