//! Calls that we have ourselves: those that we answer, and those that we place.
//!
//! `incoming` takes calls to numbers of ours, and does with them what whoever has them decides; `outgoing` places calls;
//! `within` is what comes in them, `refresh` what we ask for to keep them, and `sending` how our requests leave.

mod incoming;
mod outgoing;
mod refresh;
mod sending;
mod within;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::SocketAddr,
};

use super::{Element, Output};
use crate::{
    call::{CallId, Media, Phase, take_port},
    identity::{self, About, Told},
    sip::{
        Flow,
        message::{Answer, Method, Request},
        transaction::Sending,
    },
    time::Nanos,
    trunk::{PeerIndex, Side},
    ua::{By, Cause, Event, Limits, OwnNumber, Snapshot, Ua, UaId},
};

/// What we do in calls of our own (RFC 3261 §20.5).
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO";

/// The calls of our own.
#[derive(Debug, Default)]
pub(super) struct Own {
    numbers: Vec<OwnNumber>,
    limits: Limits,
    calls: HashMap<UaId, Ua>,
    deadlines: BinaryHeap<Reverse<(Nanos, UaId)>>,
}

impl Own {
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn has_port(&self, at: SocketAddr) -> bool {
        let pair = SocketAddr::new(at.ip(), at.port() & !1);
        self.calls.values().any(|ua| ua.port == Some(pair))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Takes a call out, to be put back by [`Own::put`].
    fn take(&mut self, id: UaId) -> Option<Ua> {
        self.calls.remove(&id)
    }

    /// Puts a call in, or back.
    fn put(&mut self, mut ua: Ua) {
        if let Some(at) = ua.deadline().filter(|at| *at < ua.armed) {
            ua.armed = at;
            self.deadlines.push(Reverse((at, ua.id)));
        }
        self.calls.insert(ua.id, ua);
    }

    /// The next call that is to be looked at by now, taken out.
    fn due(&mut self, now: Nanos) -> Option<Ua> {
        loop {
            let (at, id) = self.deadlines.peek().map(|Reverse(next)| *next).filter(|(at, _)| *at <= now)?;
            self.deadlines.pop();
            // What was put in for an earlier deadline than there is now is found again by the next one.
            let Some(mut ua) = self.calls.remove(&id) else { continue };
            if ua.armed != at {
                self.calls.insert(id, ua);
                continue;
            }
            ua.armed = Nanos(u64::MAX);
            if ua.deadline().is_some_and(|at| at <= now) {
                return Some(ua);
            }
            self.put(ua);
        }
    }
}

impl<M: Media> Element<M> {
    /// Answers these numbers itself from now on, where a peer on our side calls them. Calls that there are go on.
    pub fn set_own(&mut self, numbers: Vec<OwnNumber>, limits: Limits) {
        (self.own.numbers, self.own.limits) = (numbers, limits);
    }

    /// The calls of our own that there are.
    pub fn uas(&self) -> impl Iterator<Item = &Ua> {
        self.own.calls.values().filter(|ua| ua.leaving.is_none())
    }

    /// One call of our own.
    pub fn ua(&self, id: UaId) -> Option<&Ua> {
        self.own.calls.get(&id).filter(|ua| ua.leaving.is_none())
    }

    /// What is to be kept of a call of our own; `None` when there is no such call, or it is not up.
    pub fn ua_snapshot(&self, id: UaId) -> Option<Snapshot> {
        Snapshot::of(self.own.calls.get(&id)?, &self.trunks)
    }

    /// Takes up a call of our own from before the daemon was started; its media ports are its again. `None` when its peer is
    /// not configured any more. Whoever has the calls is not told: it asks [`Element::ua`].
    pub fn restore_ua(&mut self, snapshot: &Snapshot) -> Option<UaId> {
        let mut ua = snapshot.call(&self.trunks)?;
        let (id, place) = (ua.id, ua.dialog.theirs.flow.remote.ip());
        // One that is not to be had does not go back when the call is over.
        ua.port = ua.port.filter(|port| self.ports.claim(port.ip(), port.port()));
        self.count_call(ua.peer, 1);
        self.note_place(ua.peer, place);
        self.own.put(ua);
        Some(id)
    }

    /// The call of our own that a request is in. `named` is the call that our Route names: then it only passes.
    pub(super) fn own_dialog(
        &self,
        request: &Request,
        flow: &Flow,
        peer: PeerIndex,
        named: Option<CallId>,
    ) -> Option<UaId> {
        let id: UaId = std::str::from_utf8(request.to_tag.as_ref()?).ok()?.parse().ok()?;
        let ua = self.own.calls.get(&id).filter(|_| named.is_none())?;
        let is_its = ua.dialog.has(&request.call_id, &request.from_tag) && self.is_from(ua.peer, flow, peer);
        is_its.then_some(id)
    }

    /// Whether a request begins something with a number that we answer ourselves.
    pub(super) fn is_own_number(&self, request: &Request, peer: PeerIndex) -> bool {
        let is_ours = || self.trunks.peer(peer).is_some_and(|peer| peer.side == Side::OnNet);
        if self.own.numbers.is_empty() || request.to_tag.is_some() || !is_ours() {
            return false;
        }
        let number = identity::normalised(&super::uris::dialled(request.uri()));
        self.own.numbers.iter().any(|own| own.is(&number))
    }

