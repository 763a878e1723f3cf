//! The thread that sends and hears: every leg has its turn each 20 ms, and turns are spread over them.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{Shutdown, SocketAddr, UdpSocket as StdSocket},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use tokio::{sync::mpsc::UnboundedReceiver, time::sleep_until};
use tokio_uring::net::UdpSocket;

use super::{
    Codec, Heard, Sound,
    legs::Command,
    packet::{Arrived, Numbering, now_ns},
    stream::Stream,
};

/// The wheel turns by one of its slots at each tick, and comes round once a packet time.
const TICK: Duration = Duration::from_millis(1);
const SLOTS: usize = 20;
/// How long a leg that sends no more still hears.
const TRAILING: Duration = Duration::from_millis(300);
/// The longest packet that is looked at.
const PACKET_BYTES_MAX: usize = 2048;

/// Serves legs until nobody asks for anything any more.
pub(super) fn run(sound: Sound, commands: UnboundedReceiver<Command>) -> Result<Heard> {
    let mut builder = tokio_uring::builder();
    builder.entries(4096);
    let runtime = tokio_uring::Runtime::new(&builder).context("cannot make an io_uring for the sound")?;
    let heard = Rc::new(RefCell::new(Heard::default()));
    runtime.block_on(Engine::new(sound, Rc::clone(&heard)).run(commands));
    drop(runtime);
    Ok(heard.take())
}

struct Engine {
    sound: Sound,
    heard: Rc<RefCell<Heard>>,
    legs: HashMap<u64, Rc<Leg>>,
    wheel: [Vec<Rc<Leg>>; SLOTS],
    /// When the next slot has its turn, and which it is.
    next: Instant,
    slot: usize,
    seeds: RandomState,
}

struct Leg {
    socket: UdpSocket,
    /// Where it sends, once it does.
    sending: RefCell<Option<Sending>>,
    streams: RefCell<Vec<Stream>>,
    started: Cell<Option<Instant>>,
    slot: Cell<Option<usize>>,
    /// Whether it hears no more.
    is_over: Cell<bool>,
}

struct Sending {
    remote: SocketAddr,
    codec: Codec,
    numbering: Numbering,
}

impl Engine {
    fn new(sound: Sound, heard: Rc<RefCell<Heard>>) -> Self {
        Self {
            sound,
            heard,
            legs: HashMap::new(),
            wheel: Default::default(),
            next: Instant::now(),
            slot: 0,
            seeds: RandomState::new(),
        }
    }

    async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.next.into()) => self.turn(),
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
            }
        }
        for leg in self.legs.values() {
            leg.count(&self.heard);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open(id, socket) => self.open(id, socket),
            Command::Start(id, remote, codec) => self.start(id, remote, codec),
            Command::Stop(id) => self.stop(id),
        }
    }

    fn open(&mut self, id: u64, socket: StdSocket) {
        let leg = Rc::new(Leg {
            socket: UdpSocket::from_std(socket),
            sending: RefCell::default(),
            streams: RefCell::default(),
            started: Cell::default(),
            slot: Cell::default(),
            is_over: Cell::default(),
        });
        tokio_uring::spawn(hear(Rc::clone(&leg), Rc::clone(&self.heard)));
        self.legs.insert(id, leg);
    }

    fn start(&mut self, id: u64, remote: SocketAddr, codec: Codec) {
        let Some(leg) = self.legs.get(&id) else { return };
        let numbering = Numbering::new(self.seeds.hash_one(id));
        *leg.sending.borrow_mut() = Some(Sending { remote, codec, numbering });
        if leg.slot.get().is_some() {
            return;
        }
        // Calls that begin at a steady rate would all meet in one slot.
        let Some(slot) = (0..SLOTS).min_by_key(|slot| self.wheel[*slot].len()) else { return };
        self.wheel[slot].push(Rc::clone(leg));
        leg.slot.set(Some(slot));
        leg.started.set(Some(Instant::now()));
    }

    fn stop(&mut self, id: u64) {
        let Some(leg) = self.legs.remove(&id) else { return };
        if let Some(slot) = leg.slot.get() {
            self.wheel[slot].retain(|other| !Rc::ptr_eq(other, &leg));
        }
        let heard = Rc::clone(&self.heard);
        tokio_uring::spawn(async move {
            tokio::time::sleep(TRAILING).await;
            leg.count(&heard);
            leg.is_over.set(true);
            // Wakes who hears; that the socket is not connected, which is what it says, does not keep it from that.
            let _ = leg.socket.shutdown(Shutdown::Both);
        });
    }

    /// Gives every slot its turn whose time has come.
    fn turn(&mut self) {
        let now = Instant::now();
        while self.next <= now {
            if !self.wheel[self.slot].is_empty() {
                self.heard.borrow_mut().pacing.record(self.next.elapsed());
                self.send();
            }
            self.slot = (self.slot + 1) % SLOTS;
            self.next += TICK;
        }
    }

    fn send(&self) {
        let sends: Vec<_> = self.wheel[self.slot].iter().filter_map(|leg| self.packet(leg)).collect();
        let heard = Rc::clone(&self.heard);
        heard.borrow_mut().sent += sends.len() as u64;
        tokio_uring::spawn(async move {
            let sent = join_all(
                sends.into_iter().map(async |(leg, remote, packet)| leg.socket.send_to(packet, remote).await.0),
            );
            let unsent = sent.await.iter().filter(|result| result.is_err()).count();
            heard.borrow_mut().unsent += unsent as u64;
        });
    }

    fn packet(&self, leg: &Rc<Leg>) -> Option<(Rc<Leg>, SocketAddr, Vec<u8>)> {
        let mut sending = leg.sending.borrow_mut();
        let Sending { remote, codec, numbering } = sending.as_mut()?;
        let payload = self.sound.frame(*codec, numbering.frame);
        Some((Rc::clone(leg), *remote, numbering.next(*codec, payload, now_ns())))
    }
}

impl Leg {
    /// Counts what it heard, at its end.
    fn count(&self, heard: &RefCell<Heard>) {
        let mut heard = heard.borrow_mut();
        let streams = self.streams.take();
        if streams.is_empty() && self.started.get().is_some() {
            heard.deaf += 1;
        }
        for stream in &streams {
            heard.count(stream);
        }
    }

    fn take(&self, datagram: &[u8], heard: &RefCell<Heard>) {
        let now = now_ns();
        let mut heard = heard.borrow_mut();
        let Some(packet) = Arrived::read(datagram) else {
            heard.strange += 1;
            return;
        };
        if let Some(sent) = packet.sent_ns {
            heard.latency.record(Duration::from_nanos(now.saturating_sub(sent)));
        }
        let mut streams = self.streams.borrow_mut();
        if streams.is_empty()
            && let Some(started) = self.started.get()
        {
            heard.first.record(started.elapsed());
        }
        match streams.iter_mut().find(|stream| stream.ssrc == packet.ssrc) {
            Some(stream) => stream.take(&packet, now),
            None => streams.push(Stream::new(&packet, now)),
        }
    }
}

/// Hears until the socket is shut down.
async fn hear(leg: Rc<Leg>, heard: Rc<RefCell<Heard>>) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        let (result, back) = leg.socket.read(buffer).await;
        buffer = back;
        match result {
            _ if leg.is_over.get() => return,
            Err(_) => tokio::time::sleep(TICK).await,
            Ok(length) => leg.take(buffer.get(..length).unwrap_or_default(), &heard),
        }
    }
}
