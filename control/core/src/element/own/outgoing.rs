//! Calls that we place.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    super::{
        Asks, Element,
        failover::{fails_over, rank},
        uris::{escaped, uri_at},
    },
    ALLOW,
    incoming::party_of,
    refresh::sdp_of,
};
use crate::{
    call::{Media, Party, Phase, Role},
    identity::{self, Told},
    sip::{
        message::{Method, More, Response},
        transaction::ClientId,
    },
    time::Nanos,
    trunk::{Peer, PeerIndex},
    ua::{
        By, Cause, Destination, Dialog, Event, Extent, Placement, Placing, Session, Timer, Ua, UaError, UaId,
        Unacceptable,
    },
};

impl<M: Media> Element<M> {
    /// Places a call. What becomes of it is told: it rings, it is up, there is media, or it is over.
    pub fn place(&mut self, now: Nanos, placement: Placement) -> Result<UaId, UaError> {
        if self.draining {
            return Err(UaError::Draining);
        }
        if self.own_is_full() {
            return Err(UaError::TooMany(self.own.limits.calls_max));
        }
        let random = self.random();
        let (number, peers) = self.placement_route(&placement, random);
        let targets = |peer| self.targets_of(peer, random).into_iter().map(move |target| (peer, target));
        let left: std::collections::VecDeque<_> = peers.into_iter().flat_map(targets).collect();
        let first = left.front().map(|(peer, _)| *peer).ok_or_else(|| UaError::NoRoute(placement.number.clone()))?;
        let id = UaId(self.random());
        let call_id: Bytes = format!("{:016x}@undertone", self.random()).into();
        let flow = left.front().and_then(|(peer, target)| Some(self.trunks.peer(*peer)?.flow(*target)));
        let flow = flow.ok_or_else(|| UaError::NoRoute(number.clone()))?;
        let theirs = Party { flow, address: Bytes::new(), contact: None, routes: Vec::new(), cseq: 0 };
        let dialog = Dialog::of_ours(call_id, Bytes::new(), theirs);
        let placing = Placing {
            left,
            attempt: None,
            interval_s: self.own.limits.session_expires_s,
            failure: None,
            preview: None,
            until: now + Duration::from_secs(placement.ring_s.max(1).into()),
            placement,
        };
        self.counters.own += 1;
        let party = party_of(&number);
        let call = Ua::new(id, Role::Callee, first, number, now, dialog);
        self.count_call(first, 1);
        self.own_try_next(now, Ua { party, placing: Some(Box::new(placing)), ..call });
        self.flush();
        Ok(id)
    }

    /// The number that is called, and the peers to try.
    fn placement_route(&self, placement: &Placement, random: u64) -> (String, Vec<PeerIndex>) {
        let is_well = |peer| self.is_well(peer);
        let number = placement.number.clone();
        match &placement.to {
            Destination::Peers(peers) => (number, peers.clone()),
            Destination::Group(name) => {
                let group = self.trunks.group_named(name);
                (number, group.map(|group| group.in_order(random, is_well)).unwrap_or_default())
            }
            Destination::AsFrom(peer) => {
                let routed = self.trunks.route(*peer, &placement.number, random, is_well);
                routed.map_or_else(|| (number, Vec::new()), |routed| (routed.number, routed.peers))
            }
        }
    }

    /// Tries the next target; without one, the call is over for the best of the reasons that there were.
    fn own_try_next(&mut self, now: Nanos, mut ua: Ua) {
        loop {
            let Some(placing) = ua.placing.as_mut() else { return self.own.put(ua) };
            let Some((peer, target)) = placing.left.pop_front() else {
                let failure = placing.failure.take();
                let cause = failure.unwrap_or_else(|| Cause::by_us(503, "Too Many Calls of This Peer"));
                return self.own_over(ua, cause);
            };
            match self.own_try(now, &mut ua, peer, target) {
                Ok(true) => return self.own.put(ua),
                Ok(false) => {}
                Err(why) => return self.own_over(ua, Cause::by_us(503, &why.to_string())),
            }
        }
    }

