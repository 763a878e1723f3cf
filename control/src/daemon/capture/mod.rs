//! A capture: copies of a stream to a socket of this process, and from there to the client as a pcap file.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, BufReader},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};
use undertone_core::{CopyId, MonitorPort, PlaneError};
use undertone_dataplane::Dataplane;

use super::{
    Daemon,
    answer::refused,
    serve::{send, write_patiently},
};
use crate::{
    pcap::{Datagram, file_header},
    protocol::{Answer, Code, PortName, Refusal},
    receiver::Receiver,
};

/// Captures at a time: each takes a copy of the streams it looks at.
const CAPTURES_MAX: usize = 16;
/// How often to look whether the streams are still there.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Packets handed over at once.
const PACKETS_PER_TURN: usize = 64;

/// A capture that was granted and may run.
pub(super) struct Capture {
    daemon: Rc<Daemon>,
    receiver: Receiver,
    taps: Vec<Tap>,
    counts: Counts,
}

/// What a capture has seen.
#[derive(Default)]
struct Counts {
    packets: u64,
    /// Packets that the socket had no room for, because the client read too slowly.
    missed: u32,
}

/// A copy of one stream. It ends when this is dropped.
struct Tap {
    dataplane: Dataplane,
    /// The media port that the stream arrives at.
    at: SocketAddr,
    id: CopyId,
    /// Where it comes from, as of the last look.
    source: SocketAddr,
}

impl Capture {
    /// Begins to copy what arrives at a port; with `both`, also what arrives at the other end of its relay.
    pub(super) fn open(daemon: &Rc<Daemon>, port: PortName, both: bool) -> Result<Self, Refusal> {
        if daemon.captures.get() >= CAPTURES_MAX {
            let error = format!("{CAPTURES_MAX} captures are running, and there is room for no more");
            return Err(Refusal::new(Code::Busy, error).with_way_out("end one and try again"));
        }
        let at = daemon.find(port)?;
        let report = daemon.dataplane.report(at).map_err(|error| refused(&error))?;
        let receiver = Receiver::bind(daemon.dataplane.mixer_address())
            .map_err(|error| Refusal::new(Code::Refused, format!("cannot open a socket for the copies: {error}")))?;
        let ports = std::iter::once(at).chain(both.then_some(report.from));
        let taps: Result<Vec<_>, _> = ports.map(|at| Tap::new(&daemon.dataplane, at, receiver.port())).collect();
        let taps = taps.map_err(|error| refused(&error))?;
        daemon.captures.set(daemon.captures.get() + 1);
        Ok(Self { daemon: Rc::clone(daemon), receiver, taps, counts: Counts::default() })
    }

    /// Sends packets until the client has enough, or the stream ends.
    pub(super) async fn run(mut self, read: BufReader<OwnedReadHalf>, mut write: OwnedWriteHalf) {
        let ports: Vec<_> = self.taps.iter().map(|tap| tap.at).collect();
        info!(?ports, "capture begins");
        if let Err(error) = self.stream(read, &mut write, ports.clone()).await {
            info!(%error, "the client left");
        }
        let Counts { packets, missed } = self.counts;
        if missed > 0 {
            warn!(missed, "the capture lacks packets because its client read too slowly; the stream itself does not");
        }
        info!(?ports, packets, "capture ends");
    }

    async fn stream(
        &mut self,
        mut read: BufReader<OwnedReadHalf>,
        write: &mut OwnedWriteHalf,
        ports: Vec<SocketAddr>,
    ) -> io::Result<()> {
        send(write, &Answer::Capture { ports }).await?;
        write_patiently(write, &file_header()).await?;
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut nothing = [0; 64];
        loop {
            tokio::select! {
                biased;
                read = read.read(&mut nothing) => {
                    if read? == 0 {
                        return Ok(());
                    }
                }
                readable = self.receiver.readable() => {
                    readable?;
                    let packets = self.take_packets();
                    write_patiently(write, &packets).await?;
                }
                _ = look.tick() => {
                    if !self.taps.iter_mut().all(Tap::look) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What has arrived, as part of a pcap file.
    fn take_packets(&mut self) -> Vec<u8> {
        let mut file = Vec::new();
        self.taps.iter_mut().for_each(|tap| {
            tap.look();
        });
        for _ in 0..PACKETS_PER_TURN {
            let Some(copy) = self.receiver.next() else { break };
            self.counts.missed = self.counts.missed.max(copy.missed);
            let stream = self.daemon.dataplane.media_address_of_alias(*copy.from.ip());
            let Some(tap) = stream.and_then(|ip| tap_of(&self.taps, ip, copy.from.port())) else { continue };
            Datagram { at: copy.at, from: tap.source, to: tap.at, payload: copy.payload }.append_to(&mut file);
            self.counts.packets += 1;
        }
        file
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.daemon.captures.set(self.daemon.captures.get().saturating_sub(1));
    }
}

fn tap_of(taps: &[Tap], ip: IpAddr, port: u16) -> Option<&Tap> {
    taps.iter().find(|tap| tap.at == SocketAddr::new(ip, port))
}

impl Tap {
    fn new(dataplane: &Dataplane, at: SocketAddr, port: u16) -> Result<Self, PlaneError> {
        let id = dataplane.add_copy(at, MonitorPort::Mixer(port))?;
        let mut tap = Self { dataplane: dataplane.clone(), at, id, source: at };
        tap.look();
        Ok(tap)
    }

    /// Looks where the stream comes from. False when it is gone, or its copy is.
    fn look(&mut self) -> bool {
        let Ok(report) = self.dataplane.report(self.at) else { return false };
        self.source = report.statistics.source.map_or(report.peer, SocketAddr::from);
        report.copies.iter().any(|(id, _)| *id == self.id)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // A stream that has ended took its copies with it.
        let _ = self.dataplane.remove_copy(self.at, self.id);
    }
}
