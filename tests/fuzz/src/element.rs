//! The SIP element between peers that send anything at any time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use undertone_control_core::{
    call::{CallId, Cause, Media, MediaFailure, Ports, Role},
    directory::{Directory, User},
    element::{Element, Limits, Output},
    identity::{DidRange, DidTable, Rule, Source},
    sip::{
        Flow, Transport,
        message::{Answer, Message, Request},
    },
    time::Nanos,
    trunk::{Group, Listener, Member, Pattern, Peer, PeerIndex, Route, Side, Trunks},
    ua::{self, Destination, OwnNumber, Placement, Terms, UaId},
};
use undertone_core::{Relay, StreamReport, mixer::Codec};

const US: ([u8; 4], u16) = ([192, 0, 2, 1], 5060);
const PEERS: [([u8; 4], u16); 3] = [([198, 51, 100, 1], 5060), ([203, 0, 113, 1], 5060), ([203, 0, 113, 2], 5060)];

/// Steps that are taken of an input.
const STEPS_MAX: usize = 64;

/// A data plane that takes its callers at their word, and sometimes refuses.
#[derive(Debug, Default)]
struct Board {
    relays: BTreeMap<SocketAddr, Relay>,
    refuses: bool,
}

impl Media for Board {
    fn add(&mut self, relay: &Relay) -> Result<(), MediaFailure> {
        if self.refuses {
            return Err(MediaFailure("full".into()));
        }
        let taken = self.relays.values().flat_map(|relay| [relay.a.local, relay.b.local]);
        let ends = [relay.a.local, relay.b.local];
        assert!(taken.into_iter().all(|taken| !ends.contains(&taken)) && ends[0] != ends[1], "the ports are in use");
        self.relays.insert(relay.a.local, *relay);
        Ok(())
    }

    fn change(&mut self, relay: &Relay) -> Result<(), MediaFailure> {
        let was = self.relays.get_mut(&relay.a.local).expect("a relay that runs");
        assert_eq!((was.b.local, was.kind), (relay.b.local, relay.kind));
        *was = *relay;
        Ok(())
    }

    fn remove(&mut self, at: SocketAddr) {
        self.relays.remove(&at).expect("a relay that runs");
    }

    fn report(&self, _at: SocketAddr) -> Option<StreamReport> {
        None
    }
}

/// The element, the clock, and what peers were sent last.
struct World {
    element: Element<Board>,
    now: Nanos,
    /// The last request to each peer, but for ACK and CANCEL.
    asked: BTreeMap<SocketAddr, Request>,
    /// Our Route, as parties would send it.
    route: String,
    /// The last call of our own, whose name is our tag in it.
    own: UaId,
    /// Calls of our own that were told of, and not that they are over.
    known: BTreeSet<UaId>,
    /// What was kept of those that are up.
    kept: BTreeMap<UaId, ua::Snapshot>,
}

/// Takes an input as steps: a kind, a length of two bytes, and so many bytes.
///
/// Whatever peers do, what the element sends can be read, no port is lost, no relay is without a call, and when all calls
/// are ended nothing is left.
pub fn element(bytes: &[u8]) {
    let mut world = World::new();
    let mut rest = bytes;
    for _ in 0..STEPS_MAX {
        let [kind, low, high, more @ ..] = rest else { break };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(more.len());
        let (step, behind) = more.split_at(length);
        rest = behind;
        world.step(*kind, step);
        world.drain();
    }
    world.end();
}

fn socket((ip, port): ([u8; 4], u16)) -> SocketAddr {
    SocketAddr::new(ip.into(), port)
}

impl World {
    fn new() -> Self {
        let now = Nanos(1_000_000_000);
        let ports = Ports::new(&[IpAddr::from([192, 0, 2, 10])], 20_000, 20_039);
        let mut element = Element::new(Arc::new(trunks()), Limits::default(), Board::default(), ports, [7; 32], now);
        let numbers = vec![OwnNumber::Prefix { prefix: "007".into(), more_max: 6 }, OwnNumber::Exactly("*81".into())];
        element.set_own(numbers, ua::Limits { calls_max: 4, ..ua::Limits::default() });
        Self {
            element,
            now,
            asked: BTreeMap::new(),
            route: String::new(),
            own: UaId(0),
            known: BTreeSet::new(),
            kept: BTreeMap::new(),
        }
    }

