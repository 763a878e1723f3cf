//! Our own URIs, and where those of others lead.

use std::{borrow::Cow, net::SocketAddr};

use bytes::Bytes;

use super::Element;
use crate::{
    call::{CallId, Media, Party},
    sip::{
        Flow, Transport,
        message::{Answer, Host, Request, Response, Uri},
    },
    trunk::{Listener, Peer},
};

/// The parameter of our Record-Route that names the call.
const CALL: &str = "ut";

/// Why a request has no next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unroutable {
    /// Its Routes make no sense: the reason phrase.
    Bad(&'static str),
    /// It would come back to us.
    Loop,
}

impl Unroutable {
    /// What its sender is told.
    pub(super) const fn answer(self) -> Answer {
        match self {
            Self::Bad(reason) => Answer::new(400).because(reason),
            Self::Loop => Answer::new(482),
        }
    }
}

/// A Route that leads to us, and the call that it names.
struct OwnRoute {
    call: Option<CallId>,
}

impl<M: Media> Element<M> {
    /// The Via of a request that leaves by a listener.
    pub(super) fn via(&self, listener: u8, branch: &str) -> String {
        match self.trunks.listener(listener) {
            Some(Listener { transport, address }) => {
                format!("SIP/2.0/{} {address};rport;branch={branch}", transport.in_via())
            }
            None => format!("SIP/2.0/UDP invalid;branch={branch}"),
        }
    }

    /// The URI of a listener, with more parameters.
    fn uri_of(&self, listener: u8, more: &str) -> Option<String> {
        let Listener { transport, address } = self.trunks.listener(listener)?;
        let transport = match transport {
            Transport::Udp => String::new(),
            other => format!(";transport={other}"),
        };
        Some(format!("sip:{address}{transport}{more}"))
    }

    /// Where requests in calls of our own come to that are spoken by a listener.
    pub(super) fn contact(&self, listener: u8) -> String {
        format!("<{}>", self.uri_of(listener, "").unwrap_or_default())
    }

    /// Our Record-Routes between two listeners: one, or one for each where they differ (RFC 5658), the one towards the
    /// callee on top.
    pub(super) fn record_routes(&self, call: CallId, from: u8, to: u8) -> Vec<String> {
        let listeners = if from == to { vec![to] } else { vec![to, from] };
        let route = |number| Some(format!("<{}>", self.uri_of(number, &format!(";lr;{CALL}={call}"))?));
        listeners.into_iter().filter_map(route).collect()
    }

    /// Takes our own Routes off a request, and says which call they name (RFC 3261 §16.4).
    pub(super) fn take_routes(&self, request: &mut Request) -> Result<Option<CallId>, Unroutable> {
        let mut call = None;
        if self.is_ours(request.uri())
            && let Some(named) = call_of(request.uri())
        {
            // A strict router has put our Route into the Request-URI, and what belongs there behind the Routes.
            if !request.uri_from_last_route() {
                return Err(Unroutable::Bad("No Route behind a Strict Router"));
            }
            call = Some(named);
        }
        while let Some(route) = self.own_route(request).map_err(Unroutable::Bad)? {
            call = call.or(route.call);
            if !request.pop_route() {
                return Err(Unroutable::Bad("Bad Route"));
            }
        }
        Ok(call)
    }