    /// A request to a number of ours.
    pub(super) fn own_number(&mut self, now: Nanos, flow: Flow, peer: PeerIndex, request: Request) {
        match request.method() {
            Method::Invite => self.own_invite(now, flow, peer, request),
            Method::Options => {
                let answer = Answer::new(200).with("Allow", ALLOW).with("Accept", "application/sdp");
                self.refuse(now, flow, &request, &answer.with("Supported", "timer"));
            }
            _ => self.refuse(now, flow, &request, &Answer::new(405).with("Allow", ALLOW)),
        }
    }

    /// Whether there is no room for one more call of our own.
    fn own_is_full(&self) -> bool {
        self.own.calls.len() >= self.own.limits.calls_max as usize
    }

    /// Does what time asks for.
    pub(super) fn own_timeout(&mut self, now: Nanos) {
        while let Some(ua) = self.own.due(now) {
            self.own_due(now, ua);
        }
    }

    /// Does what is due first in a call, and puts it back.
    fn own_due(&mut self, now: Nanos, mut ua: Ua) {
        if ua.incoming.as_ref().is_some_and(|it| it.until <= now) {
            let answer = Answer::new(480).because("Not Decided");
            return self.own_refuse(now, ua, &answer, Cause::by_us(480, "Not Decided"));
        }
        if ua.placing.as_ref().is_some_and(|it| it.until <= now) {
            self.own_abandon(now, &mut ua);
            return self.own_over(ua, Cause::by_us(408, "No Answer"));
        }
        if let Some(unacknowledged) = ua.unacknowledged.as_mut().filter(|it| it.next <= now) {
            if unacknowledged.end <= now {
                ua.unacknowledged = None;
                return self.own_leave(now, ua, Cause::by_us(408, "Not Acknowledged"));
            }
            unacknowledged.repeated(now);
            let (flow, bytes) = (unacknowledged.flow, unacknowledged.response.clone());
            self.sendings.push(Sending { flow, bytes });
            return self.own.put(ua);
        }
        if ua.timer.is_some_and(|timer| timer.ends_at() <= now) {
            return self.own_leave(now, ua, Cause::by_us(408, "Session Expired"));
        }
        self.own_refresh(now, ua);
    }

    /// A call is over that needs nothing said any more.
    fn own_over(&mut self, mut ua: Ua, cause: Cause) {
        self.count_call(ua.peer, -1);
        self.own_gone(&mut ua, cause);
    }

    /// A call is over for whoever has it.
    fn own_gone(&mut self, ua: &mut Ua, cause: Cause) {
        if let Some(port) = ua.port.take() {
            self.ports.give(port.ip(), port.port());
        }
        if ua.leaving.is_none() {
            self.outputs.push_back(Output::Ua(Event::Ended(ua.id, cause)));
        }
    }

    /// Ends a call that is up, from our side. Where our 2xx is not acknowledged, its party is told when it is, or when that
    /// has taken too long (RFC 3261 §15).
    fn own_leave(&mut self, now: Nanos, mut ua: Ua, cause: Cause) {
        let told = ua.leaving.clone().unwrap_or_else(|| cause.clone());
        if !ua.is_confirmed && ua.unacknowledged.is_some() {
            self.own_gone(&mut ua, cause);
            ua.leaving = Some(told);
            return self.own.put(ua);
        }
        self.own_bye(now, &mut ua, &told);
        self.own_over(ua, cause);
    }

    /// Ends a call of our own, however far it is. False when there is none.
    pub fn hang_up(&mut self, now: Nanos, id: UaId, cause: Cause) -> bool {
        let Some(mut ua) = self.own.take(id) else { return false };
        if ua.leaving.is_some() {
            self.own.put(ua);
            return false;
        }
        if ua.incoming.is_some() {
            let answer =
                Answer::new(if cause.status >= 400 { cause.status } else { 480 }).with("Reason", cause.reason());
            self.own_refuse(now, ua, &answer, cause);
        } else if ua.phase == Phase::Up {
            self.own_leave(now, ua, cause);
        } else {
            self.own_abandon(now, &mut ua);
            self.own_over(ua, cause);
        }
        self.flush();
        true
    }

    /// A party has hung up.
    fn own_left(&mut self, ua: Ua) {
        self.own_over(ua, Cause::new(200, "Normal Clearing", By::Party));
    }

    fn own_tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Ua(event));
    }

    /// A call has changed in a way that has to be kept.
    fn own_changed(&mut self, ua: &Ua) {
        if ua.is_confirmed && ua.leaving.is_none() {
            self.outputs.push_back(Output::KeepUa(ua.id));
        }
    }

    /// The other end says something of itself.
    fn own_identify(&mut self, ua: &mut Ua, told: Told<'_>) {
        let Some(peer) = self.trunks.peer(ua.peer) else { return };
        let about = About::Sender { role: ua.role, known: &ua.dialog.user };
        let found = identity::read(told, about, peer, &self.trunks, Some(&ua.party));
        if let Told::Request(request) = told {
            ua.dialog.user = identity::user_of(&request.header("From").unwrap_or_default());
        }
        let Some(mut found) = found else { return };
        if found.name.is_empty() && found.number == ua.party.number {
            found.name.clone_from(&ua.party.name);
        }
        let is_news = !found.is_same(&ua.party);
        ua.party = found;
        if is_news {
            self.own_tell(Event::Party(ua.id, Box::new(ua.party.clone())));
        }
    }

    /// A pair of media ports of the address that parties of a peer at a place send to.
    fn own_port(&mut self, peer: PeerIndex, at: SocketAddr) -> Option<SocketAddr> {
        let address = self.trunks.peer(peer)?.ways.way(at.ip()).media;
        let port = take_port(address, &mut self.ports, &self.media);
        self.counters.no_port += u64::from(port.is_none());
        port
    }
}
