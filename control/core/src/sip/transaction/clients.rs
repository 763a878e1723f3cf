//! Requests that we have sent.

use std::time::Duration;

use bytes::Bytes;

use super::{PATIENCE, Sending, T1, T2, T4, longer, slots};
use crate::{
    sip::{
        Flow,
        message::{Message, Method, Request, Response},
    },
    time::Nanos,
};

/// Names a transaction of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(slots::Id);

/// What a response is to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<T> {
    /// One that its owner has to hear of.
    Owner(ClientId, T),
    /// A repetition, which is dealt with.
    Absorbed,
    /// To no transaction that we know.
    Stray,
}

/// A transaction that had no final response in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired<T>(pub T);

/// The requests that we have sent, each with its owner's tag.
#[derive(Debug)]
pub struct Clients<T> {
    slots: slots::Slots<Client<T>>,
}

#[derive(Debug)]
struct Client<T> {
    /// Tells our branches from guesses.
    nonce: u64,
    flow: Flow,
    is_invite: bool,
    state: State,
    /// The CANCEL that follows it, until that is answered.
    cancel: Option<Box<Cancel>>,
    /// Whether a CANCEL is to follow as soon as it may.
    is_unwanted: bool,
    /// How long a proceeding INVITE may take; for ever where its owner looks after that.
    patience: Option<Duration>,
    tag: T,
}

/// A CANCEL, which shares the branch of its INVITE.
#[derive(Debug)]
struct Cancel {
    bytes: Bytes,
    gap: Duration,
}

/// RFC 3261 figures 5 and 6, RFC 6026 figure 3.
#[derive(Debug)]
enum State {
    /// Nothing has come back. `next` is when to send again.
    Calling { request: Bytes, next: Nanos, gap: Duration, end: Nanos },
    /// A provisional response has.
    Proceeding { request: Bytes, next: Nanos, end: Option<Nanos> },
    /// A final response other than 2xx has; repetitions are acknowledged.
    Completed { ack: Option<Bytes> },
    /// A 2xx has; more of them may come.
    Accepted,
}

impl<T> Default for Clients<T> {
    fn default() -> Self {
        Self { slots: slots::Slots::default() }
    }
}

impl<T: Copy> Clients<T> {
    /// A place for a transaction that is about to begin. It lasts until `now` + [`PATIENCE`] unless it does.
    pub fn reserve(&mut self, now: Nanos, nonce: u64, flow: Flow, method: &Method, tag: T) -> ClientId {
        let state = State::Completed { ack: None };
        let is_invite = *method == Method::Invite;
        let client = Client { nonce, flow, is_invite, state, cancel: None, is_unwanted: false, patience: None, tag };
        ClientId(self.slots.insert(now + PATIENCE, client))
    }

    /// The branch of a transaction, for the request's Via.
    pub fn branch(&self, id: ClientId) -> String {
        let nonce = self.slots.get(id.0).map_or(0, |client| client.nonce);
        format!("z9hG4bK{:x}.{:x}.{nonce:016x}", id.0.place, id.0.tenant)
    }

    /// Sends the request.
    pub fn begin(&mut self, now: Nanos, id: ClientId, request: Bytes, out: &mut Vec<Sending>) {
        let Some(client) = self.slots.get_mut(id.0) else { return };
        out.push(Sending { flow: client.flow, bytes: request.clone() });
        let end = now + PATIENCE;
        let next = if client.flow.transport.is_reliable() { end } else { now + T1 };
        client.state = State::Calling { request, next, gap: T1, end };
        self.slots.schedule(id.0, next);
    }

    /// Ends a transaction without a word.
    pub fn forget(&mut self, id: ClientId) {
        self.slots.remove(id.0);
    }

    /// The tag of a transaction.
    pub fn tag(&self, id: ClientId) -> Option<T> {
        self.slots.get(id.0).map(|client| client.tag)
    }

    /// The tag of the transaction that a response is to.
    pub fn owner(&self, response: &Response) -> Option<T> {
        self.tag(self.find(response)?)
    }

