//! Requests that we were sent.

use std::{collections::HashMap, net::IpAddr, rc::Rc, time::Duration};

use bytes::Bytes;

use super::{PATIENCE, Sending, T1, T2, T4, longer, slots};
use crate::{
    sip::{
        Flow,
        message::{Message, Method, Request},
    },
    time::Nanos,
};

/// Names a transaction of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerId(slots::Id);

/// What a request is to the transactions that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived<T> {
    /// A new one: [`Servers::begin`] is next, unless it is refused without a transaction.
    New,
    /// A repetition, which is answered as far as it can be; or the ACK of a failure, which ends it.
    Absorbed,
    /// The ACK of a 2xx, which goes its own way.
    Ack,
    /// A CANCEL of this INVITE, which has no final response yet.
    Cancel(ServerId, T),
    /// A CANCEL of an INVITE that has its final response: it changes nothing (RFC 3261 §9.2).
    LateCancel,
}

/// The requests that we were sent, each with its owner's tag.
#[derive(Debug)]
pub struct Servers<T> {
    slots: slots::Slots<Server<T>>,
    by_key: HashMap<Key, slots::Id>,
}

/// What makes a request one that came before (RFC 3261 §17.2.3). A CANCEL is another transaction than its INVITE; an
/// ACK is not.
type Key = Rc<[u8]>;

#[derive(Debug)]
struct Server<T> {
    key: Key,
    flow: Flow,
    state: State,
    tag: T,
}

/// RFC 3261 figures 7 and 8, RFC 6026 figure 4.
#[derive(Debug)]
enum State {
    /// No final response yet. `last` is the last provisional one.
    Proceeding { is_invite: bool, request: Bytes, last: Option<Bytes> },
    /// INVITE has failed; the response is repeated until it is acknowledged.
    Failed { response: Bytes, next: Nanos, gap: Duration, end: Nanos },
    /// Another request has its final response, or the ACK of a failure has come.
    Completed { response: Option<Bytes> },
    /// INVITE has its 2xx.
    Accepted,
}

impl<T> Default for Servers<T> {
    fn default() -> Self {
        Self { slots: slots::Slots::default(), by_key: HashMap::new() }
    }
}

impl<T: Copy> Servers<T> {
    /// Takes a request in.
    pub fn receive(&mut self, request: &Request, flow: Flow, now: Nanos, out: &mut Vec<Sending>) -> Arrived<T> {
        let id = self.by_key.get(key(request, request.method(), &flow).as_slice()).copied();
        match id {
            Some(id) if *request.method() == Method::Ack => self.acknowledge(id, now),
            Some(id) => {
                let server = self.slots.get(id);
                let last = server.and_then(|server| match &server.state {
                    State::Proceeding { last, .. } => last.clone(),
                    State::Failed { response, .. } => Some(response.clone()),
                    State::Completed { response } => response.clone(),
                    State::Accepted => None,
                });
                out.extend(last.map(|bytes| Sending { flow, bytes }));
                Arrived::Absorbed
            }
            None if *request.method() == Method::Ack => Arrived::Ack,
            None if *request.method() == Method::Cancel => self.cancelled(request, &flow),
            None => Arrived::New,
        }
    }

    /// Begins a transaction for a request that is new.
    pub fn begin(&mut self, request: &Request, flow: Flow, tag: T) -> ServerId {
        let key = Key::from(key(request, request.method(), &flow));
        let is_invite = *request.method() == Method::Invite;
        let state = State::Proceeding { is_invite, request: request.to_bytes(), last: None };
        // One that is never answered is its owner's to end.
        let id = self.slots.insert(Nanos(u64::MAX), Server { key: Rc::clone(&key), flow, state, tag });
        self.by_key.insert(key, id);
        ServerId(id)
    }

    /// Gives a transaction another tag.
    pub fn set_tag(&mut self, id: ServerId, tag: T) {
        if let Some(server) = self.slots.get_mut(id.0) {
            server.tag = tag;
        }
    }

