//! The appliance: a data plane with its mixer, calls through it, and a supervisor at each.

use std::{
    net::{SocketAddr, SocketAddrV4},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::sync::mpsc::UnboundedReceiver;
use undertone_core::mixer::{CallKey, Codec, Format, Mode, SessionKey, SessionSpec, StreamSpec};
use undertone_dataplane::{
    Clock, Dataplane, End, Kind, MixerEvent, MixerOptions, Mixing, Node, Options, PathChoice, Policy, Relay,
};

use super::{
    network::{Network, interface, near, phones},
    phones::{EVENT_TYPE, PACKET, Phones, RATE, Side, Stream, THREADS, Window},
};
use crate::{
    allocator,
    machine::{self, Thread},
};

/// Calls at once at most: as many as there are pairs of media ports.
pub(super) const CALLS_MAX: u32 = 10_000;
/// The first media port, and the first of a session.
const MEDIA_PORT_FIRST: u16 = 10_000;
const SESSION_PORT_FIRST: u16 = 30_000;
/// The name of the main thread, which only waits while anything is counted.
const PROGRAM: &str = "undertone-bench";
/// The appliance's threads that packets go through, and that hand on what lanes count of them.
const PACKET_THREADS: [&str; 3] = ["mixer", "shifts", "undertone-relay"];
/// How long anything may take that happens at all.
const SOON: Duration = Duration::from_secs(5);
/// How long new calls run before anything is counted: until buffers have found their size.
const SETTLING: Duration = Duration::from_millis(700);

const PCMU: Format = Format {
    codec: Codec::Pcmu,
    payload_type: 0,
    telephone_event: Some(EVENT_TYPE),
    comfort_noise: None,
    packet_ms: PACKET.as_millis() as u8,
};

/// What is measured.
pub(super) struct Appliance {
    // They end before what they stand on.
    phones: Phones,
    plane: Dataplane,
    events: UnboundedReceiver<MixerEvent>,
    network: Network,
    /// The mode of the supervisor at each call; `None` before there is one.
    calls: Vec<Option<Mode>>,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Sessions at which it was.
    pub(super) sessions: u32,
    /// By how much longer than those that go straight on packets through the mixer took: the median, and what 99 in 100
    /// are not above.
    pub(super) added_us: [f64; 2],
    /// How late what supervisors hear is, 99 in 100.
    pub(super) mix_late_us: f64,
    /// How late the telephones were themselves, 99 in 100.
    pub(super) phones_late_us: f64,
    /// Packets that did not come, of parties and to supervisors, and those that the appliance had no room for.
    pub(super) lost: u64,
    /// The part of what was to be mixed that was not.
    pub(super) silent: f64,
    /// The part of a core that the appliance's threads took, and that the telephones' did.
    pub(super) load: f64,
    pub(super) phones_load: f64,
    /// How often the threads that packets go through asked for memory, by packet that came to the mixer or left it.
    pub(super) allocations: f64,
    /// How often the appliance's other threads did, which look at the host from time to time, a second.
    pub(super) others_asked: f64,
}

/// What is read as a window begins and as it ends.
#[derive(Clone, Copy, Debug)]
struct Reading {
    appliance: Duration,
    phones: Duration,
    /// How often the threads that packets go through have asked for memory, and the other ones.
    asked: [u64; 2],
    dropped: u64,
}

impl Appliance {
    /// One without calls, on the calling thread's core; the telephones are on core `beside`.
    pub(super) fn start(beside: usize) -> Result<Self> {
        let network = Network::new()?;
        let options = Options {
            node: Node {
                addresses: [Side::Caller, Side::Agent].map(|side| near(side).into()).to_vec(),
                port_first: MEDIA_PORT_FIRST,
                port_last: SESSION_PORT_FIRST - 1,
            },
            interfaces: Side::ALL.map(|side| interface(side).to_owned()).to_vec(),
            path: PathChoice::Fastest,
            pins: None,
            groups: (2 * CALLS_MAX).next_power_of_two(),
            // Figures are by core.
            mixer: MixerOptions { threads: Some(1), ..MixerOptions::default() },
        };
        let plane = network.inside.run(|| Dataplane::open(&options).context("cannot open the data plane"))?;
        let mixing = plane.mixing().context("this system has no io_uring, and hence no mixer")?;
        let events = mixing.take_events().context("somebody else has the mixer's events")?;
        let phones = Phones::start(network.sockets(&Side::ALL)?, beside)?;
        Ok(Self { phones, plane, events, network, calls: Vec::new() })
    }

    /// How packets go through, in words.
    pub(super) fn path(&self) -> String {
        let paths = self.plane.paths();
        paths.first().map_or_else(String::new, |path| path.path.key().to_owned())
    }

    /// Has so many calls, with a supervisor in this mode at each.
    pub(super) fn set(&mut self, calls: u32, mode: Mode) -> Result<()> {
        while self.calls.len() > calls as usize {
            let last = self.calls.len() as u32 - 1;
            self.remove(last)?;
            self.calls.pop();
        }
        for number in 0..self.calls.len() as u32 {
            self.set_mode(number, mode)?;
        }
        while self.calls.len() < calls as usize {
            let number = self.calls.len() as u32;
            self.add(number).with_context(|| format!("call {number}"))?;
            self.calls.push(None);
            self.set_mode(number, mode)?;
        }
        let streams = (0..calls).flat_map(|number| {
            let [caller, agent, supervisor] = Side::ALL.map(|side| Stream { side, number, to: port(side, number) });
            [caller, agent, supervisor]
        });
        self.phones.send(streams.collect())?;
        self.wait("every next hop to be resolved", || {
            let capacity = self.plane.capacity();
            capacity.destinations == capacity.destinations_resolved
        })?;
        // The mixer has done all that it was told when it answers.
        if let Some(last) = calls.checked_sub(1) {
            self.wait("the last session", || self.mixing().report(SessionKey(last.into())).is_some())?;
        }
        thread::sleep(SETTLING);
        Ok(())
    }

    /// Measures for so long.
    pub(super) fn measure(&self, duration: Duration) -> Result<Figures> {
        let (window, readings) = self.phones.count(duration, || self.read())?;
        Ok(self.figures(&window, readings))
    }

    /// Time that the appliance's threads, and the telephones', run for a call, in microseconds a second.
    pub(super) fn time_per_call(&self, duration: Duration) -> Result<[f64; 2]> {
        let figures = self.measure(duration)?;
        if figures.lost > 0 {
            bail!("{} packets of {} listened calls were lost", figures.lost, figures.sessions);
        }
        Ok([figures.load, figures.phones_load].map(|load| load * 1e6 / f64::from(figures.sessions)))
    }

    /// Has the supervisor of a call press a key and whisper then, as control does: how long it takes from the key's end
    /// until the agent hears it.
    pub(super) fn change_mode(&mut self, number: u32) -> Result<Duration> {
        self.set_mode(number, Mode::Listen)?;
        thread::sleep(Duration::from_millis(100));
        while self.events.try_recv().is_ok() {}
        let Self { phones, plane, events, network, calls } = self;
        let obey = || {
            let deadline = Instant::now() + SOON;
            loop {
                match events.try_recv() {
                    Ok(MixerEvent::Digit(SessionKey(key), _)) if key == u64::from(number) => break,
                    _ if Instant::now() > deadline => bail!("the mixer tells of no key"),
                    _ => thread::sleep(Duration::from_micros(100)),
                }
            }
            set_mode(plane, network, number, Mode::WhisperToAgent)
        };
        let took = phones.press(number, 3, port(Side::Agent, number).port(), obey)?;
        calls[number as usize] = Some(Mode::WhisperToAgent);
        Ok(took)
    }

    fn read(&self) -> Result<Reading> {
        let threads = machine::threads()?;
        let is_phones = |thread: &&Thread| THREADS.contains(&thread.name.as_str());
        let is_packets = |thread: &&Thread| PACKET_THREADS.contains(&thread.name.as_str());
        let appliance: Vec<_> = threads.iter().filter(|thread| !is_phones(thread) && thread.name != PROGRAM).collect();
        let (packets, others): (Vec<&Thread>, Vec<_>) = appliance.iter().partition(|thread| is_packets(thread));
        // Each has asked for something as it began.
        let asked = |thread: &&Thread| {
            allocator::asked(thread.id).with_context(|| format!("what thread {} asks for is not counted", thread.name))
        };
        Ok(Reading {
            appliance: appliance.iter().map(|thread| thread.ran).sum(),
            phones: threads.iter().filter(is_phones).map(|thread| thread.ran).sum(),
            asked: [packets.iter().map(asked).sum::<Result<_>>()?, others.iter().map(asked).sum::<Result<_>>()?],
            dropped: self.network.dropped_inside()?,
        })
    }

    fn figures(&self, window: &Window, [before, after]: [Reading; 2]) -> Figures {
        let (sent, heard, seconds) = (&window.sent, &window.heard, window.lasted.as_secs_f64());
        let whispers = self.calls.iter().filter(|mode| **mode == Some(Mode::WhisperToAgent)).count() as f64;
        let [from_callers, from_agents, from_supervisors] = sent.packets;
        let sessions = self.calls.len() as f64;
        let diverted = if sessions > 0.0 { from_callers as f64 * whispers / sessions } else { 0.0 };
        let to_be_mixed = if whispers > 0.0 { heard.agent.packets } else { 0 };
        let silent =
            part(heard.agent.mixed, to_be_mixed).max(part(heard.supervisor.sounding, heard.supervisor.packets));
        // A packet of each may fall on either side of an end.
        let expected = (sessions * (RATE * seconds - 2.0)).max(0.0) as u64;
        let lost = [
            from_callers.saturating_sub(heard.agent.packets),
            from_agents.saturating_sub(heard.caller.packets),
            expected.saturating_sub(heard.supervisor.packets).max(heard.supervisor.lost),
            after.dropped - before.dropped,
        ];
        let straight_us = heard.caller.took.percentile_us(50.0);
        let added_us = [50.0, 99.0].map(|percent| heard.agent.took.percentile_us(percent) - straight_us);
        let packets = (from_callers + from_agents + from_supervisors + heard.supervisor.packets) as f64 + diverted;
        let asked = [0, 1].map(|of| after.asked[of].saturating_sub(before.asked[of]) as f64);
        let load = |before: Duration, after: Duration| (after.saturating_sub(before)).as_secs_f64() / seconds;
        Figures {
            sessions: self.calls.len() as u32,
            added_us,
            mix_late_us: heard.supervisor.late.percentile_us(99.0),
            phones_late_us: sent.late.percentile_us(99.0),
            lost: lost.iter().sum(),
            silent,
            load: load(before.appliance, after.appliance),
            phones_load: load(before.phones, after.phones),
            allocations: asked[0] / packets,
            others_asked: asked[1] / seconds,
        }
    }

    fn mixing(&self) -> &Mixing {
        // It was there at the start, and stays as long as the plane.
        self.plane.mixing().expect("a mixer")
    }

    fn add(&self, number: u32) -> Result<()> {
        let [caller, agent] = [Side::Caller, Side::Agent].map(|side| SocketAddr::from(port(side, number)));
        let end =
            |local, side| End { local, peer: phones(side).into(), learn: Policy::Strict, sends: true, dscp: None };
        let relay =
            Relay { a: end(caller, Side::Caller), b: end(agent, Side::Agent), kind: Kind::Rtp, clock: Clock::Hz8000 };
        let spec = |at| {
            let row = self.plane.row(at).context("no row for a media port")?;
            Ok::<_, anyhow::Error>(StreamSpec { row, format: Some(PCMU), sequence_offset: 0 })
        };
        let streams = [spec(agent)?, spec(caller)?];
        let mixing = self.mixing();
        self.network.inside.run(|| {
            self.plane.add(&relay)?;
            for at in [agent, caller] {
                self.plane.tap(at)?;
            }
            Ok(())
        })?;
        mixing.set_call(CallKey(number.into()), streams);
        let spec = SessionSpec {
            format: PCMU,
            remote: SocketAddr::from(phones(Side::Supervisor)).into(),
            rtcp: None,
            policy: Policy::Strict,
            hears: true,
            tones: false,
        };
        let (key, at) = (SessionKey(number.into()), port(Side::Supervisor, number).into());
        // A session's port is free again a moment after it has ended.
        let deadline = Instant::now() + SOON;
        while let Err(error) = self.network.inside.run(|| Ok(mixing.open(key, at, None, spec)?)) {
            if Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn remove(&self, number: u32) -> Result<()> {
        let mixing = self.mixing();
        mixing.close(SessionKey(number.into()));
        mixing.end_call(CallKey(number.into()));
        let at = SocketAddr::from(port(Side::Caller, number));
        self.network.inside.run(|| self.plane.remove(at).map_err(|error| anyhow!("{error}")))
    }

    fn set_mode(&mut self, number: u32, mode: Mode) -> Result<()> {
        let Some(now) = self.calls.get_mut(number as usize) else { return Ok(()) };
        if *now != Some(mode) {
            *now = Some(mode);
            set_mode(&self.plane, &self.network, number, mode)?;
        }
        Ok(())
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + SOON;
        while !is_so() {
            if let Some(fault) = self.plane.fault() {
                bail!("{fault}");
            }
            if Instant::now() > deadline {
                bail!("waited in vain for {what}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Has the supervisor of a call do this: what control does when it is asked to.
fn set_mode(plane: &Dataplane, network: &Network, number: u32, mode: Mode) -> Result<()> {
    let mixing = plane.mixing().context("no mixer")?;
    mixing.attach(SessionKey(number.into()), CallKey(number.into()), mode);
    let at = SocketAddr::from(port(Side::Caller, number));
    network.inside.run(|| Ok(plane.set_divert(at, mode == Mode::WhisperToAgent)?))
}

/// What is missing of `whole`.
fn part(there: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 1.0 - there as f64 / whole as f64 }
}

/// The appliance's port for somebody of a call.
fn port(side: Side, number: u32) -> SocketAddrV4 {
    let port = match side {
        Side::Caller | Side::Agent => MEDIA_PORT_FIRST + 2 * number as u16,
        Side::Supervisor => SESSION_PORT_FIRST + number as u16,
    };
    SocketAddrV4::new(near(side), port)
}
