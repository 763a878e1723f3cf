//! One call: two telephones that talk to each other through the appliance, and two monitor ports that listen.

use std::{
    cell::OnceCell,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use undertone_tests::{
    lab::Family,
    phone::{Line, Phone},
    rtp::{Endpoint, Received},
    speech::SAMPLE_RATE,
};

use super::{
    appliance::{Appliance, Up},
    configuration::{EXTENSION, SIP_PORT},
    crossing::{Arrivals, Crossing, MONITORS, Measured, version},
    interrupt::{Interrupt, heeding},
    network::{Host, Network},
    report::{Progress, say},
    script::{FRAME, Party, Scene},
};

/// How long nothing may come for all to have come.
const SILENCE: Duration = Duration::from_millis(100);

/// The monitor port that is number 1; the others follow.
const MONITOR_PORT: u16 = 7001;

/// What telephones are silent for before they speak: time for the call to be shown and for copies to be set up.
const BEFORE: Duration = Duration::from_millis(1500);

/// What is behind it: longer than any call, for a telephone whose file has ended hangs up.
const BEHIND: usize = 30 * SAMPLE_RATE as usize;

/// The time that a packet lasts.
const PTIME: Duration = Duration::from_millis(20);

/// A call that is up, its streams copied to every monitor port.
pub(crate) struct Call<'a> {
    network: &'a Network,
    appliance: &'a Appliance,
    family: Family,
    scene: &'a Scene,
    phones: [Phone; 2],
    monitors: [Endpoint; MONITORS],
    up: Up,
    /// When the parties began to speak.
    began: Instant,
    /// How many packets had come of each stream when its copies were there.
    before_copies: [u64; 2],
}

impl<'a> Call<'a> {
    /// Lets the caller's telephone call the agent's, which answers, and copies both streams to every monitor port.
    pub(crate) fn place(
        network: &'a Network,
        appliance: &'a Appliance,
        family: Family,
        scene: &'a Scene,
    ) -> Result<Self> {
        let [first, second] = [0, 1].map(|index| network.bind(Host::Monitor, family, MONITOR_PORT + index));
        let monitors = [first?, second?];
        let phone = |party: Party| {
            let line = Line {
                name: party.name().to_owned(),
                number: if party == Party::Agent { EXTENSION } else { "4711" }.to_owned(),
                at: (network.address(Host::Party(party), family), SIP_PORT).into(),
                transport: "udp".to_owned(),
                namespace: network.namespace(Host::Party(party)).cloned(),
                folder: appliance.folder().join(format!("{}-v{}", party.name(), version(family))),
                more: String::new(),
            };
            let silence = |length| vec![0; length];
            let speech = [silence(samples(BEFORE)), scene.track(party).to_vec(), silence(BEHIND)].concat();
            Ok::<_, anyhow::Error>(heeding(|| line.start(&speech))??.quiet())
        };
        let mut phones = [phone(Party::Caller)?, phone(Party::Agent)?];
        let progress = format!("call, IPv{}", version(family));
        let appliance_at = SocketAddr::new(network.facing(Host::Party(Party::Caller), family), SIP_PORT);
        let uri = format!("sip:{EXTENSION}@{appliance_at}");
        say(format!("\n{progress:12}the caller's telephone calls {uri}"));
        phones[0].call(&uri)?;
        for phone in &mut phones {
            phone.established().context("the call is not answered")?;
        }
        let began = Instant::now() + BEFORE;
        let up = appliance.wait_for_call()?;
        appliance.show(&["calls"])?;
        for monitor in &monitors {
            for port in up.ports {
                appliance.show(&["copy", "add", &port.to_string(), &monitor.local().to_string()])?;
            }
        }
        let before_copies = [appliance.packets(up.ports[0])?, appliance.packets(up.ports[1])?];
        Ok(Self { network, appliance, family, scene, phones, monitors, up, began, before_copies })
    }

    /// Lets both parties say all that they have to say, and tells it.
    pub(crate) fn talk(&self, interrupt: &Interrupt) -> Result<()> {
        let progress = Progress::of_call(self.scene);
        for frame in 0..self.scene.frames() {
            interrupt.check()?;
            let at = self.began + PTIME * frame as u32;
            thread::sleep(at.saturating_duration_since(Instant::now()));
            progress.frame(frame);
        }
        // What a telephone hears lies in its jitter buffer for a while.
        let length = BEFORE + PTIME * self.scene.frames() as u32 + Duration::from_millis(300);
        for phone in &self.phones {
            phone.wait_for_recording(length)?;
        }
        Ok(())
    }

    /// Lets the caller hang up, and gives what became of both streams.
    pub(crate) fn end(mut self) -> Result<Vec<Crossing>> {
        self.phones[0].hang_up()?;
        let [by_caller, by_agent] = &mut self.phones;
        // Whoever speaks is heard by the other one.
        let heard = [by_agent.heard()?, by_caller.heard()?];
        let (measured, mut wrong) = self.appliance.record(&self.up)?;
        let received = self.monitors.each_ref().map(|monitor| monitor.wait_for_silence(SILENCE));
        let since = received.iter().flatten().map(|copy| copy.at).min().unwrap_or_default();
        let streams = Party::BOTH.into_iter().zip(heard).zip(measured);
        let crossing = |((party, heard), measured): ((Party, _), Measured)| {
            // At a monitor port, streams are told apart by the media port that a copy comes from.
            let at = self.up.ports[party.index()];
            let of_stream = |all: &Vec<Received>| Arrivals::of(all.iter().filter(|it| it.from == at), since);
            Ok(Crossing {
                party,
                family: self.family,
                path: self.appliance.path(self.network.interface(Host::Party(party)))?,
                said: self.scene.said(party).map(|(_, said)| said.to_vec()).collect(),
                heard,
                monitors: received.each_ref().map(of_stream),
                monitor_ports: self.monitors.each_ref().map(Endpoint::local),
                copies_due: measured.packets.saturating_sub(self.before_copies[party.index()]),
                measured,
                wrong: std::mem::take(&mut wrong),
                alike: OnceCell::new(),
            })
        };
        streams.map(crossing).collect()
    }
}

/// How many samples last this long.
const fn samples(time: Duration) -> usize {
    time.as_millis() as usize * SAMPLE_RATE as usize / 1000
}

const _: () = assert!(samples(PTIME) == FRAME);
