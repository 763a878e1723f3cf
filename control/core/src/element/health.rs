//! Whether peers are well: they are asked by OPTIONS (RFC 3261 §11).

use std::time::Duration;

use super::{Asks, Element, Event, uris};
use crate::{
    call::{Media, Party},
    sip::{
        Flow,
        message::{Method, Request},
    },
    time::Nanos,
    trunk::PeerIndex,
};

/// Requests without an answer after which a peer counts as down.
const MISSES_MAX: u8 = 2;

/// What is known of a peer's health.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// When it is asked next; `None` for never.
    next: Option<Nanos>,
    misses: u8,
    is_down: bool,
}

impl Health {
    pub(crate) const fn is_well(&self) -> bool {
        !self.is_down
    }
}

impl<M: Media> Element<M> {
    /// Has every peer asked that is to be, a little one after another.
    pub(super) fn start_health(&mut self, now: Nanos) {
        for (index, (state, peer)) in self.peers.iter_mut().zip(&self.trunks.peers).enumerate() {
            let later = Duration::from_millis(10 * index as u64);
            state.health.next = peer.options_interval_s.map(|_| now + later);
        }
        self.plan_health();
    }

    fn plan_health(&mut self) {
        self.next_health = self.peers.iter().filter_map(|state| state.health.next).min();
    }

    pub(super) fn ask_health(&mut self, now: Nanos) {
        if self.next_health.is_none_or(|next| next > now) {
            return;
        }
        let due = |state: &super::PeerState| state.health.next.is_some_and(|next| next <= now);
        let due: Vec<_> = (0_u16..).zip(&self.peers).filter(|(_, state)| due(state)).map(|(index, _)| index).collect();
        for index in due {
            self.ask(now, PeerIndex(index));
        }
        self.plan_health();
    }

    /// It has answered: with whatever, it is there. 503 says that it wants no calls.
    pub(super) fn heard_from(&mut self, peer: PeerIndex, status: u16) {
        self.judge(peer, status != 503);
    }

    pub(super) fn not_heard_from(&mut self, peer: PeerIndex) {
        self.judge(peer, false);
    }

    fn judge(&mut self, peer: PeerIndex, answers: bool) {
        let Some(state) = self.peers.get_mut(peer.0 as usize) else { return };
        let health = &mut state.health;
        health.misses = if answers { 0 } else { health.misses.saturating_add(1) };
        let was_down = health.is_down;
        health.is_down = !answers && (was_down || health.misses >= MISSES_MAX);
        if was_down != health.is_down {
            self.tell(Event::Peer(peer, was_down));
        }
    }

    fn ask(&mut self, now: Nanos, index: PeerIndex) {
        let Some(peer) = self.trunks.peer(index).cloned() else { return };
        let interval = Duration::from_secs(peer.options_interval_s.unwrap_or(30).max(1).into());
        if let Some(state) = self.peers.get_mut(index.0 as usize) {
            state.health.next = Some(now + interval);
        }
        let Some(uri) = uris::uri_at("", &peer).map(|uri| uri.to_bytes()) else { return };
        let Some(ours) = self.trunks.listener(peer.listener).map(|listener| listener.address) else { return };
        let flow = Flow { listener: peer.listener, transport: peer.transport, remote: peer.target, connection: 0 };
        let from = format!("<sip:undertone@{ours}>;tag={:016x}", self.random());
        let call_id = format!("{:016x}@undertone", self.random());
        let address = [b"<", uri.as_ref(), b">"].concat().into();
        let party = Party { flow, address, contact: Some(uri), routes: Vec::new(), cseq: 1 };
        let nonce = self.random();
        let client = self.clients.reserve(now, nonce, flow, &Method::Options, Asks::Health(index));
        let via = self.via(flow.listener, &self.clients.branch(client));
        let request = Request::write(&Method::Options, &party, from.as_bytes(), call_id.as_bytes(), 1, &via);
        self.clients.begin(now, client, request, &mut self.sendings);
    }
}
