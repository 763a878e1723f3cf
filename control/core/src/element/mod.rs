//! The SIP element: a transaction-stateful, record-routing proxy (RFC 3261 §16) between peers, which anchors media.
//!
//! Sans I/O. The order of calls: [`receive`](Element::receive) with every message, [`timeout`](Element::timeout) when
//! [`deadline`](Element::deadline) is over, and after each of them [`poll`](Element::poll) until there is nothing more to
//! do. Time and randomness are arguments; the data plane is asked through [`Media`].
//!
//! Where to read: `requests` sorts what comes in; `invite` begins a call and tries peers; `responses` is what comes back, and
//! `failover` what is done where that is a failure; `dialog` is everything within a call, and `outside` what is in none;
//! `identities` follows who a call's parties are; `cancel` and `hangup` end one; `health` asks peers whether they are well.
//! `own` has the calls that we answer and place ourselves.

mod bodies;
mod cancel;
mod counters;
mod dialog;
mod failover;
mod hangup;
mod health;
mod identities;
mod invite;
mod outside;
mod own;
mod requests;
mod responses;
#[cfg(test)]
pub(crate) mod tests;
mod uris;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

pub use self::counters::{Counters, Responses, SETUP_BOUNDS_S, SetupTimes};
use self::{health::Health, outside::Outside};
use crate::{
    call::{Call, CallId, Media, Phase, Ports, Record, Role, Snapshot},
    sip::{
        Flow, Transport,
        message::{Malformed, Message, Method},
        transaction::{ClientId, Clients, Sending, ServerId, Servers},
    },
    time::Nanos,
    trunk::{Peer, PeerIndex, Rate, Source, Sources, Trunks},
    ua::{self, UaId},
};

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message.
    Send(Sending),
    /// Tell whoever wants to know.
    Event(Event),
    /// Keep what there is of a call, in place of what was kept: [`Element::snapshot`].
    Keep(CallId),
    /// Keep what is left of a call, and nothing else of it.
    Ended(Box<Record>),
    /// Tell who has the calls of our own.
    Ua(ua::Event),
    /// Keep what there is of a call of our own, in place of what was kept: [`Element::ua_snapshot`]. It is to be forgotten
    /// with [`ua::Event::Ended`].
    KeepUa(UaId),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call has come so far.
    Call(CallId, Phase),
    /// A call was not taken: the status it was answered with.
    Refused {
        /// Whose call.
        peer: PeerIndex,
        /// The number that was dialled.
        dialled: String,
        /// The status.
        status: u16,
        /// In words.
        why: String,
    },
    /// A party of a call turns out to be another one than was thought.
    Identity(CallId, Role),
    /// Media of a call cannot be relayed.
    Media(CallId, String),
    /// A peer has begun to answer, or does no longer.
    Peer(PeerIndex, bool),
    /// One of several targets of a peer has, or does no longer.
    Target(PeerIndex, SocketAddr, bool),
}

/// What a server transaction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    /// An INVITE that began this call.
    Call(CallId),
    /// An INVITE that began this call of our own.
    Own(UaId),
    /// Anything else: the request that it went on as.
    Request(Option<ClientId>),
}

/// What a client transaction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A try to reach the callee.
    Attempt(CallId),
    /// A try that the caller no longer wants, or that took too long.
    Abandoned,
    /// A request within a call, from this party.
    Within { call: CallId, from: Role, server: ServerId, offered: bool },
    /// A BYE within a call, from this party.
    Bye { call: CallId, from: Role, server: ServerId },
    /// A request outside of calls, to this target of a peer.
    Outside { server: ServerId, to: (PeerIndex, SocketAddr) },
    /// Whether a target of a peer is well.
    Health(PeerIndex, SocketAddr),
    /// A try to reach who a call of our own is for.
    Place(UaId),
    /// Whether the other end of a call of our own is still there.
    Refresh(UaId),
    /// The same, outside of what the session timer wants.
    Probe(UaId),
    /// Our own; nobody waits for the answer.
    Ours,
}

impl Asks {
    /// Whether somebody else waits for the response.
    const fn is_for_another(self) -> bool {
        matches!(self, Self::Attempt(_) | Self::Within { .. } | Self::Bye { .. } | Self::Outside { .. })
    }
}

/// How long and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a callee may ring: timer C, more than three minutes (RFC 3261 §16.6 step 11).
    pub ring_s: u32,
    /// How long neither party may send media before the call is given up; `None` for ever.
    pub media_timeout_s: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { ring_s: 185, media_timeout_s: Some(300) }
    }
}

/// The element.
#[derive(Debug)]
pub struct Element<M> {
    trunks: Arc<Trunks>,
    sources: Sources,
    limits: Limits,
    media: M,
    ports: Ports,
    servers: Servers<Serves>,
    clients: Clients<Asks>,
    /// In boxes: a table has room for up to twice as many as there are.
    calls: HashMap<CallId, Box<Call>>,
    own: own::Own,
    /// When calls want to be looked at.
    deadlines: BinaryHeap<Reverse<(Nanos, CallId)>>,
    /// Requests outside of calls that have no final response.
    outside: HashMap<ServerId, Outside>,
    peers: Vec<PeerState>,
    /// When the next target is asked whether it is well.
    next_health: Option<Nanos>,
    rng: ChaCha8Rng,
    counters: Counters,
    draining: bool,
    /// When media of running calls is looked at again.
    next_sweep: Nanos,
    sendings: Vec<Sending>,
    outputs: VecDeque<Output>,
}

