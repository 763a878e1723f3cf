//! What comes in calls of ours.

use super::{
    super::{Element, Serves},
    ALLOW,
    incoming::{acceptable, answer_to, description},
};
use crate::{
    call::{Media, Phase},
    identity::Told,
    sip::{
        Flow,
        message::{Answer, Method, Request},
    },
    time::Nanos,
    ua::{By, Cause, DIGITS, Digits, Event, Extent, Refresh, Session, Timer, Ua, UaId, digits},
};

impl<M: Media> Element<M> {
    /// A request in a call of ours.
    pub(in super::super) fn own_within(&mut self, now: Nanos, flow: Flow, id: UaId, request: &Request) {
        let Some(mut ua) = self.own.take(id) else { return };
        if ua.leaving.is_some() {
            return self.own_within_left(now, flow, ua, request);
        }
        if !ua.dialog.hear(request, flow) {
            self.own.put(ua);
            return self.refuse(now, flow, request, &Answer::new(500).because("Out of Order"));
        }
        if *request.method() == Method::Bye {
            self.refuse(now, flow, request, &Answer::new(200));
            return self.own_hung_up(now, ua);
        }
        let answer = match acceptable(request) {
            Err(answer) => answer,
            Ok(()) => match request.method() {
                Method::Invite | Method::Update => match self.own_renegotiate(now, flow, &mut ua, request) {
                    Ok(()) => return self.own.put(ua),
                    Err(answer) => answer,
                },
                Method::Info => self.own_info(&ua, request),
                Method::Options => Answer::new(200).with("Allow", ALLOW).with("Accept", "application/sdp"),
                Method::Refer => Answer::new(603).because("Calls of This Element Cannot Be Transferred"),
                Method::Prack => Answer::new(481).because("Nothing to Acknowledge"),
                _ => Answer::new(405).with("Allow", ALLOW),
            },
        };
        self.own.put(ua);
        self.refuse(now, flow, request, &answer);
    }

    /// A request of a party that will be told that the call is over.
    fn own_within_left(&mut self, now: Nanos, flow: Flow, ua: Ua, request: &Request) {
        if *request.method() == Method::Bye {
            self.refuse(now, flow, request, &Answer::new(200));
            return self.own_left(ua);
        }
        self.own.put(ua);
        self.refuse(now, flow, request, &Answer::new(481));
    }

    /// BYE: also of a caller that does not wait for an answer, and of who we call, whose answer it has overtaken.
    fn own_hung_up(&mut self, now: Nanos, mut ua: Ua) {
        if ua.incoming.is_some() {
            return self.own_refuse(now, ua, &Answer::new(487), Cause::new(487, "", By::Party));
        }
        self.own_abandon(now, &mut ua);
        self.own_left(ua);
    }

    /// INVITE or UPDATE: where the other end is, what it wants of media, and that it is still there.
    fn own_renegotiate(&mut self, now: Nanos, flow: Flow, ua: &mut Ua, request: &Request) -> Result<(), Answer> {
        let is_invite = *request.method() == Method::Invite;
        let offer = description(request)?;
        let is_offer = offer.is_some() || is_invite;
        in_turn(ua, is_offer, is_invite)?;
        Timer::of_request(now, request, None, Answer::new(200))?;
        let before = ua.media().copied();
        let peer = ua.peer;
        let sdp = match (&mut ua.session, offer) {
            (Some(session), Some(offer)) => {
                self.with_manner(peer, |manner| session.answer(&offer, manner)).map_err(|why| answer_to(&why))?
            }
            (Some(session), None) if is_invite => session.offer(Extent::All),
            _ => Vec::new(),
        };
        self.own_identify(ua, Told::Request(request));
        let server = self.servers.begin(request, flow, Serves::Request(None));
        if ua.phase == Phase::Up {
            if ua.session.as_ref().is_none_or(|session| !session.is_offered()) || is_invite {
                // Who asks for more has had our answer, whatever became of its ACK.
                ua.unacknowledged = None;
                self.own_confirm(ua);
            }
            self.own_succeed(now, ua, request, flow, server, sdp);
        } else {
            let answer = Answer::new(200).with("Contact", self.contact(flow.listener)).with("Allow", ALLOW);
            self.respond(now, server, request.method(), 200, request.answer(&answer, &ua.id.to_string()));
        }
        self.own_tell_media(ua, before);
        self.own_changed(ua);
        Ok(())
    }

    /// INFO: keys that are pressed (RFC 6086 §2; the bodies are older than that).
    fn own_info(&mut self, ua: &Ua, request: &Request) -> Answer {
        if request.header("Info-Package").is_some() {
            return Answer::new(469).with("Recv-Info", "");
        }
        match digits(request) {
            Digits::Pressed(digit, duration_ms) => {
                if ua.phase == Phase::Up {
                    self.own_tell(Event::Digit { id: ua.id, digit, duration_ms });
                }
                Answer::new(200)
            }
            Digits::Nothing => Answer::new(200),
            Digits::Unreadable => Answer::new(400).because("No Key in the Body"),
            Digits::Other => Answer::new(415).with("Accept", DIGITS),
        }
    }

    /// ACK of a 2xx of ours: it may have the answer to an offer.
    pub(in super::super) fn own_acknowledged(&mut self, now: Nanos, id: UaId, request: &Request) {
        let Some(mut ua) = self.own.take(id) else { return };
        if ua.unacknowledged.take_if(|it| it.cseq == request.cseq).is_none() {
            return self.own.put(ua);
        }
        let before = ua.media().copied();
        let peer = ua.peer;
        if let Some(session) = ua.session.as_mut().filter(|session| session.is_offered()) {
            let answer = description(request).ok().flatten();
            let taken = answer.map(|answer| self.with_manner(peer, |manner| session.take_answer(&answer, manner)));
            session.withdraw();
            // What was agreed on before goes on; without anything, there is no call.
            let why = match taken {
                Some(Ok(())) => None,
                Some(Err(why)) => Some(why.to_string()),
                None => Some("No Answer to the Offer".into()),
            };
            if let Some(why) = why.filter(|_| before.is_none()) {
                ua.is_confirmed = true;
                return self.own_leave(now, ua, Cause::by_us(488, &why));
            }
        }
        if ua.leaving.is_some() {
            return self.own_leave(now, ua, Cause::by_us(200, ""));
        }
        self.own_confirm(&mut ua);
        self.own_tell_media(&ua, before);
        self.own_changed(&ua);
        self.own.put(ua);
    }

    /// Both ends know that a call is up.
    fn own_confirm(&mut self, ua: &mut Ua) {
        if !std::mem::replace(&mut ua.is_confirmed, true) {
            self.own_tell(Event::Up(ua.id));
        }
    }
}

/// Whether an offer may come now, or is crossed by one of ours (RFC 3261 §14.2, RFC 3311 §5.2).
fn in_turn(ua: &Ua, is_offer: bool, is_invite: bool) -> Result<(), Answer> {
    let asks_invite = matches!(ua.refresh, Refresh::Asked { is_invite: true, .. });
    let is_offered = ua.session.as_ref().is_some_and(Session::is_offered);
    if is_offer && is_offered || is_invite && asks_invite || is_invite && ua.placing.is_some() {
        return Err(Answer::new(491));
    }
    if is_offer && ua.incoming.is_some() {
        return Err(Answer::new(500).because("Offer Pending").with("Retry-After", "5"));
    }
    Ok(())
}
