//! Requests and responses of our own.

use std::net::SocketAddr;

use bytes::Bytes;
use undertone_control_core::sip::message::{Request, phrase};

/// The headers that every request has.
#[derive(Clone, Debug)]
pub(in crate::calls) struct Head<'a> {
    /// The method.
    pub(in crate::calls) method: &'a str,
    /// The Request-URI.
    pub(in crate::calls) uri: &'a str,
    /// Our own address.
    pub(in crate::calls) local: SocketAddr,
    /// What tells the transaction from others.
    pub(in crate::calls) branch: &'a str,
    /// The elements on the way, the nearest first.
    pub(in crate::calls) routes: &'a [String],
    /// From, with its tag.
    pub(in crate::calls) from: &'a str,
    /// To, with its tag where it has one.
    pub(in crate::calls) to: &'a str,
    /// The Call-ID.
    pub(in crate::calls) call_id: &'a str,
    /// The number of the request.
    pub(in crate::calls) cseq: u32,
}

/// The Contact of who is at `local`.
fn contact(local: SocketAddr) -> String {
    format!("<sip:undertone-bench@{local}>")
}

/// A request; one with a session description also says where we are.
pub(in crate::calls) fn request(head: &Head<'_>, sdp: Option<&str>) -> Bytes {
    let Head { method, uri, local, branch, routes, from, to, call_id, cseq } = head;
    let mut text = format!("{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\n");
    for route in *routes {
        text += &format!("Route: <{route}>\r\n");
    }
    text += &format!(
        "Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
         User-Agent: undertone-bench\r\n"
    );
    end(text, sdp.map(|sdp| (*local, sdp)))
}

/// The response to a request: `tag` is ours, where its To has none yet. With `at` it says where we are.
pub(in crate::calls) fn response(
    to: &Request,
    status: u16,
    tag: &str,
    at: Option<SocketAddr>,
    sdp: Option<&str>,
) -> Bytes {
    let mut text = format!("SIP/2.0 {status} {}\r\n", phrase(status));
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in to.header_values(name) {
            text += &format!("{name}: {}", String::from_utf8_lossy(&value));
            if name == "To" && to.to_tag.is_none() && status > 100 {
                text += &format!(";tag={tag}");
            }
            text += "\r\n";
        }
    }
    if let (Some(local), None) = (at, sdp) {
        text += &format!("Contact: {}\r\n", contact(local));
    }
    end(text, at.zip(sdp))
}

fn end(mut text: String, described: Option<(SocketAddr, &str)>) -> Bytes {
    let (length, sdp) = described.map_or((0, ""), |(_, sdp)| (sdp.len(), sdp));
    if let Some((local, _)) = described {
        text += &format!(
            "Contact: {}\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE\r\nContent-Type: application/sdp\r\n",
            contact(local)
        );
    }
    text += &format!("Content-Length: {length}\r\n\r\n{sdp}");
    text.into()
}
