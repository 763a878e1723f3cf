//! What a proxy changes in a message (RFC 3261 §16.6, §16.7).

use std::{io::Write as _, net::SocketAddr};

use bytes::Bytes;
use sipx::{
    Header, HeaderName, Headers, Uri,
    headers::{Route, first_hop_end},
    message::TypedHeader as _,
};
use sipx_sip as sipx;

use super::{PlainRoute, Request, Response, read::name_of, via};

/// What a request without Max-Forwards gets (RFC 3261 §16.6 step 3).
const MAX_FORWARDS: u8 = 70;

impl Request {
    /// Takes another Request-URI. One with headers is none (RFC 3261 §19.1.1), and is not taken.
    pub fn set_uri(&mut self, uri: Uri) -> bool {
        !uri.has_headers() && self.inner_mut().set_uri(uri).is_ok()
    }

    /// Counts Max-Forwards down, and puts our Via on top, and our Record-Route where there is one.
    pub fn forward(&mut self, via: &str, record_routes: &[String]) {
        let hops = self.max_forwards.map_or(MAX_FORWARDS, |hops| hops.saturating_sub(1));
        let headers = &mut self.inner_mut().headers;
        set(headers, &HeaderName::MaxForwards, hops.to_string());
        let is_via = |header: &Header| *header.name() == HeaderName::Via;
        let first = headers.iter().position(|header| *header.name() == HeaderName::RecordRoute);
        let at = first.unwrap_or_else(|| headers.iter().take_while(|header| is_via(header)).count());
        for (index, value) in record_routes.iter().enumerate() {
            insert(headers, at + index, &HeaderName::RecordRoute, value.clone());
        }
        insert(headers, 0, &HeaderName::Via, via.to_owned());
    }

    /// Takes the first Route away; what else stands in its line stays as it is. False when there is none, or one of the
    /// others cannot be read, so that none is taken away.
    pub fn pop_route(&mut self) -> bool {
        // The usual case, without taking apart what stays.
        if self.has_plain_routes() {
            return self.inner_mut().headers.remove_first(&HeaderName::Route).is_some();
        }
        self.inner_mut().headers.remove_address_value(&HeaderName::Route, 0).is_ok()
    }

    /// Makes the last Route the Request-URI, as a strict router in front of us wants it put back (RFC 3261 §16.4).
    pub fn uri_from_last_route(&mut self) -> bool {
        let Some(last) = self.routes().pop().filter(|last| !last.has_headers()) else { return false };
        let count = self.routes().len().saturating_sub(1);
        let headers = &mut self.inner_mut().headers;
        headers.remove_address_value(&HeaderName::Route, count).is_ok() && self.set_uri(last)
    }

    /// Does what a strict router in front wants, where the first Route is one's: it takes the place of the Request-URI,
    /// which goes behind the last Route (RFC 3261 §16.6 step 6).
    pub fn obey_strict_router(&mut self) {
        let Ok(Some(first)) = self.route() else { return };
        if first.uri.has_headers() || first.uri.params().is_some_and(|params| params.contains("lr")) {
            return;
        }
        let last = [b"<", self.uri().to_bytes().as_ref(), b">"].concat();
        if !self.pop_route() {
            return;
        }
        let headers = &mut self.inner_mut().headers;
        let is_route = |header: &Header| *header.name() == HeaderName::Route;
        let behind = headers.iter().enumerate().filter(|(_, header)| is_route(header)).map(|(at, _)| at + 1).last();
        insert(headers, behind.unwrap_or_else(|| headers.len()), &HeaderName::Route, last);
        self.set_uri(first.uri);
    }