    fn step(&mut self, kind: u8, step: &[u8]) {
        match kind % 8 {
            peer @ 0..=2 => self.send(usize::from(peer), step),
            peer @ 3..=5 => self.answer(usize::from(peer - 3), step),
            6 => self.wait(Duration::from_millis(100) * u32::from(step.first().copied().unwrap_or(1))),
            _ => match step.first().map(|what| what % 10) {
                Some(0) => self.end_calls(),
                Some(1) => self.element.media_mut().refuses ^= true,
                Some(3) => drop(self.element.accept(self.now, self.own, &terms(step))),
                Some(4) => drop(self.element.turn_down(self.now, self.own, 403, "No", Some("SIP;cause=403".into()))),
                Some(5) => drop(self.element.alert(self.now, self.own)),
                Some(6) => drop(self.element.hang_up(self.now, self.own, ua::Cause::by_us(480, "The End"))),
                Some(7) => self.place(step),
                Some(8) => self.take_up(),
                _ => self.element.set_draining(!self.element.is_draining()),
            },
        }
    }

    /// We call a phone.
    fn place(&mut self, step: &[u8]) {
        let to = match step.get(1) {
            Some(0) => Destination::Peers(vec![PeerIndex(1)]),
            Some(1) => Destination::AsFrom(PeerIndex(0)),
            _ => Destination::Group("inside".into()),
        };
        let text = String::from_utf8_lossy(step).into_owned();
        let placement = Placement {
            to,
            number: text.clone(),
            from_number: text.clone(),
            from_name: text,
            terms: terms(step),
            auto_answer: step.len().is_multiple_of(2),
            ring_s: 30,
        };
        if let Ok(id) = self.element.place(self.now, placement) {
            self.own = id;
            self.known.insert(id);
        }
    }

    /// What was kept of the last call of our own is the call, when it is taken up by another element.
    fn take_up(&mut self) {
        let Some(snapshot) = self.kept.get(&self.own) else { return };
        let ports = Ports::new(&[IpAddr::from([192, 0, 2, 10])], 20_000, 20_039);
        let mut other = Element::new(Arc::new(trunks()), Limits::default(), Board::default(), ports, [8; 32], self.now);
        let id = other.restore_ua(snapshot).expect("its peer is configured");
        assert_eq!(other.ua_snapshot(id).as_ref(), Some(snapshot));
        assert!(other.hang_up(self.now, id, ua::Cause::by_us(480, "The End")));
    }

    fn told(&mut self, event: &ua::Event) {
        match event {
            ua::Event::Incoming(incoming) => {
                self.own = incoming.id;
                assert!(self.known.insert(incoming.id), "a call comes in once");
            }
            ua::Event::Ended(id, _) => {
                assert!(self.known.remove(id), "a call ends once");
                self.kept.remove(id);
                assert!(self.element.ua(*id).is_none());
            }
            // It may be over again, when this is looked at.
            ua::Event::Up(_)
            | ua::Event::Ringing(_)
            | ua::Event::Media(..)
            | ua::Event::Party(..)
            | ua::Event::Digit { .. }
            | ua::Event::Present(_) => {}
        }
    }

    /// A peer sends a message, with our Route where it says `$ROUTE`, and our tag in the last call of our own where it says
    /// `$TAG`.
    fn send(&mut self, peer: usize, message: &[u8]) {
        let text = String::from_utf8_lossy(message);
        let routed = (text.contains("$ROUTE") || text.contains("$TAG"))
            .then(|| text.replace("$ROUTE", &self.route).replace("$TAG", &self.own.to_string()).into_bytes());
        let flow = Flow { listener: 0, transport: Transport::Udp, remote: socket(PEERS[peer]), connection: 0 };
        self.element.receive(self.now, flow, routed.as_deref().unwrap_or(message));
    }

