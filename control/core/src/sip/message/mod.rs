//! Messages: what is read of them, and the few places that a proxy changes.
//!
//! A message keeps the bytes it came in, header by header; what is not edited leaves as it came (RFC 3261 §16.6: a proxy
//! passes on what it does not understand).

mod edit;
mod framer;
mod malformed;
mod read;
mod route;
#[cfg(test)]
mod tests;
mod via;
mod write;

use bytes::Bytes;
use sipx_sip as sipx;
pub use sipx_sip::{
    Host, Method, Uri,
    headers::Address,
    session::{Refresher, SessionExpires},
};

pub use self::{
    framer::{Framer, Unframed},
    malformed::Malformed,
    route::PlainRoute,
    write::{Answer, More, phrase},
};

/// Bytes of a message at most, on any transport.
pub const BYTES_MAX: usize = 64 << 10;

/// A message that could be read.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request, with what every element reads of it.
#[derive(Clone, Debug)]
pub struct Request {
    inner: sipx::Request,
    /// The top Via.
    pub via: Hop,
    /// Its number and method.
    pub cseq: u32,
    /// The dialog, or what will become one.
    pub call_id: Bytes,
    /// Who sends it.
    pub from_tag: Bytes,
    /// The dialog's other end; `None` outside of dialogs.
    pub to_tag: Option<Bytes>,
    /// How many more elements it may cross; `None` where it does not say.
    pub max_forwards: Option<u8>,
}

/// A response, with what every element reads of it.
#[derive(Clone, Debug)]
pub struct Response {
    inner: sipx::Response,
    /// The top Via: ours.
    pub via: Hop,
    /// The request's number.
    pub cseq: u32,
    /// The request's method.
    pub method: Method,
    /// The dialog.
    pub call_id: Bytes,
    /// Who sent the request.
    pub from_tag: Bytes,
    /// Who answers; `None` in 100 Trying.
    pub to_tag: Option<Bytes>,
}

/// What a top Via says (RFC 3261 §20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The transaction; empty where there is none.
    pub branch: Bytes,
    /// Host and port, as they are written.
    pub sent_by: Bytes,
    /// The port that responses go to where the address they go to is the source's; `None` for the transport's own.
    pub port: Option<u16>,
    /// Whether responses go back to the source port (RFC 3581).
    pub rport: bool,
}

impl Hop {
    /// Whether the branch is unique by itself (RFC 3261 §8.1.1.7).
    pub fn has_cookie(&self) -> bool {
        let cookie = self.branch.split_at_checked(7).filter(|(_, rest)| !rest.is_empty());
        cookie.is_some_and(|(cookie, _)| cookie.eq_ignore_ascii_case(b"z9hG4bK"))
    }
}

impl Message {
    /// Reads one message, the whole of a datagram or a frame of a stream.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        // A message keeps views of its whole buffer, so that it gets one of its own.
        let own = Bytes::copy_from_slice(bytes);
        let parsed = sipx::parse_datagram(own, &sipx::Limits::datagram());
        match parsed {
            Ok(message) => Self::of(message).map_err(|cause| Malformed::new(bytes, cause)),
            Err(error) => Err(Malformed::new(bytes, malformed::cause(&error))),
        }
    }

    /// What a stream's parser took from it.
    pub fn of(message: sipx::Message) -> Result<Self, &'static str> {
        match message {
            sipx::Message::Request(inner) => Request::read(inner).map(Self::Request),
            sipx::Message::Response(inner) => Response::read(inner).map(Self::Response),
        }
    }
}