    /// Sends the INVITE to a target. False when its peer has no room.
    fn own_try(&mut self, now: Nanos, ua: &mut Ua, index: PeerIndex, target: SocketAddr) -> Result<bool, Unacceptable> {
        let trunks = Arc::clone(&self.trunks);
        let Some(peer) = trunks.peer(index) else { return Ok(false) };
        if index != ua.peer {
            self.count_call(ua.peer, -1);
            self.count_call(index, 1);
            ua.peer = index;
        }
        // This call is among them.
        if peer.calls_max.is_some_and(|max| self.calls_of(index) > max) {
            return Ok(false);
        }
        self.own_prepare(ua, peer, target)?;
        let Some(placing) = ua.placing.as_ref() else { return Ok(false) };
        let flow = peer.flow(target);
        let mut headers = vec![
            ("Contact", self.contact(flow.listener)),
            ("Allow", ALLOW.into()),
            ("Accept", "application/sdp".into()),
            ("Supported", "timer".into()),
        ];
        headers.extend(placing.interval_s.into_iter().flat_map(Timer::wish));
        if placing.placement.auto_answer {
            // What phones of different makers take for it.
            let ours = self.contact(flow.listener);
            headers.push(("Call-Info", format!("{ours};answer-after=0")));
            headers.push(("Alert-Info", "<http://undertone.invalid>;info=alert-autoanswer;delay=0".into()));
        }
        let sdp = ua.session.as_mut().map(|session| session.offer(Extent::All)).unwrap_or_default();
        let client = self.own_ask(now, ua, &Method::Invite, &More { headers, sdp }, Asks::Place(ua.id));
        if let Some(placing) = ua.placing.as_mut() {
            placing.attempt = Some((client, target));
            placing.preview = None;
        }
        Ok(true)
    }

    /// Makes a call what it is towards a target: whom it is for, who we are there, and where media comes to.
    fn own_prepare(&mut self, ua: &mut Ua, peer: &Peer, target: SocketAddr) -> Result<(), Unacceptable> {
        let Some(placing) = ua.placing.as_ref() else { return Ok(()) };
        let Placement { from_number, from_name, terms, .. } = &placing.placement;
        let flow = peer.flow(target);
        let uri = uri_at(&ua.number, peer, target).map(|uri| uri.to_bytes()).unwrap_or_default();
        let ours = self.trunks.listener(flow.listener).map(|it| it.address.to_string()).unwrap_or_default();
        let name: String = from_name.chars().filter(|letter| !letter.is_control()).collect();
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        let user = if from_number.is_empty() { "undertone".into() } else { escaped(from_number) };
        let display = if name.is_empty() { String::new() } else { format!("\"{name}\" ") };
        ua.dialog.ours = format!("{display}<sip:{user}@{ours}>;tag={}", ua.id).into();
        let address: Bytes = [b"<", uri.as_ref(), b">"].concat().into();
        ua.dialog.user = identity::user_of(&address);
        ua.dialog.theirs = Party { flow, address, contact: Some(uri), routes: Vec::new(), cseq: 0 };
        let (codecs, order) = (terms.codecs.clone(), terms.order);
        let local = match terms.local {
            Some(local) => local,
            None => self.own_port_again(ua, target).ok_or(Unacceptable::NoPort)?,
        };
        match &mut ua.session {
            Some(session) => session.move_to(local),
            None => ua.session = Some(Session::new(self.random(), local, codecs, order)),
        }
        Ok(())
    }

    /// The pair of ports that a call has, or another one where its peer is spoken with from another address.
    fn own_port_again(&mut self, ua: &mut Ua, target: SocketAddr) -> Option<SocketAddr> {
        let wanted = self.trunks.peer(ua.peer).and_then(|it| self.ports.address(it.ways.way(target.ip()).media));
        if let Some(port) = ua.port.filter(|port| Some(port.ip()) == wanted) {
            return Some(port);
        }
        if let Some(port) = ua.port.take() {
            self.ports.give(port.ip(), port.port());
        }
        ua.port = self.own_port(ua.peer, target);
        ua.port
    }