    /// Where a transaction's request went.
    pub fn flow(&self, id: ClientId) -> Option<Flow> {
        self.slots.get(id.0).map(|client| client.flow)
    }

    /// The request, while there is no final response.
    pub fn request(&self, id: ClientId) -> Option<Request> {
        let (State::Calling { request, .. } | State::Proceeding { request, .. }) = &self.slots.get(id.0)?.state else {
            return None;
        };
        parse(request)
    }

    /// Has an INVITE cancelled when it has proceeded for so long since it was last heard of (timer C, RFC 3261 §16.8).
    pub fn set_patience(&mut self, id: ClientId, patience: Duration) {
        if let Some(client) = self.slots.get_mut(id.0) {
            client.patience = Some(patience);
        }
    }

    /// Gives a transaction another tag.
    pub fn set_tag(&mut self, id: ClientId, tag: T) {
        if let Some(client) = self.slots.get_mut(id.0) {
            client.tag = tag;
        }
    }

    /// Cancels an INVITE, as soon as it is proceeding: before, the CANCEL could overtake it (RFC 3261 §9.1). When no final
    /// response comes in [`PATIENCE`] from then, none will.
    pub fn cancel(&mut self, now: Nanos, id: ClientId, out: &mut Vec<Sending>) {
        let Some(client) = self.slots.get_mut(id.0).filter(|client| client.is_invite) else { return };
        client.is_unwanted |= matches!(client.state, State::Calling { .. });
        let flow = client.flow;
        let State::Proceeding { request, next, end: end @ None } = &mut client.state else { return };
        let Some(cancel) = parse(request).map(|request| request.cancel(None)) else { return };
        out.push(Sending { flow, bytes: cancel.clone() });
        *end = Some(now + PATIENCE);
        *next = if flow.transport.is_reliable() { now + PATIENCE } else { now + T1 };
        client.cancel = Some(Box::new(Cancel { bytes: cancel, gap: T1 }));
        let at = client.state.deadline(now);
        self.slots.schedule(id.0, at);
    }

    /// Takes a response in.
    pub fn receive(&mut self, now: Nanos, response: &Response, out: &mut Vec<Sending>) -> Heard<T> {
        let Some(id) = self.find(response) else { return Heard::Stray };
        let Some(client) = self.slots.get_mut(id.0) else { return Heard::Stray };
        if client.is_invite && response.method == Method::Cancel {
            client.cancel = None;
            return Heard::Absorbed;
        }
        if client.is_invite != (response.method == Method::Invite) {
            return Heard::Stray;
        }
        let status = response.status();
        let owner = Heard::Owner(id, client.tag);
        match &mut client.state {
            State::Calling { request, .. } | State::Proceeding { request, .. } if status < 200 => {
                let request = std::mem::take(request);
                client.proceed(now, request);
                let (at, is_unwanted) = (client.state.deadline(now), std::mem::take(&mut client.is_unwanted));
                self.slots.schedule(id.0, at);
                if is_unwanted {
                    self.cancel(now, id, out);
                }
                owner
            }
            State::Calling { request, .. } | State::Proceeding { request, .. } => {
                let is_reliable = client.flow.transport.is_reliable();
                let wait = if client.is_invite && status < 300 {
                    client.state = State::Accepted;
                    PATIENCE
                } else if client.is_invite {
                    let ack = parse(request).map(|request| request.ack(response));
                    out.extend(ack.clone().map(|bytes| Sending { flow: client.flow, bytes }));
                    client.state = State::Completed { ack };
                    if is_reliable { Duration::ZERO } else { PATIENCE }
                } else {
                    client.state = State::Completed { ack: None };
                    if is_reliable { Duration::ZERO } else { T4 }
                };
                self.slots.schedule(id.0, now + wait);
                owner
            }
            // A 2xx is passed on whenever it comes: somebody has taken the call (RFC 3261 §16.7 item 5).
            State::Completed { .. } | State::Accepted if client.is_invite && (200..300).contains(&status) => owner,
            State::Completed { ack } if status >= 300 => {
                out.extend(ack.clone().map(|bytes| Sending { flow: client.flow, bytes }));
                Heard::Absorbed
            }
            State::Completed { .. } | State::Accepted => Heard::Absorbed,
        }
    }