    /// The request, while it has no final response.
    pub fn request(&self, id: ServerId) -> Option<Request> {
        let server = self.slots.get(id.0)?;
        match &server.state {
            State::Proceeding { request, .. } => match Message::parse(request) {
                Ok(Message::Request(request)) => Some(request),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a transaction waits for its final response.
    pub fn is_open(&self, id: ServerId) -> bool {
        self.slots.get(id.0).is_some_and(|server| matches!(server.state, State::Proceeding { .. }))
    }

    /// Sends a response. One after the final one is left out, but for a 2xx, which an accepted INVITE may have many of.
    pub fn respond(&mut self, now: Nanos, id: ServerId, status: u16, response: Bytes, out: &mut Vec<Sending>) {
        let Some(server) = self.slots.get_mut(id.0) else { return };
        let (flow, is_success) = (server.flow, (200..300).contains(&status));
        let is_reliable = flow.transport.is_reliable();
        match &mut server.state {
            State::Proceeding { last, .. } if status < 200 => *last = Some(response.clone()),
            State::Proceeding { is_invite: true, .. } if is_success => {
                server.state = State::Accepted;
                self.slots.schedule(id.0, now + PATIENCE);
            }
            State::Proceeding { is_invite: true, .. } => {
                let end = now + PATIENCE;
                let next = if is_reliable { end } else { now + T1 };
                server.state = State::Failed { response: response.clone(), next, gap: T1, end };
                self.slots.schedule(id.0, next);
            }
            State::Proceeding { is_invite: false, .. } => {
                server.state = State::Completed { response: Some(response.clone()) };
                self.slots.schedule(id.0, if is_reliable { now } else { now + PATIENCE });
            }
            State::Accepted if is_success => {}
            _ => return,
        }
        out.push(Sending { flow, bytes: response });
    }

    /// Repeats failures that nobody acknowledged, and ends what is over.
    pub fn timeout(&mut self, now: Nanos, out: &mut Vec<Sending>) {
        while let Some(id) = self.slots.due(now) {
            let next = match self.slots.get_mut(id).map(|server| (server.flow, &mut server.state)) {
                Some((flow, State::Failed { response, next, gap, end })) if now < *end => {
                    out.push(Sending { flow, bytes: response.clone() });
                    *gap = longer(*gap, T2);
                    *next = (now + *gap).min(*end);
                    Some(*next)
                }
                _ => None,
            };
            match next {
                Some(next) => self.slots.schedule(id, next),
                None => self.remove(id),
            }
        }
    }

    /// When to call [`timeout`](Self::timeout) next.
    pub fn deadline(&self) -> Option<Nanos> {
        self.slots.deadline()
    }

    /// How many there are, with those that only wait for stragglers.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn acknowledge(&mut self, id: slots::Id, now: Nanos) -> Arrived<T> {
        let Some(server) = self.slots.get_mut(id) else { return Arrived::Absorbed };
        match server.state {
            State::Failed { .. } => {
                let wait = if server.flow.transport.is_reliable() { Duration::ZERO } else { T4 };
                server.state = State::Completed { response: None };
                self.slots.schedule(id, now + wait);
                Arrived::Absorbed
            }
            // With the branch of its INVITE, against the rules, but seen.
            State::Accepted => Arrived::Ack,
            _ => Arrived::Absorbed,
        }
    }

    fn cancelled(&self, request: &Request, flow: &Flow) -> Arrived<T> {
        let id = self.by_key.get(key(request, &Method::Invite, flow).as_slice()).copied();
        match id.and_then(|id| Some((id, self.slots.get(id)?))) {
            Some((id, server)) if matches!(server.state, State::Proceeding { .. }) => {
                Arrived::Cancel(ServerId(id), server.tag)
            }
            Some(_) => Arrived::LateCancel,
            None => Arrived::New,
        }
    }

    fn remove(&mut self, id: slots::Id) {
        if let Some(server) = self.slots.remove(id) {
            self.by_key.remove(&server.key);
        }
    }
}

/// The key of a request, as if it were of this method. The peer's address is part of it: no peer can touch another's
/// transaction.
fn key(request: &Request, method: &Method, flow: &Flow) -> Vec<u8> {
    let method = if *method == Method::Ack { &Method::Invite } else { method };
    let mut key = Vec::with_capacity(96);
    let mut part = |bytes: &[u8]| {
        key.extend_from_slice(bytes);
        key.push(0);
    };
    part(method.as_bytes());
    part(&request.via.branch);
    part(&request.via.sent_by);
    match flow.remote.ip() {
        IpAddr::V4(ip) => part(&ip.octets()),
        IpAddr::V6(ip) => part(&ip.octets()),
    }
    if !request.via.has_cookie() {
        // RFC 2543, whose branches are not unique: what tells one request from another. The tag of To is left out, which
        // an ACK has and its INVITE has not.
        part(&request.call_id);
        part(&request.from_tag);
        part(&request.cseq.to_be_bytes());
    }
    key
}