    /// What comes back for an INVITE that we placed.
    pub(in super::super) fn own_answered(&mut self, now: Nanos, id: UaId, client: ClientId, response: &Response) {
        let status = response.status();
        let is_success = (200..300).contains(&status);
        let Some(mut ua) = self.own.take(id) else {
            if is_success {
                self.second_answer(now, client, response);
            }
            return;
        };
        let attempt = ua.placing.as_ref().and_then(|placing| placing.attempt);
        if attempt.is_none_or(|(asked, _)| asked != client) {
            // It was answered before: by this one, whose ACK was lost, or by another one.
            let is_known = is_success && self.own_acknowledge_again(&ua, response.cseq, response.to_tag.as_ref());
            self.own.put(ua);
            if is_success && !is_known {
                self.second_answer(now, client, response);
            }
            return;
        }
        match status {
            100 => self.own.put(ua),
            ..200 => {
                if let (Some(placing), Some(tag), Some(sdp)) =
                    (ua.placing.as_mut(), response.to_tag.clone(), sdp_of(response))
                {
                    placing.preview = Some((tag, sdp));
                }
                if ua.phase == Phase::Trying {
                    ua.phase = Phase::Ringing;
                    self.own_tell(Event::Ringing(id));
                }
                self.own_identify(&mut ua, Told::Response(response));
                self.own.put(ua);
            }
            200..300 => self.own_picked_up(now, ua, client, response),
            _ => {
                let interval_s = Timer::at_least(response);
                let text = response.reason().into_owned();
                self.own_failed(now, ua, Cause::new(status, &text, By::Party), interval_s);
            }
        }
    }

    /// Nothing came back for an INVITE that we placed.
    pub(in super::super) fn own_unanswered(&mut self, now: Nanos, id: UaId, status: u16) {
        let Some(ua) = self.own.take(id) else { return };
        let target = ua.placing.as_ref().and_then(|placing| placing.attempt).map(|(_, target)| target);
        if let Some(target) = target {
            self.failed_at(now, ua.peer, target);
        }
        self.own_failed(now, ua, Cause::by_us(status, ""), None);
    }

    /// 2xx: who we call has answered.
    fn own_picked_up(&mut self, now: Nanos, mut ua: Ua, client: ClientId, response: &Response) {
        let Some(flow) = self.clients.flow(client) else { return self.own.put(ua) };
        let Some(placing) = ua.placing.take() else { return self.own.put(ua) };
        ua.dialog.theirs = self.callee(response, flow);
        ua.dialog.tag.clone_from(&response.to_tag);
        ua.dialog.hear_response(response);
        ua.phase = Phase::Up;
        ua.is_confirmed = true;
        ua.timer = Timer::of_response(now, response);
        self.own_acknowledge(&mut ua, response.cseq);
        // Some say what they take before they answer, and not again.
        let preview = placing.preview.filter(|(tag, _)| Some(tag) == response.to_tag.as_ref()).map(|(_, sdp)| sdp);
        let peer = ua.peer;
        let taken = match (&mut ua.session, sdp_of(response).or(preview)) {
            (Some(session), Some(answer)) => self.with_manner(peer, |manner| session.take_answer(&answer, manner)),
            _ => Err(Unacceptable::Missing),
        };
        if let Err(why) = taken {
            return self.own_leave(now, ua, Cause::by_us(488, &why.to_string()));
        }
        self.own_identify(&mut ua, Told::Response(response));
        self.own_tell(Event::Up(ua.id));
        self.own_tell_media(&ua, None);
        self.own_changed(&ua);
        self.own.put(ua);
    }

    /// A try has failed, by a response or by none. Another target is tried where that may help.
    fn own_failed(&mut self, now: Nanos, mut ua: Ua, cause: Cause, interval_s: Option<u32>) {
        let (peer, status) = (ua.peer, cause.status);
        let Some(placing) = ua.placing.as_mut() else { return self.own.put(ua) };
        let attempt = placing.attempt.take();
        if let (Some(wanted), Some((_, target))) = (interval_s, attempt)
            && placing.interval_s.is_some_and(|asked| asked < wanted)
        {
            placing.interval_s = interval_s;
            placing.left.push_front((peer, target));
            return self.own_try_next(now, ua);
        }
        if cause.by == By::Party && status != 503 {
            // The peer itself has spoken: its other targets would say the same (RFC 3263 §4.3).
            placing.left.retain(|(other, _)| *other != peer);
        }
        if placing.failure.as_ref().is_none_or(|best| rank(status) <= rank(best.status)) {
            placing.failure = Some(cause);
        }
        if !fails_over(status) {
            placing.left.clear();
        }
        self.own_try_next(now, ua);
    }

    /// Gives up a call that was not answered, where it is one that we place.
    pub(super) fn own_abandon(&mut self, now: Nanos, ua: &mut Ua) {
        if let Some((client, _)) = ua.placing.take().and_then(|placing| placing.attempt) {
            self.abandon(now, client);
        }
    }
}
