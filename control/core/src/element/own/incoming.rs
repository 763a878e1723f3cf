//! Calls to numbers of ours.

use std::time::Duration;

use super::{
    super::{Element, Serves, bodies::body_of, invite::RETRY_AFTER_S, uris},
    ALLOW,
};
use crate::{
    call::{Media, PartyName, Phase, Role},
    element::identities,
    identity,
    sdp::{Bodies, SdpError},
    sip::{
        Flow,
        message::{Answer, Method, Request},
        transaction::ServerId,
    },
    time::Nanos,
    trunk::PeerIndex,
    ua::{
        By, Cause, Dialog, Event, Extent, Incoming, Manner, MediaLeg, Refresh, Session, Terms, Timer, Ua, UaError,
        UaId, Unacceptable, Unacknowledged, Waiting, spoken_in,
    },
};

/// Extensions that may be required of us. We send no provisional response where they are to be reliable (RFC 3262 §3).
const EXTENSIONS: [&str; 2] = ["timer", "100rel"];

impl<M: Media> Element<M> {
    /// Somebody calls a number of ours.
    pub(super) fn own_invite(&mut self, now: Nanos, flow: Flow, peer: PeerIndex, request: Request) {
        // It has come another way as well (RFC 3261 §8.2.2.2).
        if self.own.calls.values().any(|ua| ua.dialog.has(&request.call_id, &request.from_tag)) {
            return self.refuse(now, flow, &request, &Answer::new(482));
        }
        if let Some(why) = self.own_has_no_room(now, peer) {
            let answer = Answer::new(503).because(why).with("Retry-After", RETRY_AFTER_S);
            return self.turn_away(now, flow, peer, &request, &answer);
        }
        let offer = match acceptable(&request).and_then(|()| description(&request)) {
            Ok(offer) => offer,
            Err(answer) => return self.turn_away(now, flow, peer, &request, &answer),
        };
        if let Err(answer) = Timer::of_request(now, &request, None, Answer::new(200)) {
            return self.refuse(now, flow, &request, &answer);
        }
        let id = UaId(self.random());
        let server = self.servers.begin(&request, flow, Serves::Own(id));
        self.answer(now, server, &request, &Answer::new(100));
        self.counters.own += 1;
        self.count_call(peer, 1);
        let number = identity::normalised(&uris::dialled(request.uri()));
        let dialog = Dialog::of_request(&request, flow, &id.to_string());
        let party = identities::caller(&self.trunks, peer, &request);
        let incoming = Incoming {
            id,
            peer,
            from: flow.remote.ip(),
            party: party.clone(),
            number: number.clone(),
            sip_call_id: String::from_utf8_lossy(&request.call_id).into_owned(),
            codecs: offer.as_deref().map(spoken_in).unwrap_or_default(),
            offers_late: offer.is_none(),
            media: self.trunks.peer(peer).and_then(|it| self.ports.address(it.ways.way(flow.remote.ip()).media)),
        };
        let until = now + Duration::from_secs(self.own.limits.decide_s.into());
        let waiting = Some(Box::new(Waiting { request, flow, server, until }));
        self.own.put(Ua { party, incoming: waiting, ..Ua::new(id, Role::Caller, peer, number, now, dialog) });
        self.own_tell(Event::Incoming(Box::new(incoming)));
    }

