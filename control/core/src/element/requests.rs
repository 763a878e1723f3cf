//! Sorting what comes in.

use std::time::Duration;

use bytes::Bytes;

use super::{Asks, Element, Serves, uris};
use crate::{
    call::Media,
    sip::{
        Flow,
        message::{Answer, Malformed, Message, Method, Request},
        transaction::{Arrived, Sending, ServerId},
    },
    time::Nanos,
    trunk::PeerIndex,
};

/// What we do ourselves (RFC 3261 §20.5).
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

impl<M: Media> Element<M> {
    pub(super) fn sort(&mut self, now: Nanos, flow: Flow, peer: PeerIndex, message: Result<Message, Malformed>) {
        match message {
            Ok(Message::Request(request)) => self.request(now, flow, peer, request),
            Ok(Message::Response(response)) => self.response(now, response),
            Err(malformed) => {
                self.counters.malformed += 1;
                let answer = malformed.answer.map(|bytes| Sending { flow, bytes: bytes.into() });
                self.sendings.extend(answer);
            }
        }
    }

    fn request(&mut self, now: Nanos, flow: Flow, peer: PeerIndex, mut request: Request) {
        request.note_source(flow.remote);
        let arrived = self.servers.receive(&request, flow, now, &mut self.sendings);
        match arrived {
            Arrived::Absorbed => {}
            Arrived::Ack => self.acknowledge(now, flow, peer, request),
            Arrived::Cancel(server, serves) => self.cancelled(now, flow, &request, server, serves),
            Arrived::LateCancel => self.refuse(now, flow, &request, &Answer::new(200)),
            Arrived::New => {
                self.counters.requests += 1;
                self.begin(now, flow, peer, request);
            }
        }
    }

    /// A request that is new (RFC 3261 §16.3, §16.4).
    fn begin(&mut self, now: Nanos, flow: Flow, peer: PeerIndex, mut request: Request) {
        if let Some(answer) = unacceptable(&request) {
            return self.refuse(now, flow, &request, &answer);
        }
        let named = match self.take_routes(&mut request) {
            Ok(named) => named,
            Err(unroutable) => return self.refuse(now, flow, &request, &unroutable.answer()),
        };
        // What is for us crosses no more elements.
        if *request.method() != Method::Cancel {
            if let Some(id) = self.own_dialog(&request, &flow, peer, named) {
                return self.own_within(now, flow, id, &request);
            }
            if named.is_none() && self.is_own_number(&request, peer) {
                return self.own_number(now, flow, peer, request);
            }
        }
        if let Some(answer) = impassable(&request) {
            return self.refuse(now, flow, &request, &answer);
        }
        // One that has no hops left ends here, whoever it is for (RFC 3261 §16.3 item 3).
        let is_for_us =
            request.max_forwards == Some(0) || uris::dialled(request.uri()).is_empty() && self.is_ours(request.uri());
        match request.method() {
            Method::Cancel => self.refuse(now, flow, &request, &Answer::new(481)),
            Method::Options if is_for_us => self.refuse(now, flow, &request, &abilities(&request)),
            _ if request.to_tag.is_some() => self.within(now, flow, peer, request, named),
            Method::Invite => self.invite(now, flow, peer, request),
            Method::Register => self.refuse(now, flow, &request, &Answer::new(405).with("Allow", ALLOW)),
            _ => self.outside(now, flow, peer, &request),
        }
    }

    /// Sends a request on, in a transaction of ours that serves one of theirs.
    pub(super) fn pass_on(
        &mut self,
        now: Nanos,
        flow: Flow,
        mut request: Request,
        record_routes: &[String],
        asks: Asks,
        server: ServerId,
    ) {
        let nonce = self.random();
        let client = self.clients.reserve(now, nonce, flow, request.method(), asks);
        let via = self.via(flow.listener, &self.clients.branch(client));
        request.forward(&via, record_routes);
        if *request.method() == Method::Invite {
            self.clients.set_patience(client, Duration::from_secs(self.limits.ring_s.into()));
        }
        self.servers.set_tag(server, Serves::Request(Some(client)));
        self.clients.begin(now, client, request.to_bytes(), &mut self.sendings);
    }

    /// Answers a request ourselves, with a transaction of its own.
    pub(super) fn refuse(&mut self, now: Nanos, flow: Flow, request: &Request, answer: &Answer) {
        let server = self.servers.begin(request, flow, Serves::Request(None));
        self.answer(now, server, request, answer);
    }

    /// Answers a request ourselves.
    pub(super) fn answer(&mut self, now: Nanos, server: ServerId, request: &Request, answer: &Answer) {
        let tag = self.tag();
        self.respond(now, server, request.method(), answer.status, request.answer(answer, &tag));
    }

    /// Sends a response, and counts it unless its transaction leaves it out.
    pub(super) fn respond(&mut self, now: Nanos, server: ServerId, method: &Method, status: u16, response: Bytes) {
        let before = self.sendings.len();
        self.servers.respond(now, server, status, response, &mut self.sendings);
        if self.sendings.len() > before {
            self.counters.sent.count(method, status);
        }
    }
}

/// Why nobody would take a request.
fn unacceptable(request: &Request) -> Option<Answer> {
    if !request.is_version_supported() {
        return Some(Answer::new(505));
    }
    let is_known = request.uri().scheme().is_sip() || request.uri().tel_parts().is_some();
    (!is_known).then(|| Answer::new(416))
}

/// Why no proxy would pass a request on.
fn impassable(request: &Request) -> Option<Answer> {
    if request.max_forwards == Some(0) && *request.method() != Method::Options {
        return Some(Answer::new(483));
    }
    unsupported(request, "Proxy-Require")
}

/// What we say of ourselves (RFC 3261 §11.2).
fn abilities(request: &Request) -> Answer {
    let answer = || Answer::new(200).with("Allow", ALLOW).with("Accept", "application/sdp");
    unsupported(request, "Require").unwrap_or_else(answer)
}

/// The answer to a request for extensions in this header: we have none (RFC 3261 §8.2.2.3).
fn unsupported(request: &Request, header: &'static str) -> Option<Answer> {
    let required = request.header_values(header);
    let required: Vec<_> = required.iter().map(|value| String::from_utf8_lossy(value)).collect();
    let list =
        required.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then(|| Answer::new(420).with("Unsupported", list))
}