    /// Where it came from, noted in the top Via as a server has to (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn note_source(&mut self, source: SocketAddr) {
        let rport = self.via.rport;
        let headers = &mut self.inner_mut().headers;
        let Some(at) = headers.iter().position(|header| *header.name() == HeaderName::Via) else { return };
        let Some(row) = headers.remove_first(&HeaderName::Via) else { return };
        let value = row.value();
        let (first, rest) = value.split_at_checked(first_hop_end(&value)).unwrap_or((&value, &[]));
        let mut noted = Vec::with_capacity(value.len() + 48);
        for (index, part) in params(first).enumerate() {
            let name = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            if index > 0 && [&b"received"[..], b"rport"].iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                continue;
            }
            if index > 0 {
                noted.push(b';');
            }
            noted.extend_from_slice(part.trim_ascii_end());
        }
        // Writing to memory does not fail.
        let _ = write!(noted, ";received={}", source.ip());
        if rport {
            let _ = write!(noted, ";rport={}", source.port());
        }
        noted.extend_from_slice(rest);
        insert(headers, at, &HeaderName::Via, noted);
    }

    /// Whether the first Route has a line to itself, and the others can be read.
    fn has_plain_routes(&self) -> bool {
        let mut rows = self.headers().get_all(&HeaderName::Route);
        let is_alone = rows.next().is_some_and(|row| !row.raw_value().contains(&b','));
        let is_readable =
            |row: &Header| PlainRoute::read(row.raw_value()).is_some() || Route::decode(&row.value()).is_ok();
        is_alone && rows.all(is_readable)
    }

    fn routes(&self) -> Vec<Uri> {
        let routes = self.headers().typed_all::<Route>();
        routes.filter_map(Result::ok).map(|route| route.0.uri).collect()
    }
}

impl Response {
    /// Whether there is a Via below ours, and one that can be read: the way back.
    pub fn is_passable(&self) -> bool {
        let mut rows = self.headers().get_all(&HeaderName::Via).map(Header::value);
        let first = rows.next().unwrap_or_default();
        match first.get(first_hop_end(&first) + 1..) {
            Some(below) => via::is_readable(below),
            None => rows.next().is_some_and(|below| via::is_readable(&below)),
        }
    }

    /// Takes our Via away. False when nothing is left below: a response that ends here.
    pub fn pop_via(&mut self) -> bool {
        let headers = &mut self.inner_mut().headers;
        let Some(at) = headers.iter().position(|header| *header.name() == HeaderName::Via) else { return false };
        let Some(row) = headers.remove_first(&HeaderName::Via) else { return false };
        let value = row.value();
        if let Some(rest) = value.get(first_hop_end(&value) + 1..) {
            insert(headers, at, &HeaderName::Via, rest.trim_ascii().to_vec());
        }
        headers.count(&HeaderName::Via) > 0
    }
}

/// What can be changed in requests and responses alike.
macro_rules! edit_headers {
    ($type:ty) => {
        impl $type {
            /// Puts another body in place, and its length.
            pub fn set_body(&mut self, body: Vec<u8>) {
                set(&mut self.inner_mut().headers, &HeaderName::ContentLength, body.len().to_string());
                self.inner_mut().set_body(body.into());
            }

            /// Gives the first header of a name this value, or adds it.
            pub fn set_header(&mut self, name: &'static str, value: impl Into<Bytes>) {
                set(&mut self.inner_mut().headers, &name_of(name), value);
            }

            /// Takes every header of a name away.
            pub fn remove_header(&mut self, name: &'static str) {
                self.inner_mut().headers.remove_all(&name_of(name));
            }

            /// The message as it is sent.
            pub fn to_bytes(&self) -> Bytes {
                let mut out = Vec::with_capacity(1024 + self.body().len());
                self.inner().write_to(&mut out);
                out.into()
            }
        }
    };
}

edit_headers!(Request);
edit_headers!(Response);

/// What stands between the semicolons of a value, those in quoted strings left out.
fn params(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |byte| {
        is_quoted ^= *byte == b'"' && !is_escaped;
        is_escaped = is_quoted && *byte == b'\\' && !is_escaped;
        *byte == b';' && !is_quoted
    })
}

/// Gives the first header of a name a value where it stands, or adds one at the end.
fn set(headers: &mut Headers, name: &HeaderName, value: impl Into<Bytes>) {
    let at = headers.iter().position(|header| header.name() == name);
    match at {
        Some(at) => {
            headers.remove_first(name);
            insert(headers, at, name, value);
        }
        None => insert(headers, headers.len(), name, value),
    }
}

/// Puts a header in. One with a line break in it, which would be two, is left out.
fn insert(headers: &mut Headers, at: usize, name: &HeaderName, value: impl Into<Bytes>) {
    if let Ok(header) = Header::build(name.clone(), value) {
        headers.insert(at, header);
    }
}
