//! SIP on the network: sockets around the [`Element`].
//!
//! Everything runs on the daemon's one thread. A datagram is looked at where it was received: who is no peer costs a look
//! into a table. What the element wants sent is sent at once; a datagram that the kernel has no room for is lost, as
//! networks lose them, and a connection whose peer does not read is closed.

mod ledger;
mod media;
mod streams;
mod switchboard;
pub(crate) mod tls;
mod udp;

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};
use undertone_control_core::{
    call::{CallId, Cause, Ports, Record, Snapshot},
    config,
    element::{Element, Event, Output},
    sip::{
        Flow, Transport,
        message::{Malformed, Message},
        transaction::Sending,
    },
    time::Nanos,
    trunk::{Peer, Trunks},
    ua::UaId,
};
use undertone_dataplane::{Dataplane, monotonic_ns};

pub(crate) use self::{
    ledger::{Book, take_up},
    switchboard::{Switchboard, Witness},
    tls::Identity,
};
use self::{media::DataplaneMedia, streams::Streams, switchboard::Nobody, udp::Datagrams};
use crate::failure::Failure;

/// Timers are late by as much, so that those of many calls share a turn of the thread: the shortest is 500 ms.
const BEAT_NS: u64 = 10_000_000;
/// How long timers wait while datagrams are read that came before: longer than it takes to read a full buffer.
const CATCHING_UP_MAX: Duration = Duration::from_secs(4);

/// The element and its sockets. A handle.
#[derive(Clone)]
pub(crate) struct Sip {
    shared: Rc<Shared>,
}

struct Shared {
    element: RefCell<Element<DataplaneMedia>>,
    datagrams: Vec<Option<Datagrams>>,
    streams: Streams,
    /// Rings when the element wants to be looked at sooner than was thought.
    sooner: Notify,
    /// When it wants to be looked at, as far as its timer knows.
    armed: Cell<Nanos>,
    ledger: RefCell<Option<Box<dyn Ledger>>>,
    audience: RefCell<Vec<Box<dyn Audience>>>,
    switchboard: RefCell<Rc<dyn Switchboard>>,
    witnesses: RefCell<Vec<Rc<dyn Witness>>>,
}

/// Who writes down what calls are and were.
pub(crate) trait Ledger {
    /// A call that is up has changed, or is new.
    fn keep(&mut self, call: &Snapshot);

    /// A call is over.
    fn ended(&mut self, record: &Record, at: SystemTime);
}

/// Who wants to know what happens while it happens.
pub(crate) trait Audience {
    /// Something has happened. A call that it is about may be gone already.
    fn happened(&self, sip: &Sip, event: &Event);

    /// A call is over.
    fn ended(&self, record: &Record, at: SystemTime);
}

/// The time that the element has.
pub(crate) fn now() -> Nanos {
    Nanos(monotonic_ns())
}

impl Sip {
    /// Opens every listener, and begins to serve them on the current thread's local tasks. `trunks` are those of `config`,
    /// with what is known of names.
    pub(crate) fn start(
        config: &config::Sip,
        trunks: Trunks,
        dataplane: Dataplane,
        media: (&[IpAddr], u16, u16),
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, Failure> {
        let identity = config.tls.as_ref().map(Identity::load).transpose()?;
        let datagrams = open_datagrams(&trunks)?;
        let listening = streams::open(&trunks)?;
        let seed = random()?;
        let (addresses, first, last) = media;
        let ports = Ports::new(addresses, first, last);
        let element = Element::new(Arc::new(trunks), config.limits, DataplaneMedia(dataplane), ports, seed, now());
        let shared = Shared {
            element: RefCell::new(element),
            datagrams,
            streams: Streams::new(identity),
            sooner: Notify::new(),
            armed: Cell::new(Nanos(u64::MAX)),
            ledger: RefCell::default(),
            audience: RefCell::default(),
            switchboard: RefCell::new(Rc::new(Nobody)),
            witnesses: RefCell::default(),
        };
        let sip = Self { shared: Rc::new(shared) };
        for number in 0..sip.shared.datagrams.len() {
            tasks.spawn_local(udp::serve(sip.clone(), number));
        }
        for listener in listening {
            tasks.spawn_local(streams::accept(sip.clone(), listener));
        }
        tasks.spawn_local(keep_time(sip.clone()));
        Ok(sip)
    }

    /// Leaves media ports alone that relays have which are no calls'.
    pub(crate) fn leave_alone(&self, at: impl IntoIterator<Item = SocketAddr>) {
        self.drive(|element| {
            for port in at {
                element.claim_port(port);
            }
        });
    }

    /// Has calls written down from now on.
    pub(crate) fn set_ledger(&self, ledger: impl Ledger + 'static) {
        *self.shared.ledger.borrow_mut() = Some(Box::new(ledger));
    }

    /// Tells somebody what happens from now on.
    pub(crate) fn add_audience(&self, audience: impl Audience + 'static) {
        self.shared.audience.borrow_mut().push(Box::new(audience));
    }

    /// Gives the calls of our own to somebody from now on.
    pub(crate) fn set_switchboard(&self, switchboard: impl Switchboard + 'static) {
        *self.shared.switchboard.borrow_mut() = Rc::new(switchboard);
    }

    /// Tells somebody of calls between peers from now on.
    pub(crate) fn add_witness(&self, witness: impl Witness + 'static) {
        self.shared.witnesses.borrow_mut().push(Rc::new(witness));
    }

    /// Looks at the element.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Element<DataplaneMedia>) -> T) -> T {
        look(&self.shared.element.borrow())
    }

