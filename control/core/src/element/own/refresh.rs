//! Keeping calls of ours, where that is ours to do (RFC 4028 §10).

use std::time::Duration;

use super::super::{Asks, Element, bodies::body_of};
use crate::{
    call::{Media, Phase},
    identity::Told,
    sdp::Bodies,
    sip::{
        message::{Method, More, Response},
        transaction::ClientId,
    },
    time::Nanos,
    ua::{By, Cause, Event, Extent, Refresh, Timer, Ua, UaId},
};

/// How long to wait after something that may be otherwise by then.
const LATER: Duration = Duration::from_secs(10);

impl<M: Media> Element<M> {
    /// Asks the other end whether it is there: by UPDATE where it takes that, else by INVITE with what is agreed on.
    pub(super) fn own_refresh(&mut self, now: Nanos, mut ua: Ua) {
        let Some(timer) = ua.timer else { return self.own.put(ua) };
        if ua.unacknowledged.is_some() {
            ua.refresh = Refresh::Later(now + LATER);
            return self.own.put(ua);
        }
        let contact = ("Contact", self.contact(ua.dialog.theirs.flow.listener));
        let mut headers = vec![contact, ("Allow", super::ALLOW.into()), ("Supported", "timer".into())];
        headers.extend(timer.headers());
        let is_invite = !ua.dialog.takes_update;
        let sdp = match ua.session.as_mut().filter(|_| is_invite) {
            Some(session) => session.offer(Extent::Agreed),
            None => Vec::new(),
        };
        let method = if is_invite { Method::Invite } else { Method::Update };
        let asks = Asks::Refresh(ua.id);
        let client = self.own_ask(now, &mut ua, &method, &More { headers, sdp }, asks);
        ua.refresh = Refresh::Asked { client, is_invite };
        self.own_changed(&ua);
        self.own.put(ua);
    }

    /// Asks the other end of a call that is up whether it is there, by OPTIONS (RFC 3261 §11): that it answers is told. One that
    /// knows of no such call has ended it. False when no call is up.
    pub fn probe(&mut self, now: Nanos, id: UaId) -> bool {
        let Some(mut ua) = self.own.take(id) else { return false };
        let is_up = ua.phase == Phase::Up && ua.is_confirmed && ua.leaving.is_none();
        if is_up {
            let more = More { headers: vec![("Accept", "application/sdp".into())], sdp: Vec::new() };
            self.own_ask(now, &mut ua, &Method::Options, &more, Asks::Probe(id));
            self.own_changed(&ua);
        }
        self.own.put(ua);
        self.flush();
        is_up
    }

    /// What comes back. Whatever it is, it is from somebody who is there, unless it says that there is nobody (RFC 3261
    /// §12.2.1.2); what others could not do with it on the way says nothing.
    pub(in super::super) fn own_probed(&mut self, now: Nanos, id: UaId, status: u16) {
        match status {
            ..200 | 502..=504 => {}
            408 | 481 => {
                if let Some(ua) = self.own.take(id) {
                    self.own_leave(now, ua, Cause::new(status, "", By::Party));
                }
            }
            _ if self.own.calls.contains_key(&id) => self.own_tell(Event::Present(id)),
            _ => {}
        }
    }

    /// What comes back.
    pub(in super::super) fn own_refreshed(&mut self, now: Nanos, id: UaId, client: ClientId, response: &Response) {
        let Some(mut ua) = self.own.take(id) else { return };
        let is_success = (200..300).contains(&response.status());
        if !matches!(ua.refresh, Refresh::Asked { client: asked, .. } if asked == client) {
            if is_success && response.method == Method::Invite {
                self.own_acknowledge_again(&ua, response.cseq, ua.dialog.tag.as_ref());
            }
            return self.own.put(ua);
        }
        match response.status() {
            ..200 => self.own.put(ua),
            200..300 => self.own_kept(now, ua, response),
            _ => {
                if let (Some(at_least), Some(timer)) = (Timer::at_least(response), ua.timer.as_mut()) {
                    timer.interval_s = timer.interval_s.max(at_least);
                }
                self.own_not_kept(now, ua, response.status(), By::Party);
            }
        }
    }

    /// Nothing came back.
    pub(in super::super) fn own_not_refreshed(&mut self, now: Nanos, id: UaId, status: u16) {
        if let Some(ua) = self.own.take(id) {
            self.own_not_kept(now, ua, status, By::Us);
        }
    }

    fn own_kept(&mut self, now: Nanos, mut ua: Ua, response: &Response) {
        ua.refresh = Refresh::Idle;
        ua.dialog.hear_response(response);
        ua.timer = Timer::of_response(now, response);
        self.own_identify(&mut ua, Told::Response(response));
        if response.method == Method::Invite {
            self.own_acknowledge(&mut ua, response.cseq);
            let before = ua.media().copied();
            let (answer, peer) = (sdp_of(response), ua.peer);
            if let (Some(session), Some(answer)) = (&mut ua.session, answer) {
                // One that makes no sense leaves media as it is.
                let _ = self.with_manner(peer, |manner| session.take_answer(&answer, manner));
                session.withdraw();
            }
            self.own_tell_media(&ua, before);
        }
        self.own_changed(&ua);
        self.own.put(ua);
    }

    /// The other end would not, or is not there.
    fn own_not_kept(&mut self, now: Nanos, mut ua: Ua, status: u16, by: By) {
        if let Some(session) = &mut ua.session {
            session.withdraw();
        }
        let was_invite = matches!(ua.refresh, Refresh::Asked { is_invite: true, .. });
        let later = match status {
            // It knows of no such call (RFC 3261 §12.2.1.2).
            481 => return self.own_over(ua, Cause::new(481, "", by)),
            408 | 503 if by == By::Us => return self.own_leave(now, ua, Cause::by_us(408, "Session Expired")),
            // It was at it as well: who has named the call waits longer (RFC 3261 §14.1).
            491 => Duration::from_millis(self.random() % 2000),
            // Another way, or another interval, may do.
            405 | 501 if !was_invite => {
                ua.dialog.takes_update = false;
                Duration::ZERO
            }
            422 => Duration::from_secs(1),
            _ => LATER,
        };
        ua.refresh = Refresh::Later(now + later);
        self.own.put(ua);
    }
}

/// The description in a response; `None` without one that can be read.
pub(super) fn sdp_of(response: &Response) -> Option<Vec<u8>> {
    let body = body_of!(response);
    if body.bytes.is_empty() || body.is_encoded {
        return None;
    }
    Bodies::find(&body.content_type, body.bytes).ok()?.sdp().next().map(<[u8]>::to_vec)
}