    /// A peer answers the last request that it was sent: a status of two bytes, and a description.
    fn answer(&mut self, peer: usize, step: &[u8]) {
        let ([high, low, body @ ..], Some(request)) = (step, self.asked.get(&socket(PEERS[peer]))) else { return };
        let status = 100 + u16::from_be_bytes([*high, *low]) % 600;
        let mut answer = Answer::new(status).with("Contact", "<sip:party@203.0.113.1>");
        if body.first() == Some(&b'r') {
            answer = answer.with("Require", "100rel").with("RSeq", "1");
        }
        let Ok(Message::Response(mut response)) = Message::parse(&request.answer(&answer, "callee")) else { return };
        if !body.is_empty() {
            response.set_header("Content-Type", "application/sdp");
            response.set_body(body.strip_prefix(b"r").unwrap_or(body).to_vec());
        }
        self.send(peer, &response.to_bytes());
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.element.deadline() <= end {
            self.now = self.now.max(self.element.deadline());
            self.element.timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.element.poll() {
            match output {
                Output::Send(sending) => match Message::parse(&sending.bytes) {
                    Ok(Message::Request(request)) => self.heard(sending.flow.remote, request),
                    Ok(Message::Response(_)) => {}
                    // It repeats what could not be read.
                    Err(_) if sending.bytes.starts_with(b"SIP/2.0 400 ") => {}
                    Err(error) => panic!("{error:?}: {}", sending.bytes.escape_ascii()),
                },
                Output::Keep(id) => drop(self.element.snapshot(id)),
                Output::Event(_) | Output::Ended(_) => {}
                Output::Ua(event) => self.told(&event),
                Output::KeepUa(id) => self.kept.extend(self.element.ua_snapshot(id).map(|snapshot| (id, snapshot))),
            }
        }
        for call in self.element.calls() {
            for role in Role::BOTH {
                let party = &call.leg(role).party;
                for text in [&party.number, &party.extension, &party.name] {
                    let is_plain = text.chars().count() <= 128 && !text.contains(char::is_control);
                    assert!(is_plain, "not for people: {text:?}");
                }
            }
        }
        let (used, all) = self.element.ports_used();
        assert!(used <= all, "more ports came back than there are");
        let uas: BTreeSet<UaId> = self.element.uas().map(|ua| ua.id).collect();
        assert_eq!(uas, self.known, "whoever has the calls of our own knows of all of them");
        let own_ports = self.element.uas().filter_map(|ua| ua.media()).count();
        assert!(used >= own_ports, "media of our own without ports");
        if self.element.calls().next().is_none() && uas.is_empty() {
            assert_eq!((used, self.element.media().relays.len()), (0, 0), "media without a call");
        }
        assert!(self.element.media().relays.len() <= used, "relays without ports");
    }

    fn heard(&mut self, at: SocketAddr, request: Request) {
        if let Some(route) = request.record_routes().first() {
            self.route = format!("<{}>", String::from_utf8_lossy(route));
        }
        if !matches!(request.method().as_bytes(), b"ACK" | b"CANCEL") {
            self.asked.insert(at, request);
        }
    }

    fn end_calls(&mut self) {
        let calls: Vec<CallId> = self.element.calls().map(|call| call.id).collect();
        for call in calls {
            self.element.end_call(self.now, call, Cause::by_us(480, "The End"));
        }
        for id in self.known.clone() {
            self.element.hang_up(self.now, id, ua::Cause::by_us(480, "The End"));
        }
    }

    /// All calls are ended; when every timer is over, nothing is left.
    fn end(mut self) {
        self.end_calls();
        self.wait(Duration::from_secs(400));
        assert_eq!((self.element.calls().count(), self.known.len()), (0, 0));
        assert_eq!(self.element.transactions(), (0, 0), "transactions that never end");
        for peer in 0..PEERS.len() {
            assert_eq!(self.element.calls_of(PeerIndex(peer as u16)), 0, "calls are counted that are over");
        }
    }
}

/// What we speak.
fn terms(step: &[u8]) -> Terms {
    let order = if step.len().is_multiple_of(2) { ua::Order::Theirs } else { ua::Order::Ours };
    Terms { local: None, codecs: Codec::ALL.into_iter().skip(step.len() % 3).collect(), order }
}

fn trunks() -> Trunks {
    let member = |peer, priority| Member { peer: PeerIndex(peer), priority, weight: 1 };
    let route = |from, to| Route { from, number: Pattern::Any, strip: 0, prepend: String::new(), to, record: false };
    let peer = |(index, at): (usize, &([u8; 4], u16))| {
        let side = if index == 0 { Side::OffNet } else { Side::OnNet };
        let mut peer = Peer::new(format!("peer-{index}"), side, socket(*at));
        let header = Source::Header("X-Agent".into());
        peer.identity.caller.extend([Source::Contact, Source::Diversion, header.clone(), Source::Did]);
        peer.identity.callee.extend([Source::Contact, header]);
        peer.identity.extension = Rule::expression(r"\+4930123(\d+)").ok();
        peer
    };
    let bob = User { name: "bob".into(), extensions: vec!["104".into()], ..User::default() };
    Trunks {
        listeners: vec![Listener { transport: Transport::Udp, address: socket(US) }],
        peers: PEERS.iter().enumerate().map(peer).collect(),
        groups: vec![
            Group { name: "inside".into(), members: vec![member(1, 1), member(2, 2)] },
            Group { name: "outside".into(), members: vec![member(0, 1)] },
        ],
        routes: vec![route(vec![PeerIndex(0)], 0), route(Vec::new(), 1)],
        calls_max: None,
        dids: DidTable::new(DidRange::new("+4930123100", "+4930123199", "100").into_iter().collect()),
        directory: Directory::new(vec![bob], Vec::new(), Vec::new()),
    }
}
