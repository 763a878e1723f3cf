//! The signalling of both sides, on sockets and by the clock.

mod socket;

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::sleep_until,
};
use undertone_control_core::sip::message::Message;

use self::socket::{Arrival, Port, Side};
use super::{
    media::Media,
    options::Job,
    progress::Progress,
    sip::Io,
    tally::{Answering, Placed},
    uac::{Pace, Plan, Uac},
    uas::{Manner, Uas},
};

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Datagrams that are taken in one turn.
const TURN: usize = 64;
/// How long what is under way at the end may take.
const CLOSING: Duration = Duration::from_secs(4);
/// How long sound that is under way at the end may take: longer than ends that send no more still hear.
const TRAILING: Duration = Duration::from_millis(400);

/// How many calls there were at a time.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(super) struct Sample {
    /// Since the start.
    pub(super) seconds: f64,
    /// Calls that are up.
    pub(super) up: u64,
    /// Calls that were placed so far.
    pub(super) placed: u64,
    /// Calls that failed so far.
    pub(super) failed: u64,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Exchanged {
    /// What the calling side counted, if there was one.
    pub(super) placed: Option<Placed>,
    /// What the answering side counted, if there was one.
    pub(super) answered: Option<Answering>,
    /// How it went over time.
    pub(super) samples: Vec<Sample>,
    /// How long it took.
    pub(super) took: Duration,
    /// The calling side's address.
    pub(super) local: Option<String>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

/// The sockets of the sides that run here.
pub(super) struct Sockets {
    caller: Option<(UdpSocket, SocketAddr)>,
    called: Option<UdpSocket>,
}

impl Sockets {
    /// Binds them, and makes sure that the target is there.
    pub(super) fn open(job: &Job) -> Result<Self> {
        let called = job.uas.map(|uas| socket::bind("--uas", uas)).transpose()?;
        let caller = match &job.caller {
            None => None,
            Some(caller) => {
                let local = socket::bind("--local", caller.local)?.local_addr()?;
                // Our own answering side is there, and does not answer yet.
                if job.uas != Some(caller.target) {
                    socket::knock(local, caller.target)?;
                }
                Some((socket::bind("--local", local)?, local))
            }
        };
        Ok(Self { caller, called })
    }
}

/// Runs both sides, as far as they are asked for, until all calls are over or the run is interrupted.
pub(super) fn run(job: &Job, sockets: Sockets, media: &mut dyn Media, progress: &Progress) -> Result<Exchanged> {
    let mut builder = tokio_uring::builder();
    builder.entries(1024);
    let runtime = tokio_uring::Runtime::new(&builder).context(
        "cannot make an io_uring, which this program's sockets need: the kernel may forbid it \
         (`sysctl kernel.io_uring_disabled`, or the container's seccomp profile)",
    )?;
    runtime.block_on(async {
        let mut exchange = Exchange::new(job, sockets, media)?;
        exchange.run(progress).await;
        Ok(exchange.finish())
    })
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// Interrupted: calls are being ended.
    Stopping,
    /// What is under way is waited for.
    Closing(Instant),
}

struct Exchange<'a> {
    uac: Option<Uac>,
    uas: Option<Uas>,
    media: &'a mut dyn Media,
    ports: Vec<Port>,
    inbox: UnboundedReceiver<Arrival>,
    signals: [Signal; 2],
    start: Instant,
    phase: Phase,
    next_look: Instant,
    samples: Vec<Sample>,
    unreadable: u64,
    local: Option<String>,
}

impl<'a> Exchange<'a> {
    fn new(job: &Job, sockets: Sockets, media: &'a mut dyn Media) -> Result<Self> {
        let start = Instant::now();
        let local = sockets.caller.as_ref().map(|(_, local)| local.to_string());
        let (outbox, inbox) = unbounded_channel();
        let mut ports = Vec::new();
        let mut uac = None;
        if let (Some(caller), Some((socket, local))) = (&job.caller, sockets.caller) {
            ports.push(Port::new(Side::Caller, socket, outbox.clone()));
            let plan = Plan {
                target: caller.target,
                local,
                number: caller.number.clone(),
                from: caller.from.clone(),
                hold: caller.hold,
                concurrent_max: caller.concurrent_max,
                codec: job.codec,
                needs_media: job.rtp,
            };
            uac = Some(Uac::new(plan, Pace::new(caller.rate, caller.extent, start)));
        }
        let mut uas = None;
        if let (Some(local), Some(socket)) = (job.uas, sockets.called) {
            ports.push(Port::new(Side::Called, socket, outbox));
            uas = Some(Uas::new(Manner { local, ringing: job.ringing, codec: job.codec }));
        }
        let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        let (next_look, samples) = (start, Vec::new());
        Ok(Self {
            uac,
            uas,
            media,
            ports,
            inbox,
            signals,
            start,
            phase: Phase::Running,
            next_look,
            samples,
            unreadable: 0,
            local,
        })
    }