    /// Why no call of a peer can be taken now.
    fn own_has_no_room(&mut self, now: Nanos, peer: PeerIndex) -> Option<&'static str> {
        if self.draining {
            return Some("Shutting Down");
        }
        if self.own_is_full() {
            return Some("Too Many Calls Here");
        }
        self.peer_has_no_room(now, peer)
    }

    /// Has a caller hear that it is being seen to: 180. Nothing is sent where that would have to be acknowledged. False when
    /// there is no such call, or it is answered already.
    pub fn alert(&mut self, now: Nanos, id: UaId) -> bool {
        let Some(mut ua) = self.own.take(id) else { return false };
        let is_waiting = ua.incoming.is_some();
        if let Some(waiting) = ua.incoming.as_ref().filter(|it| !it.request.has_token("Require", "100rel")) {
            let answer = Answer::new(180).with("Contact", self.contact(waiting.flow.listener)).with("Allow", ALLOW);
            let (server, bytes) = (waiting.server, waiting.request.answer(&answer, &id.to_string()));
            self.respond(now, server, &Method::Invite, 180, bytes);
            ua.phase = Phase::Ringing;
        }
        self.own.put(ua);
        self.flush();
        is_waiting
    }

    /// Has a caller hear something before it is refused: 183 with an answer to its offer (early media, RFC 3960). Media is told at
    /// once; [`turn_down`](Self::turn_down) is to follow within [`Limits::decide_s`](crate::ua::Limits::decide_s).
    ///
    /// False, and nothing is done, where there is no such call, it has made no offer that can be met, or 183 would have to be
    /// acknowledged (RFC 3262).
    pub fn speak_early(&mut self, now: Nanos, id: UaId, terms: &Terms) -> bool {
        let Some(mut ua) = self.own.take(id) else { return false };
        let waiting = ua.incoming.take();
        let sdp = waiting.as_ref().and_then(|it| self.own_early_session(&mut ua, it, terms));
        if let (Some(it), Some(sdp)) = (&waiting, &sdp) {
            let contact = self.contact(it.flow.listener);
            let answer = Answer::new(183).with("Contact", contact).with("Allow", ALLOW).describing(sdp.clone());
            let bytes = it.request.answer(&answer, &id.to_string());
            self.respond(now, it.server, &Method::Invite, 183, bytes);
            self.own_tell_media(&ua, None);
        }
        ua.incoming = waiting;
        self.own.put(ua);
        self.flush();
        sdp.is_some()
    }

    fn own_early_session(&mut self, ua: &mut Ua, waiting: &Waiting, terms: &Terms) -> Option<Vec<u8>> {
        if ua.session.is_some() || waiting.request.has_token("Require", "100rel") {
            return None;
        }
        description(&waiting.request).ok().flatten()?;
        self.own_begin_session(ua, waiting, terms).ok()
    }

    /// Answers a caller. With an offer from it, media is told at once; without, when it has answered ours.
    ///
    /// Where its offer cannot be met it is told so, and the call is over.
    pub fn accept(&mut self, now: Nanos, id: UaId, terms: &Terms) -> Result<(), UaError> {
        let Some(mut ua) = self.own.take(id) else { return Err(UaError::Gone) };
        let Some(waiting) = ua.incoming.take() else {
            self.own.put(ua);
            return Err(UaError::Gone);
        };
        let outcome = self.own_accept(now, ua, waiting, terms);
        self.flush();
        outcome.map_err(Into::into)
    }

    fn own_accept(&mut self, now: Nanos, mut ua: Ua, waiting: Box<Waiting>, terms: &Terms) -> Result<(), Unacceptable> {
        let sdp = match self.own_begin_session(&mut ua, &waiting, terms) {
            Ok(sdp) => sdp,
            Err(why) => {
                let answer = answer_to(&why);
                ua.incoming = Some(waiting);
                let cause = Cause::by_us(answer.status, &why.to_string());
                self.own_refuse(now, ua, &answer, cause);
                return Err(why);
            }
        };
        let Waiting { request, flow, server, .. } = *waiting;
        ua.phase = Phase::Up;
        self.own_succeed(now, &mut ua, &request, flow, server, sdp);
        self.own_tell_media(&ua, None);
        self.own.put(ua);
        Ok(())
    }

    /// What we say of media to a caller.
    fn own_begin_session(&mut self, ua: &mut Ua, waiting: &Waiting, terms: &Terms) -> Result<Vec<u8>, Unacceptable> {
        if terms.local.is_none() {
            ua.port = self.own_port(ua.peer, waiting.flow.remote);
        }
        let local = terms.local.or(ua.port).ok_or(Unacceptable::NoPort)?;
        let mut session = Session::new(self.random(), local, terms.codecs.clone(), terms.order);
        let offer = description(&waiting.request).ok().flatten();
        let sdp = match offer {
            Some(offer) => self.with_manner(ua.peer, |manner| session.answer(&offer, manner))?,
            None => session.offer(Extent::All),
        };
        ua.session = Some(session);
        Ok(sdp)
    }

    /// 200 to an INVITE of the other end, which it has to acknowledge, or to an UPDATE.
    pub(super) fn own_succeed(
        &mut self,
        now: Nanos,
        ua: &mut Ua,
        request: &Request,
        flow: Flow,
        server: ServerId,
        sdp: Vec<u8>,
    ) {
        let answer = Answer::new(200)
            .with("Contact", self.contact(flow.listener))
            .with("Allow", ALLOW)
            .with("Supported", "timer")
            .describing(sdp);
        let timed = Timer::of_request(now, request, self.own.limits.session_expires_s, answer);
        let Ok((timer, answer)) = timed else { return };
        ua.timer = timer;
        if matches!(ua.refresh, Refresh::Later(_)) {
            ua.refresh = Refresh::Idle;
        }
        let response = request.answer(&answer, &ua.id.to_string());
        if *request.method() == Method::Invite {
            ua.unacknowledged = Some(Unacknowledged::new(now, request.cseq, flow, response.clone()));
        }
        self.respond(now, server, request.method(), 200, response);
    }

    /// Refuses a caller: with a status from 300 on, a reason phrase and, if wanted, a Reason header (RFC 3326). False when there
    /// is no such call, or it is answered already.
    pub fn turn_down(
        &mut self,
        now: Nanos,
        id: UaId,
        status: u16,
        phrase: &'static str,
        reason: Option<String>,
    ) -> bool {
        let Some(ua) = self.own.take(id) else { return false };
        if ua.incoming.is_none() {
            self.own.put(ua);
            return false;
        }
        let mut answer = Answer::new(status.clamp(300, 699)).because(phrase);
        answer.headers.extend(reason.map(|reason| ("Reason", reason)));
        let cause = Cause::by_us(answer.status, phrase);
        self.counters.refused += 1;
        self.own_refuse(now, ua, &answer, cause);
        self.flush();
        true
    }

    /// Refuses a caller that waits for us to decide.
    pub(super) fn own_refuse(&mut self, now: Nanos, mut ua: Ua, answer: &Answer, cause: Cause) {
        if let Some(waiting) = ua.incoming.take() {
            let response = waiting.request.answer(answer, &ua.id.to_string());
            self.respond(now, waiting.server, &Method::Invite, answer.status, response);
        }
        self.own_over(ua, cause);
    }

    /// A caller does not want to wait any more.
    pub(in super::super) fn own_cancelled(&mut self, now: Nanos, id: UaId) {
        let Some(ua) = self.own.take(id) else { return };
        self.own_refuse(now, ua, &Answer::new(487), Cause::new(487, "", By::Party));
    }

    /// How media towards parties of a peer is handled.
    pub(super) fn with_manner<T>(&self, peer: PeerIndex, act: impl FnOnce(&Manner<'_>) -> T) -> T {
        let ours: Vec<_> = self.ports.addresses().collect();
        let peer = self.trunks.peer(peer);
        act(&Manner {
            learn: peer.map(|peer| peer.learn).unwrap_or_default(),
            dscp: peer.and_then(|peer| peer.dscp),
            ours: &ours,
        })
    }

    /// Tells what was agreed on, where it is not as it was `before`.
    pub(super) fn own_tell_media(&mut self, ua: &Ua, before: Option<MediaLeg>) {
        if let Some(leg) = ua.media().copied().filter(|leg| Some(*leg) != before) {
            self.own_tell(Event::Media(ua.id, Box::new(leg)));
        }
    }
}

