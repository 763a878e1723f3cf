//! Calls that begin: a peer is chosen, and another one where it fails.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;

use super::{Asks, Element, Event, Serves, bodies::body_of, identities, uris};
use crate::{
    call::{Attempt, Call, CallId, Leg, Manner, Media, Party, PartyName, Phase, Refusal, Role, Session, Setup},
    identity,
    sip::{
        Flow,
        message::{Answer, Request},
    },
    time::Nanos,
    trunk::{Peer, PeerIndex, Routed},
};

/// How long a caller is asked to wait before it tries again, in seconds.
pub(super) const RETRY_AFTER_S: &str = "5";

impl<M: Media> Element<M> {
    pub(super) fn invite(&mut self, now: Nanos, flow: Flow, from: PeerIndex, request: Request) {
        let dialled = uris::dialled(request.uri());
        if let Some(why) = self.has_no_room(now, from) {
            let answer = Answer::new(503).because(why).with("Retry-After", RETRY_AFTER_S);
            return self.turn_away(now, flow, from, &request, &answer);
        }
        let random = self.random();
        let route = self.trunks.route(from, &dialled, random, |peer| self.is_well(peer));
        let Some(Routed { number, peers, record: recorded }) = route else {
            return self.turn_away(now, flow, from, &request, &Answer::new(404).because("No Route"));
        };
        let targets = |peer| self.targets_of(peer, random).into_iter().map(move |target| (peer, target));
        let left = peers.into_iter().flat_map(targets).collect();
        let id = CallId(self.random());
        let server = self.servers.begin(&request, flow, Serves::Call(id));
        self.answer(now, server, &request, &Answer::new(100));
        self.counters.calls += 1;
        let setup = Setup { request: Box::new(request), flow, server, number, left, attempt: None, failure: None };
        let call = Call { recorded, ..self.new_call(now, id, from, dialled, setup) };
        self.calls.insert(id, Box::new(call));
        self.count_call(from, 1);
        self.tell(Event::Call(id, Phase::Trying));
        self.try_next(now, id);
    }