    async fn run(&mut self, progress: &Progress) {
        loop {
            let deadline = self.deadline();
            let [interrupted, terminated] = &mut self.signals;
            let mut arrival = tokio::select! {
                biased;
                _ = interrupted.recv() => { self.interrupt(); None }
                _ = terminated.recv() => { self.interrupt(); None }
                arrival = self.inbox.recv() => arrival,
                () = sleep_until(deadline.into()) => None,
            };
            for _ in 0..TURN {
                let Some(taken) = arrival else { break };
                self.handle_arrival(&taken);
                arrival = self.inbox.try_recv().ok();
            }
            self.act(Instant::now(), Uac::handle_time, Uas::handle_time);
            if Instant::now() >= self.next_look {
                self.look(progress);
            }
            if self.is_over() {
                return;
            }
        }
    }

    fn deadline(&self) -> Instant {
        let sides = [self.uac.as_ref().and_then(Uac::deadline), self.uas.as_ref().and_then(Uas::deadline)];
        sides.into_iter().flatten().chain([self.next_look]).min().unwrap_or(self.next_look)
    }

    fn handle_arrival(&mut self, arrival: &Arrival) {
        let Ok(message) = Message::parse(&arrival.bytes) else {
            // Keep-alives of some elements are line ends alone.
            self.unreadable += u64::from(!arrival.bytes.trim_ascii().is_empty());
            return;
        };
        match arrival.side {
            Side::Caller => {
                self.act(arrival.at, |uac, io| uac.handle_message(&message, arrival.source, io), |_, _| {});
            }
            Side::Called => {
                self.act(arrival.at, |_, _| {}, |uas, io| uas.handle_message(&message, arrival.source, io));
            }
        }
    }

    /// Lets the sides do something, and sends what they want sent.
    fn act(&mut self, now: Instant, uac: impl FnOnce(&mut Uac, &mut Io<'_>), uas: impl FnOnce(&mut Uas, &mut Io<'_>)) {
        let mut out = Vec::new();
        if let Some(side) = &mut self.uac {
            uac(side, &mut Io { now, out: &mut out, media: self.media });
            self.send(Side::Caller, &mut out);
        }
        if let Some(side) = &mut self.uas {
            uas(side, &mut Io { now, out: &mut out, media: self.media });
            self.send(Side::Called, &mut out);
        }
    }

    fn send(&self, side: Side, out: &mut Vec<super::sip::Datagram>) {
        if let Some(port) = self.ports.iter().find(|port| port.side() == side) {
            port.send(out.drain(..));
        }
    }

    fn interrupt(&mut self) {
        let now = Instant::now();
        if self.phase != Phase::Running {
            self.phase = Phase::Closing(now);
            return;
        }
        self.phase = Phase::Stopping;
        if self.uac.is_some() {
            self.act(now, Uac::stop, |_, _| {});
        } else {
            self.close(now);
        }
    }

    /// Lets the answering side end what nobody else has ended.
    fn close(&mut self, now: Instant) {
        self.phase = Phase::Closing(now + CLOSING);
        self.act(now, |_, _| {}, Uas::stop);
    }

    fn is_over(&mut self) -> bool {
        let now = Instant::now();
        match (self.phase, &self.uac) {
            (Phase::Closing(until), _) => {
                let running = self.uas.as_ref().map_or(0, |uas| uas.answered().running);
                now >= until || running == 0
            }
            (_, Some(uac)) if uac.is_done() => {
                self.close(now);
                false
            }
            _ => false,
        }
    }

    fn look(&mut self, progress: &Progress) {
        self.next_look = Instant::now() + LOOK;
        let seconds = self.start.elapsed().as_secs_f64();
        let sample = match (&self.uac, &self.uas) {
            (Some(uac), _) => {
                let placed = uac.placed();
                Sample { seconds, up: placed.up, placed: placed.calls, failed: placed.failures() }
            }
            (None, Some(uas)) => {
                let answered = uas.answered();
                Sample { seconds, up: answered.running, placed: answered.received, failed: answered.unacknowledged }
            }
            (None, None) => return,
        };
        progress.show(&sample, self.phase != Phase::Running);
        self.samples.push(sample);
    }

    fn finish(self) -> Exchanged {
        let mut notes: Vec<_> = self.ports.iter().filter_map(Port::failure).collect();
        if self.unreadable > 0 {
            notes.push(format!("{} datagrams were no SIP messages", self.unreadable));
        }
        let took = self.start.elapsed();
        std::thread::sleep(TRAILING);
        let placed = self.uac.map(|uac| uac.placed().clone());
        notes.extend(placed.iter().filter_map(|placed| placed.obstacle.clone()));
        Exchanged {
            placed,
            answered: self.uas.map(|uas| uas.answered().clone()),
            samples: self.samples,
            took,
            local: self.local,
            notes,
        }
    }
}
