//! The element between two peers, under a virtual clock.

mod answers;
pub(crate) mod calls;
mod dialogs;
mod emergencies;
mod failures;
mod identities;
mod media;
mod names;
pub(crate) mod own;
mod routes;
mod simulation;
mod torture;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use undertone_core::{Relay, StreamReport};

use super::{Element, Event, Limits, Output};
use crate::{
    call::{Media, MediaFailure, Ports, Record, Snapshot},
    sip::{
        Flow, Transport,
        message::{Answer, Message, Request, Response},
    },
    time::Nanos,
    trunk::{Group, Listener, Member, Pattern, Peer, PeerIndex, Route, Side, Target, Trunks},
    ua,
};

pub(crate) const US: &str = "192.0.2.1:5060";
pub(crate) const CARRIER: &str = "198.51.100.1:5060";
pub(crate) const PBX: &str = "203.0.113.1:5060";
pub(crate) const PBX_2: &str = "203.0.113.2:5060";
pub(crate) const MEDIA: [u8; 4] = [192, 0, 2, 10];

/// A data plane that keeps relays in a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    relays: Rc<RefCell<BTreeMap<u16, Relay>>>,
}

impl Media for Board {
    fn add(&mut self, relay: &Relay) -> Result<(), MediaFailure> {
        let was = self.relays.borrow_mut().insert(relay.a.local.port(), *relay);
        assert_eq!(was, None, "the ports are in use");
        Ok(())
    }

    fn change(&mut self, relay: &Relay) -> Result<(), MediaFailure> {
        let was = self.relays.borrow_mut().insert(relay.a.local.port(), *relay).expect("a relay that runs");
        assert_eq!(was.b.local, relay.b.local);
        Ok(())
    }

    fn remove(&mut self, at: SocketAddr) {
        self.relays.borrow_mut().remove(&at.port()).expect("a relay that runs");
    }

    fn report(&self, at: SocketAddr) -> Option<StreamReport> {
        let relays = self.relays.borrow();
        let relay = relays.values().find(|relay| [relay.a.local, relay.b.local].contains(&at))?;
        let (end, other) = if relay.a.local == at { (relay.a, relay.b) } else { (relay.b, relay.a) };
        Some(StreamReport {
            at,
            peer: end.peer,
            from: other.local,
            to: other.peer,
            kind: relay.kind,
            clock: relay.clock,
            forward: end.sends,
            divert: false,
            sequence_offset: 0,
            copies: Vec::new(),
            statistics: undertone_abi::Statistics::default(),
        })
    }
}

/// The element, its peers and the clock.
pub(crate) struct Bench {
    pub(crate) element: Element<Board>,
    pub(crate) now: Nanos,
    /// What was sent to each peer and not looked at.
    sent: BTreeMap<SocketAddr, Vec<Message>>,
    /// Answers that repeat what cannot be read, as they have to.
    echoes: Vec<Vec<u8>>,
    pub(crate) records: Vec<Record>,
    pub(crate) kept: Vec<Snapshot>,
    /// What was to be written down, in its order, and when.
    journal: Vec<(Nanos, Noted)>,
    events: Vec<Event>,
    /// What was told of calls of our own.
    pub(crate) own: Vec<ua::Event>,
    kept_own: Vec<ua::Snapshot>,
}

/// Something to be written down.
#[derive(Clone, Debug)]
enum Noted {
    Kept(Box<Snapshot>),
    Over(Box<Record>),
}

pub(crate) fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn peer(name: &str, side: Side, at: &str) -> Peer {
    Peer::new(name, side, socket(at))
}

pub(crate) fn trunks() -> Trunks {
    let member = |peer, priority| Member { peer: PeerIndex(peer), priority, weight: 1 };
    let route = |from, to| Route { from, number: Pattern::Any, strip: 0, prepend: String::new(), to, record: false };
    Trunks {
        listeners: vec![Listener { transport: Transport::Udp, address: socket(US) }],
        peers: vec![
            peer("carrier", Side::OffNet, CARRIER),
            peer("pbx", Side::OnNet, PBX),
            peer("pbx-2", Side::OnNet, PBX_2),
        ],
        groups: vec![
            Group { name: "inside".into(), members: vec![member(1, 1), member(2, 2)] },
            Group { name: "outside".into(), members: vec![member(0, 1)] },
        ],
        routes: vec![route(vec![PeerIndex(0)], 0), route(Vec::new(), 1)],
        ..Trunks::default()
    }
}

fn ports() -> Ports {
    Ports::new(&[IpAddr::from(MEDIA)], 20_000, 20_039)
}

impl Bench {
    fn new() -> Self {
        Self::with(trunks())
    }

    /// The daemon dies, and another one takes over what was kept. The data plane runs on.
    fn restart(&mut self) {
        let board = self.element.media().clone();
        let kept = self.kept.pop().expect("a call was kept");
        *self = Self { now: self.now, ..Self::new() };
        *self.element.media_mut() = board;
        let json = serde_json::to_string(&kept).expect("JSON");
        assert!(self.element.restore(&serde_json::from_str(&json).expect("the same")));
        assert_eq!(self.relays().len(), 2, "nothing was added");
    }

    pub(crate) fn with(trunks: Trunks) -> Self {
        let now = Nanos(1_000_000_000);
        let element = Element::new(Arc::new(trunks), Limits::default(), Board::default(), ports(), [7; 32], now);
        Self {
            element,
            now,
            sent: BTreeMap::new(),
            echoes: Vec::new(),
            records: Vec::new(),
            kept: Vec::new(),
            journal: Vec::new(),
            events: Vec::new(),
            own: Vec::new(),
            kept_own: Vec::new(),
        }
    }

