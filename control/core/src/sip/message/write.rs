//! Messages of our own.

use bytes::Bytes;
use sipx::{HeaderName, Headers, Method, Uri};
use sipx_sip as sipx;

use super::{Request, Response};
use crate::call::Party;

/// What we answer ourselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status, from 100 to 699.
    pub status: u16,
    /// The reason phrase; empty for the one of the RFC.
    pub reason: &'static str,
    /// More headers, name and value.
    pub headers: Vec<(&'static str, String)>,
    /// A description, of type `application/sdp`; empty for none.
    pub sdp: Vec<u8>,
}

/// What a request of our own has beside what every request has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// Headers, name and value.
    pub headers: Vec<(&'static str, String)>,
    /// A description, of type `application/sdp`; empty for none.
    pub sdp: Vec<u8>,
}

impl Answer {
    /// An answer with the usual reason phrase.
    pub const fn new(status: u16) -> Self {
        Self { status, reason: "", headers: Vec::new(), sdp: Vec::new() }
    }

    /// With another reason phrase.
    #[must_use]
    pub const fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a description.
    #[must_use]
    pub fn describing(mut self, sdp: Vec<u8>) -> Self {
        self.sdp = sdp;
        self
    }
}

impl Request {
    /// The response to this request as it is sent (RFC 3261 §8.2.6): `to_tag` is ours, where the request has none.
    pub fn answer(&self, answer: &Answer, to_tag: &str) -> Bytes {
        let reason = if answer.reason.is_empty() { phrase(answer.status) } else { answer.reason };
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(format!("SIP/2.0 {} {reason}\r\n", answer.status).as_bytes());
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            for header in self.headers().get_all(&name) {
                out.extend_from_slice(name.canonical());
                out.extend_from_slice(b": ");
                out.extend_from_slice(&header.value());
                if name == HeaderName::To && self.to_tag.is_none() && answer.status > 100 {
                    out.extend_from_slice(b";tag=");
                    out.extend_from_slice(to_tag.as_bytes());
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        if answer.status > 100 && answer.status < 300 {
            copy(self.headers(), &HeaderName::RecordRoute, &mut out);
        }
        own(&answer.headers, &answer.sdp, out)
    }

    /// A request of our own within a dialog, or outside of any, as it is sent: to `party`, from whoever `from` names.
    pub fn write(method: &Method, party: &Party, from: &[u8], call_id: &[u8], cseq: u32, via: &str) -> Bytes {
        Self::write_with(method, party, from, call_id, cseq, via, &More::default())
    }

    /// The same, with more in it.
    pub fn write_with(
        method: &Method,
        party: &Party,
        from: &[u8],
        call_id: &[u8],
        cseq: u32,
        via: &str,
        more: &More,
    ) -> Bytes {
        // Who names no Contact is asked for where it was heard of.
        let nameless = || format!("sip:{}", party.flow.remote).into();
        let contact = party.contact.clone().unwrap_or_else(nameless);
        let mut routes = party.routes.clone();
        let mut target = contact.clone();
        if routes.first().is_some_and(is_strict) {
            // A strict router wants to be asked itself (RFC 3261 §12.2.1.1).
            target = routes.remove(0);
            routes.push(contact);
        }
        let mut out = method.as_bytes().to_vec();
        out.push(b' ');
        out.extend_from_slice(&target);
        out.extend_from_slice(b" SIP/2.0\r\n");
        line(&HeaderName::Via, via.as_bytes(), &mut out);
        for route in &routes {
            line(&HeaderName::Route, &[b"<", route.as_ref(), b">"].concat(), &mut out);
        }
        line(&HeaderName::From, from, &mut out);
        line(&HeaderName::To, &party.address, &mut out);
        line(&HeaderName::CallId, call_id, &mut out);
        out.extend_from_slice(format!("CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n").as_bytes());
        own(&more.headers, &more.sdp, out)
    }

    /// The CANCEL of this request, which was sent (RFC 3261 §9.1).
    pub fn cancel(&self, reason: Option<&str>) -> Bytes {
        let mut out = self.hop_by_hop(&Method::Cancel, &HeaderName::To, self.headers());
        if let Some(reason) = reason {
            out.extend_from_slice(format!("Reason: {reason}\r\n").as_bytes());
        }
        end(out)
    }

    /// The ACK of a final response other than 2xx to this INVITE, which was sent (RFC 3261 §17.1.1.3).
    pub fn ack(&self, response: &Response) -> Bytes {
        end(self.hop_by_hop(&Method::Ack, &HeaderName::To, response.headers()))
    }

    /// A request that follows this one along the same hop: `to` names where its To is taken from.
    fn hop_by_hop(&self, method: &Method, to: &HeaderName, to_of: &Headers) -> Vec<u8> {
        let mut out = method.as_bytes().to_vec();
        out.push(b' ');
        self.uri().write_to(&mut out);
        out.extend_from_slice(b" SIP/2.0\r\n");
        if let Some(via) = self.headers().get(&HeaderName::Via) {
            let value = via.value();
            let first = value.get(..sipx::headers::first_hop_end(&value)).unwrap_or(&value);
            line(&HeaderName::Via, first, &mut out);
        }
        copy(self.headers(), &HeaderName::Route, &mut out);
        copy(self.headers(), &HeaderName::From, &mut out);
        copy(to_of, to, &mut out);
        copy(self.headers(), &HeaderName::CallId, &mut out);
        out.extend_from_slice(format!("CSeq: {} {method}\r\nMax-Forwards: 70\r\n", self.cseq).as_bytes());
        out
    }
}

/// Whether the URI of a Route is that of a strict router, and can be a Request-URI.
fn is_strict(uri: &Bytes) -> bool {
    let is_loose = |uri: &Uri| uri.params().is_some_and(|params| params.contains("lr"));
    Uri::parse(uri.clone()).is_ok_and(|uri| !is_loose(&uri) && !uri.has_headers())
}

fn copy(headers: &Headers, name: &HeaderName, out: &mut Vec<u8>) {
    for header in headers.get_all(name) {
        line(name, &header.value(), out);
    }
}

fn line(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.canonical());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Ends a message with headers of our own and a description. A value with a line break in it stays one.
fn own(headers: &[(&'static str, String)], sdp: &[u8], mut out: Vec<u8>) -> Bytes {
    for (name, value) in headers {
        let value = value.replace(['\r', '\n', '\0'], " ");
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if sdp.is_empty() {
        return end(out);
    }
    out.extend_from_slice(format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n", sdp.len()).as_bytes());
    out.extend_from_slice(sdp);
    out.into()
}

fn end(mut out: Vec<u8>) -> Bytes {
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    out.into()
}

/// The usual reason phrase of a status (RFC 3261 §21 and its extensions).
pub const fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        603 => "Decline",
        _ => "Response",
    }
}
