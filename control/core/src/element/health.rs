//! Whether peers are well: each of their targets is asked by OPTIONS (RFC 3261 §11).
//!
//! A peer is well when one of its targets is. A target that a request could not be brought to is left out of the next ones
//! at once where the peer has others (RFC 3263 §4.3), until it answers, or for a while where nobody asks.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::{Asks, Element, Event, uris};
use crate::{
    call::{Media, Party},
    sip::message::{Method, Request},
    time::Nanos,
    trunk::{Peer, PeerIndex},
};

/// Requests without an answer after which a target counts as down.
const MISSES_MAX: u8 = 2;
/// How long a target is left out that could not be reached, where it is never asked.
const REST: Duration = Duration::from_secs(60);

/// What is known of a peer's health: that of each target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(BTreeMap<SocketAddr, TargetHealth>);

/// What is known of a target's health.
#[derive(Clone, Debug, Default)]
struct TargetHealth {
    /// When it is asked next, or is given another try; `None` for never.
    next: Option<Nanos>,
    misses: u8,
    is_down: bool,
}

impl Health {
    pub(crate) fn is_well(&self) -> bool {
        self.0.values().any(|target| !target.is_down)
    }

    pub(crate) fn is_target_well(&self, target: SocketAddr) -> bool {
        self.0.get(&target).is_none_or(|target| !target.is_down)
    }

    fn next(&self) -> Option<Nanos> {
        self.0.values().filter_map(|target| target.next).min()
    }

    fn due(&self, now: Nanos) -> impl Iterator<Item = SocketAddr> + '_ {
        let is_due = move |health: &TargetHealth| health.next.is_some_and(|next| next <= now);
        self.0.iter().filter(move |(_, health)| is_due(health)).map(|(target, _)| *target)
    }

    /// Follows what a peer has become. Targets that it had already keep what is known of them, and their turn.
    fn follow(&mut self, peer: &Peer, now: Nanos, first: Nanos) {
        let interval = peer.options_interval_s.map(|interval| Duration::from_secs(interval.into()));
        let mut before = std::mem::take(&mut self.0);
        for target in &peer.targets {
            let mut health = before.remove(&target.address).unwrap_or_default();
            match interval {
                Some(interval) => health.next = Some(health.next.map_or(first, |next| next.min(now + interval))),
                // What it was when it was last asked may be long ago.
                None if health.next.is_none_or(|next| next > now + REST) => health = TargetHealth::default(),
                None => {}
            }
            self.0.insert(target.address, health);
        }
    }
}

impl<M: Media> Element<M> {
    /// Follows the peers that there are now: targets that are new are asked soon, a little one after another.
    pub(super) fn follow_health(&mut self, now: Nanos) {
        let mut changed = Vec::new();
        for ((index, state), peer) in (0_u16..).zip(&mut self.peers).zip(&self.trunks.peers) {
            let was_well = state.health.is_well();
            let later = Duration::from_millis(10 * u64::from(index));
            state.health.follow(peer, now, now + later);
            if state.health.is_well() != was_well && !peer.is_former() {
                changed.push(Event::Peer(PeerIndex(index), !was_well));
            }
        }
        for event in changed {
            self.tell(event);
        }
        self.plan_health();
    }

    fn plan_health(&mut self) {
        self.next_health = self.peers.iter().filter_map(|state| state.health.next()).min();
    }

    pub(super) fn ask_health(&mut self, now: Nanos) {
        if self.next_health.is_none_or(|next| next > now) {
            return;
        }
        let due = |(index, state): (u16, &super::PeerState)| {
            state.health.due(now).map(|target| (PeerIndex(index), target)).collect::<Vec<_>>()
        };
        let due: Vec<_> = (0_u16..).zip(&self.peers).flat_map(due).collect();
        for (index, target) in due {
            self.ask(now, index, target);
        }
        self.plan_health();
    }

    /// It has answered: with whatever, it is there. 503 says that it wants no calls.
    pub(super) fn heard_from(&mut self, peer: PeerIndex, target: SocketAddr, status: u16) {
        self.judge(peer, target, |misses| if status == 503 { misses.saturating_add(1) } else { 0 });
    }

    pub(super) fn not_heard_from(&mut self, peer: PeerIndex, target: SocketAddr) {
        self.judge(peer, target, |misses| misses.saturating_add(1));
    }

    /// A request could not be brought to a target. Where there are others, they are taken until it is known to be well.
    pub(super) fn failed_at(&mut self, now: Nanos, index: PeerIndex, target: SocketAddr) {
        let Some(peer) = self.trunks.peer(index).filter(|peer| peer.targets.len() > 1) else { return };
        let look = if peer.options_interval_s.is_some() { now } else { now + REST };
        if let Some(health) = self.health_of(index, target) {
            health.next = Some(look);
        }
        self.judge(index, target, |misses| misses.max(MISSES_MAX));
        self.plan_health();
    }

    fn health_of(&mut self, peer: PeerIndex, target: SocketAddr) -> Option<&mut TargetHealth> {
        self.peers.get_mut(peer.0 as usize)?.health.0.get_mut(&target)
    }

    /// Counts answers that a target owes, and says what follows.
    fn judge(&mut self, peer: PeerIndex, target: SocketAddr, count: impl FnOnce(u8) -> u8) {
        let Some(state) = self.peers.get_mut(peer.0 as usize) else { return };
        let was_well = state.health.is_well();
        let Some(health) = state.health.0.get_mut(&target) else { return };
        health.misses = count(health.misses);
        let was_down = health.is_down;
        health.is_down = health.misses > 0 && (was_down || health.misses >= MISSES_MAX);
        let is_down = health.is_down;
        let (is_well, is_one_of_several) = (state.health.is_well(), state.health.0.len() > 1);
        if was_down != is_down && is_one_of_several {
            self.tell(Event::Target(peer, target, was_down));
        }
        if is_well != was_well {
            self.tell(Event::Peer(peer, is_well));
        }
    }

    fn ask(&mut self, now: Nanos, index: PeerIndex, target: SocketAddr) {
        let Some(peer) = self.trunks.peer(index).cloned() else { return };
        let interval = peer.options_interval_s.map(|interval| Duration::from_secs(interval.max(1).into()));
        if let Some(health) = self.health_of(index, target) {
            health.next = interval.map(|interval| now + interval);
        }
        if interval.is_none() {
            // It has rested.
            return self.judge(index, target, |_| 0);
        }
        let Some(uri) = uris::uri_at("", &peer, target).map(|uri| uri.to_bytes()) else { return };
        let flow = peer.flow(target);
        let Some(ours) = self.trunks.listener(flow.listener).map(|listener| listener.address) else { return };
        let from = format!("<sip:undertone@{ours}>;tag={:016x}", self.random());
        let call_id = format!("{:016x}@undertone", self.random());
        let address = [b"<", uri.as_ref(), b">"].concat().into();
        let party = Party { flow, address, contact: Some(uri), routes: Vec::new(), cseq: 1 };
        let nonce = self.random();
        let client = self.clients.reserve(now, nonce, flow, &Method::Options, Asks::Health(index, target));
        let via = self.via(flow.listener, &self.clients.branch(client));
        let request = Request::write(&Method::Options, &party, from.as_bytes(), call_id.as_bytes(), 1, &via);
        self.clients.begin(now, client, request, &mut self.sendings);
    }
}
