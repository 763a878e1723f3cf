//! The mixer's thread: the loop that waits, mixes and sends.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::AsFd as _,
    sync::{Arc, mpsc::Receiver},
};

use nix::sys::eventfd::EventFd;
use tokio::sync::mpsc::UnboundedSender;
use undertone_abi::{Endpoint, Local, RowIndex};
use undertone_core::mixer::{Event as MixerEvent, Mixer, SessionKey, Sink};

use super::{
    BUFFERS, Command, Moving, Reports, SESSIONS_MAX, SessionSockets,
    exits::{EXITS_MAX, Exits},
    lane::Heart,
    shifts::Shifts,
};
use crate::{
    door::{
        self,
        ring::{Buffer, Event, HEADER, PAYLOAD, Ring},
    },
    mixer::{alias, index_of_alias},
    sockets::datagram::Datagram,
};

/// Slots of sockets that are always there: for streams that are spoken into, and for copies.
pub(super) const SLOTS_FIXED: u32 = 2;
const DIVERT: u32 = 0;
const TAPS: u32 = 1;
/// The slot of the first session.
const SESSIONS: u32 = SLOTS_FIXED + EXITS_MAX;
/// The slot of the first session's RTCP.
const REPORTS: u32 = SESSIONS + SESSIONS_MAX;
/// How long what has come may wait for more to come while nobody speaks, in microseconds: nobody is kept waiting then.
const PATIENCE_US: u32 = 1_000;
/// How long after a packet that was led through here the next ones are waited for, in nanoseconds.
const HURRY_NS: u64 = 200_000_000;
/// Datagrams after which what is queued is sent, and those that go on are looked for again.
const AT_ONCE: usize = 32;
/// How often the heart beats, in nanoseconds: many times while it is fresh.
const BEAT_NS: u64 = 5_000_000;
/// How long a lane waits that has nothing to do, in nanoseconds: it is told what there is.
const REST_NS: u64 = 1_000_000_000;

/// All that the thread has.
pub(super) struct Thread {
    mixer: Mixer,
    ring: Ring,
    /// Kept open.
    _streams: [UdpSocket; 2],
    address: Ipv4Addr,
    exits: Exits,
    /// Sessions by slot, counted from [`SESSIONS`].
    sessions: Vec<Option<Open>>,
    slots: HashMap<SessionKey, u32>,
    /// Sessions whose RTCP may have a socket of its own: those in the first slots.
    reports_max: u32,
    /// The slots of the session at each place of the mixer's.
    places: Vec<Slots>,
    wires: Wires,
    /// Until when a packet is not to wait: streams are led through here.
    hurry_until_ns: u64,
    /// A packet that is passed on.
    packet: Box<[u8; PAYLOAD]>,
    /// What has come for supervisors' ears and from their phones, by slot: packets that go on to a party go first.
    waiting: VecDeque<(u32, Buffer)>,
    /// Slots whose receive has ended.
    ended: Vec<u32>,
    stops: bool,
}

/// What connects the thread with others.
pub(super) struct Wires {
    /// Rings when there are commands.
    pub(super) bell: Arc<EventFd>,
    pub(super) commands: Receiver<Command>,
    pub(super) events: UnboundedSender<MixerEvent>,
    pub(super) shifts: Shifts,
}

/// A session's sockets.
struct Open {
    /// Kept open; another lane's once the session is.
    sockets: Option<SessionSockets>,
    place: usize,
    /// Slots that are still received from, and whether no longer than it takes to end that.
    slots: u8,
    is_closing: bool,
}

/// Where a session's packets leave. RTCP leaves with RTP where it has no socket of its own.
#[derive(Clone, Copy, Default)]
struct Slots {
    rtp: u32,
    rtcp: u32,
}

/// What a slot of a session's is for.
#[derive(Clone, Copy)]
enum Port {
    Rtp,
    Rtcp,
}

/// Which session a slot is of, and for what.
const fn session_of(slot: u32) -> Option<(usize, Port)> {
    match slot {
        ..SESSIONS => None,
        SESSIONS..REPORTS => Some(((slot - SESSIONS) as usize, Port::Rtp)),
        _ => Some(((slot - REPORTS) as usize, Port::Rtcp)),
    }
}