    /// Has the element do something, and does what follows.
    pub(crate) fn drive<T>(&self, act: impl FnOnce(&mut Element<DataplaneMedia>) -> T) -> T {
        let outcome = act(&mut self.shared.element.borrow_mut());
        loop {
            let output = self.shared.element.borrow_mut().poll();
            match output {
                Some(Output::Send(sending)) => self.send(sending),
                Some(Output::Event(event)) => self.tell(&event),
                Some(Output::Keep(call)) => self.keep(call),
                Some(Output::Ended(record)) => self.ended(&record),
                Some(Output::Ua(event)) => self.switchboard().happened(self, &event),
                Some(Output::KeepUa(id)) => self.keep_ua(id),
                None => break,
            }
        }
        if self.next_turn() < self.shared.armed.get() {
            self.shared.sooner.notify_one();
        }
        outcome
    }

    /// When the element wants to be looked at next: on the beat of [`BEAT_NS`] that follows.
    fn next_turn(&self) -> Nanos {
        let deadline = self.shared.element.borrow().deadline();
        Nanos(deadline.0.checked_next_multiple_of(BEAT_NS).unwrap_or(u64::MAX))
    }

    /// Whether messages from an address are taken.
    fn is_peer(&self, source: IpAddr, transport: Transport) -> bool {
        self.shared.element.borrow().peer_at(source, transport).is_some()
    }

    /// The name in the certificate of the peer whose target an address is, or who is at it, where it has one.
    fn certificate_of(&self, remote: SocketAddr) -> Option<String> {
        let element = self.shared.element.borrow();
        let is_it = |peer: &&Peer| {
            peer.transport == Transport::Tls && peer.targets.iter().any(|target| target.address == remote)
        };
        let peer = element.trunks().peers.iter().find(is_it).or_else(|| element.peer_at(remote.ip(), Transport::Tls));
        peer?.certificate.clone()
    }

    fn receive(&self, flow: Flow, message: Result<Message, Malformed>) {
        self.drive(|element| element.receive_parsed(now(), flow, message));
    }

    fn send(&self, sending: Sending) {
        match sending.flow.transport {
            Transport::Udp => {
                if let Some(Some(datagrams)) = self.shared.datagrams.get(sending.flow.listener as usize) {
                    datagrams.send(sending.flow.remote, &sending.bytes);
                }
            }
            Transport::Tcp | Transport::Tls => streams::send(self, sending),
        }
    }

    fn tell(&self, event: &Event) {
        let name = |peer| {
            let element = self.shared.element.borrow();
            element.trunks().peer(peer).map(|peer| peer.name.clone()).unwrap_or_default()
        };
        match event {
            Event::Call(call, phase) => debug!(%call, phase = phase.key(), "call"),
            Event::Identity(call, role) => debug!(%call, party = role.key(), "party identified"),
            Event::Refused { peer, dialled, status, why } => {
                info!(peer = name(*peer), dialled, status, why, "a call was not taken");
            }
            Event::Media(call, why) => warn!(%call, why, "media cannot be relayed"),
            Event::Peer(peer, true) => info!(peer = name(*peer), "peer answers again"),
            Event::Peer(peer, false) => warn!(peer = name(*peer), "peer does not answer"),
            Event::Target(peer, target, true) => info!(peer = name(*peer), %target, "target answers again"),
            Event::Target(peer, target, false) => warn!(peer = name(*peer), %target, "target does not answer"),
        }
        for audience in &*self.shared.audience.borrow() {
            audience.happened(self, event);
        }
    }

