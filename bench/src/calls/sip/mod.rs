//! SIP as a user agent speaks it, over UDP: what it writes, repeats and remembers of a dialog.
//!
//! Nothing here reads a clock or owns a socket. An event comes with an [`Io`], which has the time and takes what is sent.

mod dialog;
mod names;
mod offer;
mod repeat;
mod write;

use std::{net::SocketAddr, time::Instant};

use bytes::Bytes;
use undertone_control_core::sip::message::{Method, Request};

pub(super) use self::{
    dialog::Dialog,
    names::Names,
    offer::{Description, describe},
    repeat::Repeat,
    write::{Head, request, response},
};
use super::media::Media;

/// What a message is sent as, and where to.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    /// Where it goes.
    pub(super) to: SocketAddr,
    /// The message.
    pub(super) bytes: Bytes,
}

/// What an event has to work with.
pub(super) struct Io<'a> {
    /// When the event happened.
    pub(super) now: Instant,
    /// What is sent because of it.
    pub(super) out: &'a mut Vec<Datagram>,
    /// Where sound comes from and goes to.
    pub(super) media: &'a mut dyn Media,
}

impl Io<'_> {
    /// Sends a message once.
    pub(super) fn send(&mut self, datagram: Datagram) {
        self.out.push(datagram);
    }
}

/// Where the response to a request that came from `source` goes (RFC 3261 §18.2.2, RFC 3581 §4).
pub(super) fn way_back(request: &Request, source: SocketAddr) -> SocketAddr {
    match (request.via.rport, request.via.port) {
        (true, _) => source,
        (false, port) => SocketAddr::new(source.ip(), port.unwrap_or(5060)),
    }
}

/// What either side answers to a request that is not about setting up or ending a call; `None` for what is not answered.
pub(super) fn status_aside(request: &Request) -> Option<u16> {
    match request.method() {
        Method::Ack => None,
        Method::Options | Method::Info => Some(200),
        // The session as it is may be refreshed, but not changed.
        Method::Update if request.body().is_empty() => Some(200),
        Method::Update | Method::Invite => Some(488),
        Method::Bye | Method::Cancel => Some(481),
        _ => Some(501),
    }
}