impl Thread {
    /// One with sockets for streams that somebody speaks into, and for copies.
    pub(super) fn new(
        mut ring: Ring,
        reports_max: u32,
        address: Ipv4Addr,
        streams: [UdpSocket; 2],
        wires: Wires,
    ) -> io::Result<Self> {
        for (slot, socket) in [DIVERT, TAPS].into_iter().zip(&streams) {
            ring.register(slot, socket.as_fd())?;
            ring.receive(slot)?;
        }
        ring.watch(wires.bell.as_fd())?;
        let now_ns = door::monotonic_ns();
        Ok(Self {
            mixer: Mixer::new(now_ns, now_ns),
            ring,
            _streams: streams,
            address,
            exits: Exits::new(address, SLOTS_FIXED),
            sessions: Vec::new(),
            slots: HashMap::new(),
            reports_max,
            places: Vec::new(),
            wires,
            hurry_until_ns: 0,
            packet: Box::new([0; PAYLOAD]),
            waiting: VecDeque::with_capacity(BUFFERS.into()),
            ended: Vec::new(),
            stops: false,
        })
    }

    /// Runs until it is told to stop.
    pub(super) fn run(&mut self, heart: &Heart) -> io::Result<()> {
        let mut beat_ns = 0;
        while !self.stops {
            let now_ns = door::monotonic_ns();
            if now_ns - beat_ns >= BEAT_NS / 2 {
                heart.beat(now_ns);
                beat_ns = now_ns;
            }
            self.turn(now_ns)?;
            let rests = heart.may_rest() && self.mixer.is_idle();
            if rests {
                heart.rest();
                beat_ns = 0;
            }
            self.wait(if rests { REST_NS } else { BEAT_NS })?;
        }
        Ok(())
    }

    /// Waits until something comes or is due, but not longer than `most_ns`; not at all where something waits already.
    fn wait(&mut self, most_ns: u64) -> io::Result<()> {
        let now_ns = door::monotonic_ns();
        let until_ns = self.mixer.deadline_ns().unwrap_or(u64::MAX).min(now_ns + most_ns);
        if !self.waiting.is_empty() || until_ns <= now_ns {
            return self.ring.look();
        }
        let patience = (now_ns >= self.hurry_until_ns).then_some(PATIENCE_US);
        self.ring.wait_at_most(until_ns - now_ns, patience)
    }

    /// Passes on what goes on, takes some of what else has come, sends what is due, and tells what has happened.
    fn turn(&mut self, now_ns: u64) -> io::Result<()> {
        let mut passed = 0;
        while let Some(event) = self.ring.next() {
            passed += usize::from(self.handle(now_ns, event));
            // What goes on does not wait for all that has come, and the kernel gets buffers back.
            if passed == AT_ONCE {
                self.ring.submit()?;
                passed = 0;
            }
        }
        for _ in 0..AT_ONCE {
            let Some((slot, buffer)) = self.waiting.pop_front() else { break };
            self.take(now_ns, slot, &buffer);
            self.ring.give_back(buffer);
        }
        let (mixer, _, mut out) = self.out();
        mixer.tick(now_ns, &mut out);
        out.shifts.retry();
        // A slot is another's only when all is taken that came to it.
        while let Some(slot) = self.ended.pop_if(|_| self.waiting.is_empty()) {
            self.receive_again(slot);
        }
        while let Some(event) = self.mixer.poll() {
            let _ = self.wires.events.send(event);
        }
        Ok(())
    }

    /// Takes in what the kernel says. True when that is a packet that goes on.
    fn handle(&mut self, now_ns: u64, event: Event) -> bool {
        match event {
            Event::Receive { slot, buffer, more, .. } => {
                if !more && slot < SLOTS_FIXED {
                    let _ = self.ring.receive(slot);
                } else if !more {
                    self.ended.push(slot);
                }
                match buffer {
                    Some(buffer) if slot == DIVERT => {
                        self.take(now_ns, slot, &buffer);
                        self.ring.give_back(buffer);
                        return true;
                    }
                    Some(buffer) => self.waiting.push_back((slot, buffer)),
                    None => {}
                }
            }
            // A full queue drops it, as any network does.
            Event::Unsent { .. } => {}
            Event::Readable => self.obey(now_ns),
        }
        false
    }