    /// Ends the transactions that have heard nothing yet from where a flow leads, and gives their tags.
    pub fn give_up(&mut self, flow: &Flow) -> Vec<T> {
        let leads_there = |it: &Flow| (it.remote, it.transport) == (flow.remote, flow.transport);
        let is_one = |it: &Client<T>| matches!(it.state, State::Calling { .. }) && leads_there(&it.flow);
        self.slots.take_all(is_one).into_iter().map(|client| client.tag).collect()
    }

    /// Sends again what nobody answered, and ends what is over. Returns the next transaction that got no final response,
    /// until there are no more.
    pub fn timeout(&mut self, now: Nanos, out: &mut Vec<Sending>) -> Option<Expired<T>> {
        while let Some(id) = self.slots.due(now) {
            let Some(client) = self.slots.get_mut(id) else { continue };
            if client.is_invite && matches!(client.state, State::Proceeding { end: None, .. }) {
                // It has been waited for long enough.
                self.cancel(now, ClientId(id), out);
                continue;
            }
            let is_over = match &mut client.state {
                State::Calling { end, .. } | State::Proceeding { end: Some(end), .. } if now >= *end => {
                    let tag = client.tag;
                    self.slots.remove(id);
                    return Some(Expired(tag));
                }
                State::Calling { request, next, gap, end } => {
                    out.push(Sending { flow: client.flow, bytes: request.clone() });
                    *gap = longer(*gap, if client.is_invite { PATIENCE } else { T2 });
                    *next = (now + *gap).min(*end);
                    false
                }
                State::Proceeding { end: None, .. } => false,
                State::Proceeding { request, next, end: Some(end) } => {
                    let (again, gap) = match &mut client.cancel {
                        Some(cancel) => {
                            cancel.gap = longer(cancel.gap, T2);
                            (Some(cancel.bytes.clone()), cancel.gap)
                        }
                        None => ((!client.is_invite).then(|| request.clone()), T2),
                    };
                    let again = again.filter(|_| !client.flow.transport.is_reliable());
                    out.extend(again.map(|bytes| Sending { flow: client.flow, bytes }));
                    *next = (now + gap).min(*end);
                    false
                }
                State::Completed { .. } | State::Accepted => true,
            };
            if is_over {
                self.slots.remove(id);
            } else {
                let at = client.state.deadline(now);
                self.slots.schedule(id, at);
            }
        }
        None
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

    fn find(&self, response: &Response) -> Option<ClientId> {
        let branch = std::str::from_utf8(&response.via.branch).ok()?.strip_prefix("z9hG4bK")?;
        let mut parts = branch.split('.');
        let mut part = || u64::from_str_radix(parts.next()?, 16).ok();
        let (place, tenant, nonce) = (part()?.try_into().ok()?, part()?.try_into().ok()?, part()?);
        let id = slots::Id { place, tenant };
        self.slots.get(id).filter(|client| client.nonce == nonce).map(|_| ClientId(id))
    }
}

impl<T> Client<T> {
    /// A provisional response has come.
    fn proceed(&mut self, now: Nanos, request: Bytes) {
        let end = match &self.state {
            // A cancelled one is given up at some time, whatever else comes.
            State::Proceeding { end, .. } => *end,
            State::Calling { end, .. } if !self.is_invite => Some(*end),
            _ => None,
        };
        let next = match end {
            Some(end) if self.flow.transport.is_reliable() => end,
            Some(end) => (now + T2).min(end),
            None => self.patience.map_or(Nanos(u64::MAX), |patience| now + patience),
        };
        self.state = State::Proceeding { request, next, end };
    }
}

impl State {
    fn deadline(&self, now: Nanos) -> Nanos {
        match self {
            Self::Calling { next, .. } | Self::Proceeding { next, .. } => *next,
            Self::Completed { .. } | Self::Accepted => now,
        }
    }
}

/// A request of ours, which can be read.
fn parse(request: &Bytes) -> Option<Request> {
    match Message::parse(request) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}
