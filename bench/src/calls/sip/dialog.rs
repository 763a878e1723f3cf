//! Dialogs (RFC 3261 §12).

use std::net::SocketAddr;

use bytes::Bytes;
use undertone_control_core::sip::message::{Host, Request, Response, Uri};

use super::{Datagram, Head, request};

/// One side's view of a dialog.
#[derive(Clone, Debug)]
pub(in crate::calls) struct Dialog {
    local: SocketAddr,
    call_id: String,
    /// From in our requests, and To.
    us: String,
    them: String,
    /// Their Contact, and the elements on the way to it.
    target: String,
    routes: Vec<String>,
    /// The number of our last request.
    cseq: u32,
    /// Where requests go when the next hop has a name instead of an address.
    fallback: SocketAddr,
}

impl Dialog {
    /// The caller's, from the 2xx that came from `source`.
    pub(in crate::calls) fn of_caller(invite: &Head<'_>, answer: &Response, source: SocketAddr) -> Self {
        Self {
            local: invite.local,
            call_id: invite.call_id.to_owned(),
            us: invite.from.to_owned(),
            them: answer.header("To").map_or_else(|| invite.to.to_owned(), |to| text(&to)),
            target: answer.address("Contact").map_or_else(|| invite.uri.to_owned(), |it| text(&it.uri.to_bytes())),
            routes: answer.record_routes().iter().rev().map(|route| text(route)).collect(),
            cseq: invite.cseq,
            fallback: source,
        }
    }

    /// The called side's, from the INVITE that came from `source`.
    pub(in crate::calls) fn of_called(invite: &Request, tag: &str, local: SocketAddr, source: SocketAddr) -> Self {
        let header = |name| invite.header(name).map_or_else(String::new, |value| text(&value));
        Self {
            local,
            call_id: text(&invite.call_id),
            us: format!("{};tag={tag}", header("To")),
            them: header("From"),
            target: invite.address("Contact").map_or_else(String::new, |it| text(&it.uri.to_bytes())),
            routes: invite.record_routes().iter().map(|route| text(route)).collect(),
            cseq: 0,
            fallback: source,
        }
    }

    /// The ACK of a 2xx.
    pub(in crate::calls) fn ack(&self, branch: &str) -> Datagram {
        self.write("ACK", branch)
    }

    /// A BYE.
    pub(in crate::calls) fn bye(&mut self, branch: &str) -> Datagram {
        self.cseq += 1;
        self.write("BYE", branch)
    }

    fn write(&self, method: &str, branch: &str) -> Datagram {
        let mut routes = self.routes.clone();
        let mut uri = self.target.clone();
        let to = next_hop(routes.first().unwrap_or(&uri), self.fallback);
        if routes.first().is_some_and(|first| !is_loose(first)) {
            // A strict router (RFC 3261 §12.2.1.1) wants itself in the Request-URI.
            routes.push(std::mem::replace(&mut uri, routes[0].clone()));
            routes.remove(0);
        }
        let head = Head {
            method,
            uri: &uri,
            local: self.local,
            branch,
            routes: &routes,
            from: &self.us,
            to: &self.them,
            call_id: &self.call_id,
            cseq: self.cseq,
        };
        Datagram { to, bytes: request(&head, None) }
    }
}

/// Where a request goes whose next hop is `uri`; `fallback` where that is a name.
fn next_hop(uri: &str, fallback: SocketAddr) -> SocketAddr {
    let Ok(uri) = Uri::parse(Bytes::copy_from_slice(uri.as_bytes())) else { return fallback };
    match uri.host() {
        Some(Host::Ip(ip)) => SocketAddr::new(*ip, uri.port().unwrap_or(5060)),
        _ => fallback,
    }
}

fn is_loose(route: &str) -> bool {
    route.split(';').skip(1).any(|param| param.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("lr")))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use undertone_control_core::sip::message::Message;

    const HEAD: Head<'_> = Head {
        method: "INVITE",
        uri: "sip:1@192.0.2.9",
        local: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5060),
        branch: "b",
        routes: &[],
        from: "<sip:a@192.0.2.1>;tag=f",
        to: "<sip:1@192.0.2.9>",
        call_id: "c",
        cseq: 1,
    };

    fn ack(record_routes: &str) -> (SocketAddr, String) {
        let answer = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb\r\n{record_routes}From: {}\r\n\
             To: {};tag=t\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.7:5070>\r\nContent-Length: 0\r\n\r\n",
            HEAD.from, HEAD.to
        );
        let Ok(Message::Response(answer)) = Message::parse(answer.as_bytes()) else { panic!("{answer}") };
        let sent = Dialog::of_caller(&HEAD, &answer, "192.0.2.9:5060".parse().unwrap()).ack("k");
        (sent.to, text(&sent.bytes))
    }

    #[test]
    fn without_routes_requests_go_to_the_contact() {
        let (to, ack) = ack("");
        assert_eq!(to, "192.0.2.7:5070".parse().unwrap());
        assert!(ack.starts_with("ACK sip:x@192.0.2.7:5070 SIP/2.0\r\n") && !ack.contains("Route"), "{ack}");
        assert!(ack.contains("To: <sip:1@192.0.2.9>;tag=t\r\n") && ack.contains("CSeq: 1 ACK\r\n"), "{ack}");
    }

    #[test]
    fn the_last_to_record_itself_is_the_first_on_the_way() {
        let (to, ack) = ack("Record-Route: <sip:192.0.2.4;lr>, <sip:192.0.2.5;lr>\r\n");
        assert_eq!(to, "192.0.2.5:5060".parse().unwrap());
        let routes: Vec<_> = ack.lines().filter(|line| line.starts_with("Route")).collect();
        assert_eq!(routes, ["Route: <sip:192.0.2.5;lr>", "Route: <sip:192.0.2.4;lr>"]);
    }

    #[test]
    fn a_strict_router_gets_the_request_uri() {
        let (to, ack) = ack("Record-Route: <sip:192.0.2.5>\r\n");
        assert_eq!(to, "192.0.2.5:5060".parse().unwrap());
        assert!(ack.starts_with("ACK sip:192.0.2.5 SIP/2.0\r\n"), "{ack}");
        assert!(ack.contains("Route: <sip:x@192.0.2.7:5070>\r\n"), "{ack}");
    }

    #[test]
    fn a_name_is_reached_where_the_answer_came_from() {
        let fallback = "192.0.2.9:5060".parse().unwrap();
        assert_eq!(next_hop("sip:pbx.example.com:5070", fallback), fallback);
        assert_eq!(next_hop("sip:[2001:db8::1]:5070;lr", fallback), "[2001:db8::1]:5070".parse().unwrap());
    }
}