    /// Takes in a datagram.
    fn take(&mut self, now_ns: u64, slot: u32, buffer: &Buffer) {
        let bytes = self.ring.bytes(buffer);
        let Some(datagram) = Datagram::parse(bytes).filter(|datagram| !datagram.is_truncated) else { return };
        let payload = bytes.get(HEADER..).unwrap_or_default();
        match slot {
            DIVERT => {
                let Some(row) = row(self.address, datagram.source) else { return };
                // Sending takes the ring, which has the buffer.
                let length = payload.len();
                let Some(packet) = self.packet.get_mut(..length) else { return };
                packet.copy_from_slice(payload);
                if let Some(dscp) = datagram.dscp {
                    self.exits.note(row, dscp);
                }
                self.hurry_until_ns = now_ns + HURRY_NS;
                let (mixer, packet, mut out) = self.out();
                mixer.pass(now_ns, row, packet.get(..length).unwrap_or_default(), &mut out);
            }
            TAPS => {
                if let Some(row) = row(self.address, datagram.source) {
                    self.mixer.hear(now_ns, row, payload);
                }
            }
            slot => {
                let Some((index, port)) = session_of(slot) else { return };
                let Some(Some(Open { place, is_closing: false, .. })) = self.sessions.get(index) else { return };
                match port {
                    Port::Rtp => self.mixer.take(now_ns, *place, datagram.source, payload),
                    Port::Rtcp => self.mixer.take_rtcp(now_ns, *place, datagram.source, payload),
                }
            }
        }
    }

    /// The mixer, the packet that is passed on, and where what is sent goes.
    const fn out(&mut self) -> (&mut Mixer, &[u8; PAYLOAD], Out<'_>) {
        let Self { mixer, packet, ring, exits, places, address, wires: Wires { shifts, .. }, .. } = self;
        (mixer, packet, Out { ring, exits, places: places.as_slice(), address: *address, shifts })
    }

    fn receive_again(&mut self, slot: u32) {
        let Some((index, _)) = session_of(slot) else { return };
        let Some(place) = self.sessions.get_mut(index) else { return };
        match place {
            Some(open) if open.is_closing => {
                let _ = self.ring.unregister(slot);
                open.slots = open.slots.saturating_sub(1);
                if open.slots == 0 {
                    *place = None;
                }
            }
            Some(_) => drop(self.ring.receive(slot)),
            None => {}
        }
    }

    fn obey(&mut self, now_ns: u64) {
        // The count says nothing that the channel does not.
        let _ = self.wires.bell.read();
        while let Ok(command) = self.wires.commands.try_recv() {
            self.command(now_ns, command);
        }
        let _ = self.ring.watch(self.wires.bell.as_fd());
    }