    /// The first Route, if it is ours; or what a 400 says of it.
    fn own_route(&self, request: &Request) -> Result<Option<OwnRoute>, &'static str> {
        if let Some(route) = request.plain_route() {
            let call = route.param(CALL).and_then(call_named);
            return Ok(self.trunks.is_ours(route.address).then_some(OwnRoute { call }));
        }
        let route = request.route()?.filter(|route| self.is_ours(&route.uri));
        Ok(route.map(|route| OwnRoute { call: call_of(&route.uri) }))
    }

    /// Where a request goes next whose own Routes are gone; back along `flow` where its URI names nobody we could reach.
    pub(super) fn next_hop(&self, request: &Request, flow: Flow) -> Result<Flow, Unroutable> {
        let route = request.route().map_err(Unroutable::Bad)?;
        self.hop_to(route.as_ref().map_or(request.uri(), |route| &route.uri), flow)
    }

    /// Where a request goes next whose first Route, or else its URI, is this one.
    pub(super) fn hop_to(&self, uri: &Uri, flow: Flow) -> Result<Flow, Unroutable> {
        let Some(remote) = address_of(uri) else { return Ok(flow) };
        let transport = match uri.transport() {
            Some(name) => Transport::from_name(name).unwrap_or(flow.transport),
            None if uri.scheme().is_secure() => Transport::Tls,
            // Who came by a stream is reached by it, also where its Contact leaves out that it speaks no other way.
            None if remote.ip() == flow.remote.ip() => flow.transport,
            None => Transport::Udp,
        };
        if self.trunks.is_ours(remote) {
            return Err(Unroutable::Loop);
        }
        if (remote, transport) == (flow.remote, flow.transport)
            || transport.is_reliable() && remote.ip() == flow.remote.ip()
        {
            return Ok(flow);
        }
        let listener = self.listener_for(transport, remote).unwrap_or(flow.listener);
        let transport = self.trunks.listener(listener).map_or(flow.transport, |listener| listener.transport);
        Ok(Flow { listener, transport, remote, connection: 0 })
    }

    /// The callee, from its answer. What stands in its Record-Routes from ours on is not between it and us.
    pub(super) fn callee(&self, response: &Response, flow: Flow) -> Party {
        let is_next_to_us = response.plain_record_route().is_some_and(|route| self.trunks.is_ours(route.address));
        let routes = (!is_next_to_us).then(|| response.record_route_uris().take_while(|uri| !self.is_ours(uri)));
        Party::callee(response, flow, routes.into_iter().flatten())
    }

    pub(super) fn is_ours(&self, uri: &Uri) -> bool {
        address_of(uri).is_some_and(|address| self.trunks.is_ours(address))
    }

    fn listener_for(&self, transport: Transport, remote: SocketAddr) -> Option<u8> {
        let fits = |it: &Listener| it.transport == transport && it.address.is_ipv4() == remote.is_ipv4();
        self.trunks.listeners.iter().position(fits).map(|number| number as u8)
    }
}

/// The call that a URI of ours names.
fn call_of(uri: &Uri) -> Option<CallId> {
    call_named(uri.params()?.value(CALL)?)
}

fn call_named(value: &[u8]) -> Option<CallId> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The address that a URI leads to, where it is one.
fn address_of(uri: &Uri) -> Option<SocketAddr> {
    let Some(Host::Ip(ip)) = uri.host() else { return None };
    let default = if uri.scheme().is_secure() { Transport::Tls.port() } else { Transport::Udp.port() };
    let named = uri.transport().and_then(Transport::from_name).map_or(default, Transport::port);
    Some(SocketAddr::new(*ip, uri.port().unwrap_or(named)))
}

/// The number that a request calls: the user of its URI, or a telephone number. Empty without one.
pub(super) fn dialled(uri: &Uri) -> String {
    let user = uri.decoded_user().or_else(|| Some(uri.tel_parts()?.subscriber().to_vec()));
    String::from_utf8_lossy(&user.unwrap_or_default()).into_owned()
}

/// The URI of a number at a peer: by the peer's name, where it has one, whichever target the request goes to.
pub(super) fn uri_at(number: &str, peer: &Peer, target: SocketAddr) -> Option<Uri> {
    let at = if number.is_empty() { "" } else { "@" };
    let named = peer.names.as_ref().and_then(|names| names.target.as_ref());
    let (host, port) = match named {
        Some((name, port)) => (name.clone(), *port),
        None => (Host::Ip(target.ip()).to_string(), Some(target.port()).filter(|port| *port != peer.transport.port())),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let transport = match peer.transport {
        Transport::Udp => String::new(),
        other => format!(";transport={other}"),
    };
    Uri::parse(Bytes::from(format!("sip:{}{at}{host}{port}{transport}", escaped(number)))).ok()
}

/// A number as the user of a URI (RFC 3261 §25.1).
pub(super) fn escaped(number: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
    if number.bytes().all(is_plain) {
        return number.into();
    }
    let escape = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    number.bytes().map(escape).collect()
}