/// Whether we have all that a request needs of us (RFC 3261 §8.2.2.3).
pub(super) fn acceptable(request: &Request) -> Result<(), Answer> {
    let values = request.header_values("Require");
    let tokens = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    let tokens = tokens.map(|token| String::from_utf8_lossy(token.trim_ascii()).into_owned());
    let is_unknown =
        |token: &String| !token.is_empty() && !EXTENSIONS.iter().any(|known| token.eq_ignore_ascii_case(known));
    let unknown: Vec<_> = tokens.filter(is_unknown).collect();
    if unknown.is_empty() { Ok(()) } else { Err(Answer::new(420).with("Unsupported", unknown.join(", "))) }
}

/// The description in a request; `None` without one.
pub(super) fn description(request: &Request) -> Result<Option<Vec<u8>>, Answer> {
    let body = body_of!(request);
    if body.bytes.is_empty() {
        return Ok(None);
    }
    if body.is_encoded {
        return Err(Answer::new(415).with("Accept-Encoding", "identity"));
    }
    let bodies = Bodies::find(&body.content_type, body.bytes).map_err(|error| match error {
        SdpError::Multipart => Answer::new(400).because("Bad Multipart Body"),
        error => answer_to(&error.into()),
    })?;
    match bodies.sdp().next() {
        Some(sdp) => Ok(Some(sdp.to_vec())),
        None if is_multipart(&body.content_type) => Ok(None),
        None => Err(Answer::new(415).with("Accept", "application/sdp")),
    }
}

fn is_multipart(content_type: &[u8]) -> bool {
    content_type.trim_ascii_start().get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"))
}

/// What the other end is told whose offer cannot be met.
pub(super) fn answer_to(why: &Unacceptable) -> Answer {
    match why {
        Unacceptable::NoPort => Answer::new(503).because("No Media Port").with("Retry-After", RETRY_AFTER_S),
        why => Answer::new(488).with("Warning", format!("{} undertone \"{why}\"", why.code())),
    }
}

/// Who a party is of whom nothing more is known.
pub(super) fn party_of(number: &str) -> PartyName {
    PartyName { number: identity::normalised(number), ..PartyName::default() }
}