    /// A peer sends a message.
    pub(crate) fn send(&mut self, from: &str, message: impl AsRef<[u8]>) {
        let flow = Flow { listener: 0, transport: Transport::Udp, remote: socket(from), connection: 0 };
        self.element.receive(self.now, flow, message.as_ref());
        self.drain();
    }

    /// Nothing can be sent to a peer.
    fn unreachable(&mut self, peer: &str) {
        let flow = Flow { listener: 0, transport: Transport::Udp, remote: socket(peer), connection: 0 };
        self.element.unreachable(self.now, &flow);
        self.drain();
    }

    /// Time goes by, deadline by deadline.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.element.deadline() <= end {
            self.now = self.now.max(self.element.deadline());
            self.element.timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.element.poll() {
            match output {
                Output::Send(sending) => match Message::parse(&sending.bytes) {
                    Ok(message) => self.sent.entry(sending.flow.remote).or_default().push(message),
                    Err(_) if sending.bytes.starts_with(b"SIP/2.0 400 ") => self.echoes.push(sending.bytes.to_vec()),
                    Err(error) => panic!("{error:?}: {}", sending.bytes.escape_ascii()),
                },
                Output::Event(event) => self.events.push(event),
                Output::Keep(id) => {
                    if let Some(snapshot) = self.element.snapshot(id) {
                        self.journal.push((self.now, Noted::Kept(Box::new(snapshot.clone()))));
                        self.kept.push(snapshot);
                    }
                }
                Output::Ua(event) => self.own.push(event),
                Output::KeepUa(id) => self.kept_own.extend(self.element.ua_snapshot(id)),
                Output::Ended(record) => {
                    self.journal.push((self.now, Noted::Over(record.clone())));
                    self.records.push(*record);
                }
            }
        }
    }

    /// What a peer was sent since it last looked.
    pub(crate) fn heard(&mut self, peer: &str) -> Vec<Message> {
        self.sent.remove(&socket(peer)).unwrap_or_default()
    }

    /// The one request that a peer was sent.
    pub(crate) fn request(&mut self, peer: &str) -> Request {
        let heard = self.heard(peer);
        let summary = summary(&heard);
        match <[Message; 1]>::try_from(heard) {
            Ok([Message::Request(request)]) => request,
            _ => panic!("one request to {peer}, not {summary}"),
        }
    }

    /// The one response that a peer was sent, 100 left out.
    pub(crate) fn response(&mut self, peer: &str) -> Response {
        let mut heard = self.heard(peer);
        heard.retain(|message| !matches!(message, Message::Response(response) if response.status() == 100));
        let summary = summary(&heard);
        match <[Message; 1]>::try_from(heard) {
            Ok([Message::Response(response)]) => response,
            _ => panic!("one response to {peer}, not {summary}"),
        }
    }

    fn relays(&self) -> Vec<Relay> {
        self.element.media().relays.borrow().values().copied().collect()
    }

    /// Nothing is left of any call.
    fn assert_idle(&mut self) {
        self.wait(Duration::from_secs(70));
        assert_eq!((self.element.calls().count(), self.element.own.len()), (0, 0));
        assert_eq!(self.element.ports_used().0, 0, "media ports are in use");
        assert_eq!(self.element.transactions(), (0, 0), "{:?} {:?}", self.element.servers, self.element.clients);
        assert!(self.element.outside.is_empty(), "{:?}", self.element.outside);
        assert_eq!(self.relays(), []);
        assert!(self.element.peers.iter().all(|peer| peer.calls == 0), "calls are counted that are over");
    }
}

fn summary(messages: &[Message]) -> String {
    let line = |message: &Message| match message {
        Message::Request(request) => request.method().to_string(),
        Message::Response(response) => format!("{} to {}", response.status(), response.method),
    };
    format!("{:?}", messages.iter().map(line).collect::<Vec<_>>())
}

/// A description of one audio line.
pub(crate) fn sdp(at: &str) -> String {
    let at = socket(at);
    let kind = if at.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n",
        ip = at.ip(),
        port = at.port()
    )
}

/// A request of a party, as text.
pub(crate) struct Draft {
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) at: &'static str,
    pub(crate) call: &'static str,
    pub(crate) branch: String,
    pub(crate) cseq: u32,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// The carrier's INVITE to 100.
pub(crate) fn invite(branch: &str) -> Draft {
    Draft {
        method: "INVITE",
        uri: format!("sip:100@{US}"),
        from: "\"Ann\" <sip:+4930@carrier.example>;tag=ann".into(),
        to: "<sip:100@undertone.example>".into(),
        at: CARRIER,
        call: "call-1",
        branch: format!("z9hG4bK{branch}"),
        cseq: 1,
        headers: Vec::new(),
        body: sdp("198.51.100.7:4000"),
    }
}

impl Draft {
    pub(crate) fn with(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    pub(crate) fn text(&self) -> String {
        let Self { method, uri, from, to, at, call, branch, cseq, headers, body } = self;
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let kind = if *method == "INFO" { "application/dtmf" } else { "application/sdp" };
        let typed = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContact: <sip:party@{at}>\r\n{headers}{typed}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// A peer's response to a request that it was sent.
pub(crate) fn reply(request: &Request, status: u16, tag: &str, at: &str, body: &str) -> Vec<u8> {
    let answer = Answer::new(status).with("Contact", format!("<sip:party@{at}>"));
    let Ok(Message::Response(mut response)) = Message::parse(&request.answer(&answer, tag)) else {
        panic!("a response");
    };
    if !body.is_empty() {
        response.set_header("Content-Type", "application/sdp");
        response.set_body(body.as_bytes().to_vec());
    }
    response.to_bytes().to_vec()
}
