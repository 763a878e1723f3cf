//! Requests outside of calls, like MESSAGE: they go where a call would.

use std::{collections::VecDeque, net::SocketAddr};

use super::{Asks, Element, Serves, uris};
use crate::{
    call::Media,
    sip::{
        Flow,
        message::{Answer, Request, Response},
        transaction::ServerId,
    },
    time::Nanos,
    trunk::{PeerIndex, Routed},
};

/// Where a request can still go that is not answered yet.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    /// The number it is for, as the route has made it.
    number: String,
    left: VecDeque<(PeerIndex, SocketAddr)>,
}

impl<M: Media> Element<M> {
    pub(super) fn outside(&mut self, now: Nanos, flow: Flow, from: PeerIndex, request: &Request) {
        let number = uris::dialled(request.uri());
        let random = self.random();
        let route = self.trunks.route(from, &number, random, |peer| self.is_well(peer));
        let Some(Routed { number, peers, .. }) = route else {
            return self.refuse(now, flow, request, &Answer::new(404));
        };
        let targets = |peer| self.targets_of(peer, random).into_iter().map(move |target| (peer, target));
        let left: VecDeque<_> = peers.into_iter().flat_map(targets).collect();
        if left.is_empty() {
            return self.refuse(now, flow, request, &Answer::new(503));
        }
        let server = self.servers.begin(request, flow, Serves::Request(None));
        self.outside.insert(server, Outside { number, left });
        self.try_outside(now, server, request.clone());
    }

    /// What comes back. Where a target cannot take it, the next one is asked (RFC 3263 §4.3).
    pub(super) fn outside_response(&mut self, now: Nanos, server: ServerId, response: Response) {
        match response.status() {
            100 => return,
            503 => return self.outside_failed(now, server, 503),
            200.. => drop(self.outside.remove(&server)),
            _ => {}
        }
        self.respond_through(now, server, response);
    }

    /// A target could not be reached, did not answer, or wants nothing now. Without another one, who asked is told as a
    /// caller would be.
    pub(super) fn outside_failed(&mut self, now: Nanos, server: ServerId, status: u16) {
        let Some(request) = self.servers.request(server) else {
            self.outside.remove(&server);
            return;
        };
        if self.outside.get(&server).is_some_and(|outside| !outside.left.is_empty()) {
            return self.try_outside(now, server, request);
        }
        self.outside.remove(&server);
        self.answer(now, server, &request, &Answer::new(if status == 503 { 500 } else { status }));
    }

    /// Sends a request on to the next target that it can go to.
    fn try_outside(&mut self, now: Nanos, server: ServerId, mut request: Request) {
        let Some(outside) = self.outside.get_mut(&server) else { return };
        let mut left = std::iter::from_fn(|| outside.left.pop_front());
        let is_known = |(index, target)| Some((index, target, self.trunks.peer(index)?));
        let found = left.find_map(is_known);
        let Some((index, target, peer)) = found else { return self.outside_failed(now, server, 503) };
        if let Some(uri) = uris::uri_at(&outside.number, peer, target) {
            request.set_uri(uri);
        }
        let onward = peer.flow(target);
        self.pass_on(now, onward, request, &[], Asks::Outside { server, to: (index, target) }, server);
    }
}
