//! The threads that keep a plane true to the host: routes and neighbours, learned sources, the mixer's ports.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use aya::maps::{MapData, RingBuf};
use nix::poll::{PollFd, PollFlags, poll};
use parking_lot::Mutex;
use undertone_abi::{Local, RowIndex};
use undertone_core::{Memory as _, Plane, Way};

use super::XdpFabric;
use crate::{
    OpenError,
    counts::{Counts, Reasons},
    kernel::KernelMemory,
    mixer::{CopyOrders, Heart, MixerError, MixerThreads, Mixing, Ports, Pulse, Shift, index_of_alias},
    threads,
};

/// How long a thread waits before it looks whether it is to end, in milliseconds.
const LOOK_MS: u16 = 100;

/// Something that a plane has to know.
pub(super) enum Event {
    Way(IpAddr, Option<Way>),
    Move(RowIndex),
    Stop,
}

/// A way for events to a plane that is still being made.
pub(super) fn channel() -> (Sender<Event>, Receiver<Event>) {
    mpsc::channel()
}

/// Reports ways as events.
pub(super) fn reporter(events: &Sender<Event>) -> impl FnMut(IpAddr, Option<Way>) + Send + 'static {
    let events = events.clone();
    move |ip, way| {
        // The plane is gone only when everything ends.
        let _ = events.send(Event::Way(ip, way));
    }
}

/// The threads. They end when this is dropped.
pub(crate) struct Service {
    events: Sender<Event>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    mixer: MixerThreads,
}

impl Service {
    pub(super) fn start(
        plane: &Arc<Mutex<Plane<XdpFabric>>>,
        mixer: Ipv4Addr,
        ports: Ports,
        moves: Option<RingBuf<MapData>>,
        events: Sender<Event>,
        inbox: Receiver<Event>,
    ) -> Result<Self, OpenError> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = vec![spawn("plane", {
            let plane = Arc::clone(plane);
            move || apply(&plane, &inbox)
        })?];
        if let Some(moves) = moves {
            threads.push(spawn("moves", {
                let (events, stop) = (events.clone(), Arc::clone(&stop));
                move || follow(moves, &events, &stop)
            })?);
        }
        let heart = {
            let plane = plane.lock();
            let tables = plane.fabric().kernel.shared_memory();
            let copied = Arc::clone(&plane.fabric().copied);
            TablesHeart { tables, copied, addresses: plane.node().addresses.clone(), mixer }
        };
        let tables = Arc::clone(&heart.tables);
        let pulse: Pulse = Box::new(move |now_ns| tables.beat(now_ns));
        let shifted = Arc::clone(plane);
        let shift: Shift = Box::new(move |row, offset| shifted.lock().shift(row, offset));
        Ok(Self { events, stop, threads, mixer: MixerThreads::start(ports, mixer, heart, pulse, shift)? })
    }
}

impl Service {
    /// What mixes.
    pub(crate) const fn mixing(&self) -> Option<&Mixing> {
        self.mixer.mixing.as_ref()
    }

    /// The name of a thread that has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        threads::ended(&self.threads).or_else(|| self.mixer.ended())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.events.send(Event::Stop);
        for thread in self.threads.drain(..) {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|source| MixerError::System { what: "start a thread", source }.into())
}

/// Applies events as they come.
fn apply(plane: &Mutex<Plane<XdpFabric>>, inbox: &Receiver<Event>) {
    while let Ok(event) = inbox.recv() {
        let result = match event {
            Event::Way(ip, way) => {
                tracing::debug!(%ip, ?way, "way");
                plane.lock().handle_way(ip, way)
            }
            Event::Move(row) => plane.lock().handle_move(row),
            Event::Stop => return,
        };
        if let Err(error) = result {
            tracing::warn!(%error, "a stream could not follow its way");
        }
    }
}

/// Passes on the rows that the kernel says have learned a source.
fn follow(mut moves: RingBuf<MapData>, events: &Sender<Event>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        while let Some(item) = moves.next() {
            if let Some(bytes) = item.first_chunk::<4>() {
                let _ = events.send(Event::Move(RowIndex(u32::from_ne_bytes(*bytes))));
            }
        }
        // A signal ends the wait early, which does no harm.
        let _ = poll(&mut [PollFd::new(moves.as_fd(), PollFlags::POLLIN)], LOOK_MS);
    }
}

/// What the mixer's ports need of the plane: its tables, without its lock. Whoever holds that for long must not stop the
/// heartbeat, or every divert would fail to the wire.
struct TablesHeart {
    tables: Arc<KernelMemory>,
    /// Where copies that are made here count.
    copied: Arc<Reasons>,
    /// The node's media addresses.
    addresses: Vec<IpAddr>,
    mixer: Ipv4Addr,
}

impl Heart for TablesHeart {
    fn beat(&self, now_ns: u64) {
        self.tables.beat(now_ns);
    }

    fn way_out(&self, alias: SocketAddrV4) -> Option<(SocketAddr, SocketAddr)> {
        let memory = &*self.tables;
        let row = memory.row(self.row(alias)?)?;
        let rule = row.rule()?;
        let from = *self.addresses.get(rule.via.local.0 as usize)?;
        let to = if row.follows() { memory.row(rule.partner())?.answer_to(rule.to) } else { rule.to };
        Some((SocketAddr::new(from, rule.from_port), to.into()))
    }

    fn copies(&self, alias: SocketAddrV4) -> Option<CopyOrders> {
        let memory = &*self.tables;
        let row = self.row(alias)?;
        let rule = memory.row(row)?.rule()?;
        let group = memory.group(rule.group)?;
        let is_diverted = rule.forward && rule.divert;
        let to_mixer = SocketAddrV4::new(self.mixer, memory.config().divert_port(row, rule.partner()));
        let divert = is_diverted.then_some((SocketAddr::V4(alias), to_mixer));
        let copies = (0..group.count() as usize)
            .filter_map(|index| group.copy(index))
            .filter_map(|copy| {
                let local = memory.config().local(copy.via.local)?;
                let to_mixer = copy.via.hop == memory.config().mixer_hop();
                let address = if to_mixer { local.alias() } else { local.address() };
                Some((SocketAddr::new(address.into(), copy.from_port), copy.to.into()))
            })
            .collect();
        Some(CopyOrders { forward: rule.forward && !is_diverted, divert, copies })
    }

    fn count(&self, copies: &mut Counts) {
        copies.settle(&self.copied);
    }
}

impl TablesHeart {
    fn row(&self, alias: SocketAddrV4) -> Option<RowIndex> {
        Some(RowIndex::new(Local(index_of_alias(self.mixer, *alias.ip())?), alias.port()))
    }
}