    /// Why no call of a peer can be taken now.
    fn has_no_room(&mut self, now: Nanos, from: PeerIndex) -> Option<&'static str> {
        if self.draining {
            return Some("Shutting Down");
        }
        if self.trunks.calls_max.is_some_and(|max| self.calls.len() >= max as usize) {
            return Some("Too Many Calls");
        }
        self.peer_has_no_room(now, from)
    }

    /// Why no call of a peer can be taken now, for all that the node has room.
    pub(super) fn peer_has_no_room(&mut self, now: Nanos, from: PeerIndex) -> Option<&'static str> {
        let peer = self.trunks.peer(from)?;
        let state = self.peers.get_mut(from.0 as usize)?;
        if peer.calls_max.is_some_and(|max| state.calls >= max) {
            return Some("Too Many Calls of This Peer");
        }
        let may = peer.calls_per_second_max.is_none_or(|max| state.rate.take(now, max));
        (!may).then_some("Too Many Calls a Second")
    }

    pub(super) fn turn_away(&mut self, now: Nanos, flow: Flow, peer: PeerIndex, request: &Request, answer: &Answer) {
        self.counters.refused += 1;
        let why = answer.reason.to_owned();
        self.tell(Event::Refused { peer, dialled: uris::dialled(request.uri()), status: answer.status, why });
        self.refuse(now, flow, request, answer);
    }

    fn new_call(&mut self, now: Nanos, id: CallId, from: PeerIndex, dialled: String, setup: Setup) -> Call {
        let request = &setup.request;
        let to = Bytes::copy_from_slice(&request.header("To").unwrap_or_default());
        let caller = Leg {
            peer: from,
            side: self.trunks.peer(from).map_or(crate::trunk::Side::OffNet, |peer| peer.side),
            party: identities::caller(&self.trunks, from, request),
            tag: Some(request.from_tag.clone()),
            user: identity::user_of(&request.header("From").unwrap_or_default()),
            dialog: Party::caller(request, setup.flow),
        };
        let callee = Leg {
            peer: from,
            side: caller.side,
            party: PartyName { number: identity::normalised(&dialled), ..PartyName::default() },
            tag: None,
            user: identity::user_of(&to),
            dialog: Party { address: to, routes: Vec::new(), contact: None, cseq: 0, ..caller.dialog.clone() },
        };
        Call {
            id,
            phase: Phase::Trying,
            dialled,
            called: setup.number.clone(),
            sip_call_id: request.call_id.clone(),
            server: Some(setup.server),
            client: None,
            offered: body_of!(&**request).has_sdp(),
            legs: [caller, callee],
            session: Session::default(),
            replaces: self.replaced(request),
            started: now,
            rang: None,
            answered: None,
            left: None,
            recorded: false,
            offers_late: false,
            setup: Some(Box::new(setup)),
        }
    }

    /// The call whose place an INVITE takes (RFC 3891 §3): one of ours, whose Call-ID and tags its Replaces has. The header
    /// passes on as it came: whether that may be is for the callee to decide.
    fn replaced(&self, request: &Request) -> Option<CallId> {
        let header = request.header("Replaces")?;
        let mut parts = header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let sip_call_id = parts.next()?;
        let (mut to, mut from) = (None, None);
        for part in parts {
            to = to.or(part.strip_prefix(b"to-tag="));
            from = from.or(part.strip_prefix(b"from-tag="));
        }
        let tags = [to?, from?];
        let is_it = |call: &&Call| {
            let has = |tag: &[u8]| call.legs.iter().any(|leg| leg.tag.as_deref() == Some(tag));
            call.sip_call_id == sip_call_id && tags.iter().all(|tag| has(tag))
        };
        self.calls().find(is_it).map(|call| call.id)
    }

    /// Tries the next target; without one, the caller gets the best failure.
    pub(super) fn try_next(&mut self, now: Nanos, id: CallId) {
        loop {
            let next = self.calls.get_mut(&id).and_then(|call| call.setup.as_mut()).map(|setup| setup.left.pop_front());
            match next {
                None => return,
                Some(None) => return self.fail_by_best(now, id),
                Some(Some((peer, target))) => match self.try_peer(now, id, peer, target) {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(refusal) => {
                        self.counters.no_port += u64::from(refusal == Refusal::NoPort);
                        return self.fail(now, id, &answer_to(&refusal), None);
                    }
                },
            }
        }
    }

    /// Sends the INVITE to a peer. False when that peer has no room.
    fn try_peer(&mut self, now: Nanos, id: CallId, index: PeerIndex, target: SocketAddr) -> Result<bool, Refusal> {
        let trunks = Arc::clone(&self.trunks);
        let Some(peer) = trunks.peer(index) else { return Ok(false) };
        let calls = self.peers.get(index.0 as usize).map_or(0, |state| state.calls);
        let is_full = peer.calls_max.is_some_and(|max| calls >= max);
        let Some(call) = self.calls.get_mut(&id).filter(|_| !is_full) else { return Ok(false) };
        let Some(setup) = call.setup.as_mut() else { return Ok(false) };
        let Some(caller) = trunks.peer(call.legs[0].peer) else { return Ok(false) };
        let mut request = (*setup.request).clone();
        let manners = [&manner(caller, setup.flow.remote), &manner(peer, target)];
        let session = &mut call.session;
        let body = body_of!(&request)
            .change(|sdp| session.make_offer(Role::Caller, sdp, manners, &mut self.ports, &self.media))?;
        if let Some(body) = body {
            request.set_body(body);
        }
        if let Some(uri) = uris::uri_at(&setup.number, peer, target) {
            request.set_uri(uri);
        }
        let flow = peer.flow(target);
        let from_listener = setup.flow.listener;
        call.legs[1] = Leg {
            peer: index,
            side: peer.side,
            party: identities::callee(&self.trunks, index, setup, &call.dialled),
            tag: None,
            user: call.legs[1].user.clone(),
            dialog: Party { flow, ..call.legs[1].dialog.clone() },
        };
        let nonce = self.random();
        let client = self.clients.reserve(now, nonce, flow, request.method(), Asks::Attempt(id));
        let via = self.via(flow.listener, &self.clients.branch(client));
        request.forward(&via, &self.record_routes(id, from_listener, flow.listener));
        self.clients.begin(now, client, request.to_bytes(), &mut self.sendings);
        let timer_c = now + std::time::Duration::from_secs(self.limits.ring_s.into());
        if let Some(setup) = self.calls.get_mut(&id).and_then(|call| call.setup.as_mut()) {
            setup.attempt = Some(Attempt { to: target, client, timer_c, heard: None });
        }
        self.deadlines.push(std::cmp::Reverse((timer_c, id)));
        self.count_call(index, 1);
        Ok(true)
    }

    /// Counts a call of a peer in or out.
    pub(super) fn count_call(&mut self, peer: PeerIndex, by: i32) {
        if let Some(state) = self.peers.get_mut(peer.0 as usize) {
            state.calls = state.calls.saturating_add_signed(by);
        }
    }
}

/// How media towards the parties at a place of a peer's is handled.
pub(super) fn manner(peer: &Peer, at: SocketAddr) -> Manner<'_> {
    let (types, codecs) = (peer.media_types.as_slice(), peer.codecs.as_slice());
    Manner { address: peer.ways.way(at.ip()).media, learn: peer.learn, dscp: peer.dscp, types, codecs }
}

/// What a party is told whose description is refused.
pub(super) fn answer_to(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::NoPort => Answer::new(503).because("No Media Port").with("Retry-After", RETRY_AFTER_S),
        // 399 is any other warning (RFC 3261 §20.43).
        refusal => Answer::new(488).with("Warning", format!("399 undertone \"{refusal}\"")),
    }
}