/// What is known of a peer beside its configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerState {
    pub(crate) calls: u32,
    pub(crate) rate: Rate,
    pub(crate) health: Health,
}

impl<M: Media> Element<M> {
    /// An element without calls. `seed` makes its identifiers, which strangers must not guess.
    pub fn new(trunks: Arc<Trunks>, limits: Limits, media: M, ports: Ports, seed: [u8; 32], now: Nanos) -> Self {
        let peers = trunks.peers.iter().map(|_| PeerState::default()).collect();
        let mut element = Self {
            sources: Sources::of(&trunks),
            trunks,
            limits,
            media,
            ports,
            servers: Servers::default(),
            clients: Clients::default(),
            calls: HashMap::new(),
            own: own::Own::default(),
            deadlines: BinaryHeap::new(),
            outside: HashMap::new(),
            peers,
            next_health: None,
            rng: ChaCha8Rng::from_seed(seed),
            counters: Counters::default(),
            draining: false,
            next_sweep: now + hangup::SWEEP,
            sendings: Vec::new(),
            outputs: VecDeque::new(),
        };
        element.follow_health(now);
        // What is so from the beginning is no news.
        element.outputs.clear();
        element
    }

    /// Counts a connection that was not even looked at, since it is no peer's.
    pub const fn count_stranger(&mut self) {
        self.counters.strangers += 1;
    }

    /// The peer that messages from an address are of. Nobody else's are taken.
    pub fn peer_at(&self, source: IpAddr, transport: Transport) -> Option<&Peer> {
        self.trunks.peer(self.source(source, transport)?.peer)
    }

    /// Whose messages from an address are. A place that a peer has left is one as long as the peer has calls.
    fn source(&self, address: IpAddr, transport: Transport) -> Option<Source> {
        let source = self.sources.peer(address, transport)?;
        (!source.is_past || self.calls_of(source.peer) > 0).then_some(source)
    }

    /// Takes a message in, the whole of a datagram. A stranger's is counted, and not read.
    pub fn receive(&mut self, now: Nanos, flow: Flow, message: &[u8]) {
        self.take(now, flow, || Message::parse(message));
    }

    /// Takes a message in that was read already, from a stream.
    pub fn receive_parsed(&mut self, now: Nanos, flow: Flow, message: Result<Message, Malformed>) {
        self.take(now, flow, || message);
    }

    fn take(&mut self, now: Nanos, flow: Flow, read: impl FnOnce() -> Result<Message, Malformed>) {
        let Some(source) = self.source(flow.remote.ip(), flow.transport) else {
            self.counters.strangers += 1;
            return;
        };
        let message = read();
        if source.is_past && begins(&message) {
            self.counters.strangers += 1;
            return;
        }
        self.sort(now, flow, source.peer, message);
        self.flush();
    }

    /// Does what time asks for.
    pub fn timeout(&mut self, now: Nanos) {
        self.servers.timeout(now, &mut self.sendings);
        while let Some(expired) = self.clients.timeout(now, &mut self.sendings) {
            self.unanswered(now, expired.0, 408);
        }
        while let Some(Reverse((_, call))) = self.deadlines.peek().copied().filter(|it| it.0.0 <= now) {
            self.deadlines.pop();
            self.overdue(now, call);
        }
        self.own_timeout(now);
        if now >= self.next_sweep {
            self.sweep_media(now);
            self.next_sweep = now + hangup::SWEEP;
        }
        self.ask_health(now);
        self.flush();
    }

    /// Nothing can be sent where a flow leads: what was, and has not been heard of, will not be.
    pub fn unreachable(&mut self, now: Nanos, flow: &Flow) {
        for asks in self.clients.give_up(flow) {
            self.unanswered(now, asks, 503);
        }
        self.flush();
    }

    /// When to call [`timeout`](Self::timeout) next.
    pub fn deadline(&self) -> Nanos {
        let call = self.deadlines.peek().map(|Reverse((at, _))| *at);
        let next = [self.servers.deadline(), self.clients.deadline(), call, self.own.deadline(), self.next_health];
        next.into_iter().flatten().fold(self.next_sweep, Nanos::min)
    }