    fn command(&mut self, now_ns: u64, command: Command) {
        let outcome = match command {
            Command::Call(key, streams) => self.mixer.set_call(now_ns, key, streams),
            Command::EndCall(key, reply) => {
                for row in self.mixer.rows_of(key).unwrap_or_default() {
                    self.exits.forget(row);
                }
                let was_led = self.mixer.remove_call(now_ns, key);
                let _ = reply.map(|reply| reply.send(was_led));
                Ok(())
            }
            Command::Settle(key, was_led) => {
                self.mixer.settle(key, was_led);
                Ok(())
            }
            Command::Open(key, sockets, spec) => {
                self.mixer.set_session(now_ns, key, spec).map(|place| self.open(now_ns, key, sockets, place))
            }
            Command::Leave(key, reply) => {
                let _ = reply.send(self.release(now_ns, key));
                Ok(())
            }
            Command::Arrive(key, Moving { session, sockets }) => {
                let place = self.mixer.adopt_session(session);
                self.open(now_ns, key, sockets, place);
                Ok(())
            }
            Command::Change(key, spec) => self.mixer.set_session(now_ns, key, spec).map(drop),
            Command::Close(key) => {
                self.mixer.remove_session(now_ns, key);
                self.close(key);
                Ok(())
            }
            Command::Attach(key, call, mode) => self.mixer.attach(now_ns, key, call, mode),
            Command::Detach(key) => {
                self.mixer.detach(now_ns, key);
                Ok(())
            }
            Command::Consent(key, is_heard) => self.mixer.set_consent(now_ns, key, is_heard),
            Command::Ducking(decibels) => {
                self.mixer.set_ducking(decibels);
                Ok(())
            }
            Command::Play(key, signal) => {
                self.mixer.play(key, signal);
                Ok(())
            }
            Command::Say(key, clip) => {
                self.mixer.say(key, &clip);
                Ok(())
            }
            Command::Report(key, reply) => {
                let _ = reply.send(self.mixer.report(key));
                Ok(())
            }
            Command::Reports(reply) => {
                let report = |key| Some((key, self.mixer.report(key)?));
                let sessions = self.mixer.sessions().filter_map(report).collect();
                let _ = reply.send(Reports { sessions, totals: self.mixer.totals() });
                Ok(())
            }
            Command::Stop => {
                self.stops = true;
                Ok(())
            }
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "the mixer could not do what it was told");
        }
    }

    /// Takes in what comes to a session's sockets, and sends from them: to and from this place of the mixer's.
    fn open(&mut self, now_ns: u64, key: SessionKey, sockets: SessionSockets, place: usize) {
        let index = self.sessions.iter().position(Option::is_none).unwrap_or(self.sessions.len());
        let (slot, reports) = (SESSIONS + index as u32, REPORTS + index as u32);
        let opened = if index < SESSIONS_MAX as usize {
            self.receive_from(slot, &sockets.rtp)
        } else {
            Err(io::ErrorKind::QuotaExceeded.into())
        };
        if let Err(error) = opened {
            self.mixer.remove_session(now_ns, key);
            return tracing::error!(%error, "a session has no socket");
        }
        if index == self.sessions.len() {
            self.sessions.push(None);
        }
        let rtcp = sockets.rtcp.as_ref().filter(|_| (index as u32) < self.reports_max);
        let rtcp = rtcp.map(|socket| self.receive_from(reports, socket));
        let slots = 1 + u8::from(matches!(rtcp, Some(Ok(()))));
        if let Some(at) = self.sessions.get_mut(index) {
            *at = Some(Open { sockets: Some(sockets), place, slots, is_closing: false });
        }
        if self.places.len() <= place {
            self.places.resize(place + 1, Slots::default());
        }
        if let Some(at) = self.places.get_mut(place) {
            *at = Slots { rtp: slot, rtcp: if slots > 1 { reports } else { slot } };
        }
        self.slots.insert(key, slot);
    }

    fn receive_from(&mut self, slot: u32, socket: &UdpSocket) -> io::Result<()> {
        self.ring.register(slot, socket.as_fd())?;
        self.ring.receive(slot)
    }

    /// Lets a session go to another lane.
    fn release(&mut self, now_ns: u64, key: SessionKey) -> Option<Moving> {
        let session = self.mixer.release_session(now_ns, key)?;
        Some(Moving { session, sockets: self.close(key)? })
    }

    /// Takes in nothing more of what comes to a session's sockets.
    fn close(&mut self, key: SessionKey) -> Option<SessionSockets> {
        let slot = self.slots.remove(&key)?;
        let open = self.sessions.get_mut((slot - SESSIONS) as usize)?.as_mut()?;
        open.is_closing = true;
        let _ = self.ring.cancel(slot);
        if open.slots > 1 {
            let _ = self.ring.cancel(slot - SESSIONS + REPORTS);
        }
        open.sockets.take()
    }
}

/// The media port behind an alias.
fn row(mixer: Ipv4Addr, source: Endpoint) -> Option<RowIndex> {
    let SocketAddr::V4(source) = source.into() else { return None };
    Some(RowIndex::new(Local(index_of_alias(mixer, *source.ip())?), source.port()))
}

/// What leaves.
struct Out<'a> {
    ring: &'a mut Ring,
    exits: &'a mut Exits,
    places: &'a [Slots],
    address: Ipv4Addr,
    shifts: &'a mut Shifts,
}

impl Sink for Out<'_> {
    fn send_on(&mut self, row: RowIndex, packet: &[u8]) {
        let slot = self.exits.slot(row, self.ring, DIVERT);
        let to = SocketAddrV4::new(alias(self.address, row.local().0), row.port());
        // What finds no room is lost, as on any network.
        let _ = self.ring.send_bytes(slot, packet, Endpoint::from(SocketAddr::V4(to)).into(), 0);
    }

    fn send_to(&mut self, session: usize, to: Endpoint, packet: &[u8]) {
        if let Some(Slots { rtp, .. }) = self.places.get(session) {
            let _ = self.ring.send_bytes(*rtp, packet, to.into(), 0);
        }
    }

    fn report_to(&mut self, session: usize, to: Endpoint, is_beside: bool, packet: &[u8]) {
        if let Some(Slots { rtp, rtcp }) = self.places.get(session) {
            let _ = self.ring.send_bytes(if is_beside { *rtcp } else { *rtp }, packet, to.into(), 0);
        }
    }

    fn shift(&mut self, row: RowIndex, sequence_offset: u16) {
        self.shifts.tell(row, sequence_offset);
    }
}