    fn ended(&self, record: &Record) {
        let at = SystemTime::now();
        log_end(record);
        if let Some(ledger) = self.shared.ledger.borrow_mut().as_mut() {
            ledger.ended(record, at);
        }
        for audience in &*self.shared.audience.borrow() {
            audience.ended(record, at);
        }
        self.call_changed(record.id);
    }

    fn keep(&self, call: CallId) {
        let Some(snapshot) = self.with(|element| element.snapshot(call)) else { return };
        if let Some(ledger) = self.shared.ledger.borrow_mut().as_mut() {
            ledger.keep(&snapshot);
        }
        self.call_changed(call);
    }

    fn call_changed(&self, call: CallId) {
        self.switchboard().call_changed(self, call);
        // They may do something about it.
        let witnesses = self.shared.witnesses.borrow().clone();
        for witness in witnesses {
            witness.call_changed(self, call);
        }
    }

    /// Who has the calls of our own. It may take other ones while it is told of one.
    fn switchboard(&self) -> Rc<dyn Switchboard> {
        Rc::clone(&self.shared.switchboard.borrow())
    }

    fn keep_ua(&self, id: UaId) {
        self.switchboard().keep(self, id);
    }

    /// Ends a call, from our side.
    pub(crate) fn hang_up(&self, call: CallId) -> bool {
        let exists = self.with(|element| element.call(call).is_some());
        if exists {
            self.drive(|element| element.end_call(now(), call, Cause::by_us(480, "Ended by the Operator")));
        }
        exists
    }
}

/// What parties do is in the records; what we do to them is for operators to see.
fn log_end(record: &Record) {
    let Record { id, dialled, peers: [caller, callee], cause, .. } = record;
    let Cause { status, text, by } = cause;
    let seconds = record.lasted_ns as f64 / 1e9;
    match by {
        None => info!(call = %id, caller, callee, dialled, status, cause = text, seconds, "call ended by us"),
        Some(by) => {
            debug!(call = %id, caller, callee, dialled, status, cause = text, seconds, by = by.key(), "call ended");
        }
    }
}

/// Looks at the element when its time has come.
async fn keep_time(sip: Sip) {
    loop {
        let deadline = sip.next_turn();
        sip.shared.armed.set(deadline);
        let wait = Duration::from_nanos(deadline.0.saturating_sub(monotonic_ns()));
        // A timer cannot be set to the end of time.
        let wait = wait.min(Duration::from_secs(3600));
        tokio::select! {
            () = sleep_until(Instant::now() + wait) => {
                catch_up(&sip).await;
                sip.drive(|element| element.timeout(now()));
            }
            () = sip.shared.sooner.notified() => {}
        }
    }
}

/// Has datagrams read that have come. A thread that was kept from running finds answers among them to what its timers would
/// send again, and who is late for want of time has the least to spare for repetitions.
async fn catch_up(sip: &Sip) {
    let end = Instant::now() + CATCHING_UP_MAX;
    loop {
        // Sockets are looked at, and have their turn, before this goes on.
        yield_now().await;
        let is_behind = sip.shared.datagrams.iter().flatten().any(Datagrams::is_behind);
        if !is_behind || Instant::now() >= end {
            return;
        }
    }
}

fn open_datagrams(trunks: &Trunks) -> Result<Vec<Option<Datagrams>>, Failure> {
    let open = |listener: &undertone_control_core::trunk::Listener| match listener.transport {
        Transport::Udp => Datagrams::open(listener.address).map(Some).map_err(|error| taken(listener.address, &error)),
        Transport::Tcp | Transport::Tls => Ok(None),
    };
    trunks.listeners.iter().map(open).collect()
}

/// Why an address cannot be listened at.
fn taken(address: SocketAddr, error: &io::Error) -> Failure {
    let way_out = match error.kind() {
        io::ErrorKind::AddrInUse => "another program has the port: `ss -lnp` says which",
        io::ErrorKind::AddrNotAvailable => "no interface has the address: put it on one, or correct `sip.listen`",
        io::ErrorKind::PermissionDenied => "run as root, or take a port above 1023",
        _ => "correct `sip.listen`",
    };
    Failure::new(format!("cannot listen for SIP at {address}: {error}")).with_way_out(way_out)
}

/// Randomness of the system's.
pub(crate) fn random<const BYTES: usize>() -> Result<[u8; BYTES], Failure> {
    let mut random = [0; BYTES];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut random))
        .map_err(|error| Failure::new(format!("cannot read /dev/urandom: {error}")))?;
    Ok(random)
}