    /// The next thing to do; `None` when all is done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The calls that there are.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().map(Box::as_ref)
    }

    /// One call.
    pub fn call(&self, id: CallId) -> Option<&Call> {
        self.calls.get(&id).map(Box::as_ref)
    }

    /// What was counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The configuration.
    pub fn trunks(&self) -> &Trunks {
        &self.trunks
    }

    /// The data plane.
    pub const fn media(&self) -> &M {
        &self.media
    }

    /// The data plane.
    pub const fn media_mut(&mut self) -> &mut M {
        &mut self.media
    }

    /// Gives the pair that a media port belongs to to no call, because something else has it.
    pub fn claim_port(&mut self, at: SocketAddr) {
        self.ports.claim(at.ip(), at.port() & !1);
    }

    /// Whether a media port, or the one beside it, is a call's.
    pub fn is_of_call(&self, at: SocketAddr) -> bool {
        self.calls.values().any(|call| call.session.has_port(at)) || self.own.has_port(at)
    }

    /// How many pairs of media ports are in use, and how many there are.
    pub fn ports_used(&self) -> (usize, usize) {
        self.ports.used()
    }

    /// Transactions that are kept: theirs and ours.
    pub fn transactions(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }

    /// Works by another configuration from now on. Running calls go on: `trunks` has the peers of before in their places
    /// ([`Trunks::succeed`]).
    pub fn set_trunks(&mut self, trunks: Arc<Trunks>, limits: Limits, now: Nanos) {
        self.peers.resize(trunks.peers.len(), PeerState::default());
        self.sources = Sources::of(&trunks);
        self.trunks = trunks;
        self.limits = limits;
        self.follow_health(now);
    }

    /// Takes no new calls from now on, or again. Those that run go on.
    pub const fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// Whether no new calls are taken.
    pub const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether a peer answers, as far as is known.
    pub fn is_well(&self, peer: PeerIndex) -> bool {
        self.peers.get(peer.0 as usize).is_none_or(|state| state.health.is_well())
    }

    /// Whether a target of a peer answers, as far as is known.
    pub fn is_target_well(&self, peer: PeerIndex, target: SocketAddr) -> bool {
        self.peers.get(peer.0 as usize).is_none_or(|state| state.health.is_target_well(target))
    }

    /// The targets of a peer in the order in which a request tries them.
    fn targets_of(&self, peer: PeerIndex, random: u64) -> Vec<SocketAddr> {
        let is_well = |target| self.is_target_well(peer, target);
        // Other bits than those that have chosen the peer.
        let random = random.rotate_left(32);
        self.trunks.peer(peer).map(|it| it.targets_in_order(random, is_well)).unwrap_or_default()
    }

    /// The calls that a peer has.
    pub fn calls_of(&self, peer: PeerIndex) -> u32 {
        self.peers.get(peer.0 as usize).map_or(0, |state| state.calls)
    }

    /// What is to be kept of a call; `None` when there is no such call.
    pub fn snapshot(&self, id: CallId) -> Option<Snapshot> {
        Snapshot::of(self.calls.get(&id)?, &self.trunks)
    }

    /// Takes up a call from before the daemon was started. False when that was not up, or its peers are not configured any
    /// more: what it has in the data plane ([`Snapshot::relays`]) is for the caller to end.
    pub fn restore(&mut self, snapshot: &Snapshot) -> bool {
        let Some(mut call) = snapshot.call(&self.trunks).filter(|_| snapshot.is_up) else { return false };
        let manners = Role::BOTH.map(|role| {
            let leg = call.leg(role);
            self.trunks.peer(leg.peer).map(|peer| invite::manner(peer, leg.dialog.flow.remote))
        });
        let [Some(caller), Some(callee)] = &manners else { return false };
        let failures = call.session.restore(snapshot, [caller, callee], &mut self.ports, &mut self.media);
        for role in Role::BOTH {
            let leg = call.leg(role);
            self.count_call(leg.peer, 1);
            self.note_place(leg.peer, leg.dialog.flow.remote.ip());
        }
        for failure in failures {
            self.tell(Event::Media(call.id, failure));
        }
        self.calls.insert(call.id, Box::new(call));
        true
    }

    /// A party of a peer's is at an address, whether the peer's name still leads there or is not resolved yet.
    fn note_place(&mut self, peer: PeerIndex, address: IpAddr) {
        let trunks = Arc::make_mut(&mut self.trunks);
        let Some(peer) = trunks.peers.get_mut(peer.0 as usize).filter(|it| it.names.is_some()) else { return };
        if !peer.is_at(address) {
            peer.past_sources.push(address.to_canonical());
            self.sources = Sources::of(&self.trunks);
        }
    }

    /// A call has changed in a way that has to be kept.
    fn changed(&mut self, id: CallId) {
        let has_media = |call: &Call| call.session.streams().next().is_some();
        if self.calls.get(&id).is_some_and(|call| call.phase == Phase::Up || has_media(call)) {
            self.outputs.push_back(Output::Keep(id));
        }
    }

    /// What is to be sent is done first: a party waits for it, and nobody for what is told or kept.
    fn flush(&mut self) {
        let sendings = self.sendings.len();
        self.outputs.extend(self.sendings.drain(..).map(Output::Send));
        self.outputs.rotate_right(sendings);
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// A number that nobody guesses.
    fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn tag(&mut self) -> String {
        format!("{:016x}", self.random())
    }
}

/// Whether a message is neither of a call that runs nor an answer.
fn begins(message: &Result<Message, Malformed>) -> bool {
    match message {
        Ok(Message::Request(request)) => request.to_tag.is_none() && *request.method() != Method::Cancel,
        Ok(Message::Response(_)) => false,
        Err(_) => true,
    }
}
