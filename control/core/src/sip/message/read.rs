//! Reading messages.

use std::{borrow::Cow, ops::Deref};

use bytes::Bytes;
use sipx::{
    CSeq, HeaderName, Headers, Method, Uri,
    headers::{Address, CallId, From, MaxForwards, RecordRoute, Route, To},
    message::TypedHeader,
    session::{MinSe, SessionExpires},
};
use sipx_sip as sipx;

use super::{Hop, PlainRoute, Request, Response, via};

/// Headers that a message has once at most, and what a 400 says of a second one.
const ONCE: [(HeaderName, &str); 5] = [
    (HeaderName::CSeq, "Second CSeq"),
    (HeaderName::CallId, "Second Call-ID"),
    (HeaderName::From, "Second From"),
    (HeaderName::To, "Second To"),
    (HeaderName::MaxForwards, "Second Max-Forwards"),
];

/// What every message has to have.
struct Common {
    via: Hop,
    cseq: CSeq,
    call_id: Bytes,
    from_tag: Bytes,
    to_tag: Option<Bytes>,
}

impl Common {
    /// Reads it, or says what a 400 gives as its reason.
    fn read(headers: &Headers) -> Result<Self, &'static str> {
        if let Some((_, reason)) = ONCE.iter().find(|(name, _)| headers.count(name) > 1) {
            return Err(reason);
        }
        let via = headers.value(&HeaderName::Via).ok_or("Missing Via")?;
        let via = via::first_hop(&via).ok_or("Bad Via")?;
        // A proxy writes them anew, which it could not; and in brackets, which have no place in one, a comma parts nothing.
        let is_odd = |byte: &u8| matches!(byte, 0 | b'<' | b'>');
        if headers.get_all(&HeaderName::Via).any(|via| via.raw_value().iter().any(is_odd)) {
            return Err("Bad Via");
        }
        let cseq = headers.typed::<CSeq>().ok_or("Missing CSeq")?.map_err(|_| "Bad CSeq")?;
        let call_id = headers.typed::<CallId>().ok_or("Missing Call-ID")?.map_err(|_| "Bad Call-ID")?;
        let from_tag = tag::<From>(headers, &HeaderName::From, "Missing From", "Bad From")?;
        let to_tag = tag::<To>(headers, &HeaderName::To, "Missing To", "Bad To")?;
        let to_tag = Some(to_tag).filter(|tag| !tag.is_empty());
        Ok(Self { via, cseq, call_id: call_id.0.into(), from_tag, to_tag })
    }
}

/// The tag of a From or To, empty where it has none. Of what the strict grammar refuses, like an unquoted name with
/// letters beyond ASCII, the tag is found all the same: trunks send such names, and only the tag is needed here.
fn tag<H>(headers: &Headers, name: &HeaderName, missing: &'static str, bad: &'static str) -> Result<Bytes, &'static str>
where
    H: TypedHeader + Deref<Target = Address>,
{
    let value = headers.value(name).ok_or(missing)?;
    if let Some(tag) = plain_tag(&value) {
        return Ok(Bytes::copy_from_slice(tag));
    }
    match headers.typed::<H>() {
        // A tag that is none would hide the one that an answer adds.
        Some(Ok(address)) if *name == HeaderName::To && has_empty_tag(&address) => Err(bad),
        Some(Ok(address)) => Ok(address.tag().map(Bytes::copy_from_slice).unwrap_or_default()),
        _ if is_quotation_open(&value) => Err(bad),
        _ => match loose_tag(&value) {
            Some(&[]) if *name == HeaderName::To => Err(bad),
            tag => Ok(tag.map(Bytes::copy_from_slice).unwrap_or_default()),
        },
    }
}

fn has_empty_tag(address: &Address) -> bool {
    let mut tags = address.params.iter().filter(|param| param.name.eq_ignore_ascii_case(b"tag"));
    tags.any(|tag| tag.value.as_ref().is_none_or(Vec::is_empty))
}

/// The tag of a From or To without quotation marks and blanks, in which it is where it seems to be: most are written so.
fn plain_tag(value: &[u8]) -> Option<&[u8]> {
    let is_plain = !value.iter().any(|byte| matches!(byte, b'"' | b' ' | b'\t'));
    is_plain.then(|| loose_tag(value)).flatten().filter(|tag| !tag.is_empty())
}

/// Whether a quoted string begins in it and does not end.
fn is_quotation_open(value: &[u8]) -> bool {
    let (mut is_open, mut is_escaped) = (false, false);
    for byte in value {
        is_open ^= *byte == b'"' && !is_escaped;
        is_escaped = is_open && *byte == b'\\' && !is_escaped;
    }
    is_open
}

/// The `tag` parameter behind the last `>`.
fn loose_tag(value: &[u8]) -> Option<&[u8]> {
    let behind = value.iter().rposition(|byte| *byte == b'>').map_or(value, |at| value.get(at..).unwrap_or_default());
    behind.split(|byte| *byte == b';').skip(1).find_map(|param| {
        let mut halves = param.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        halves.next().filter(|name| name.eq_ignore_ascii_case(b"tag"))?;
        Some(halves.next().unwrap_or_default())
    })
}

impl Request {
    pub(super) fn read(inner: sipx::Request) -> Result<Self, &'static str> {
        let Common { via, cseq, call_id, from_tag, to_tag } = Common::read(&inner.headers)?;
        if cseq.method != inner.method {
            return Err("CSeq of Another Method");
        }
        if inner.uri.has_headers() {
            return Err("Headers in the Request-URI");
        }
        let max_forwards = match inner.headers.typed::<MaxForwards>() {
            None => None,
            Some(Ok(MaxForwards(hops))) => Some(hops),
            Some(Err(_)) => return Err("Bad Max-Forwards"),
        };
        Ok(Self { inner, via, cseq: cseq.sequence, call_id, from_tag, to_tag, max_forwards })
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.inner.method
    }

    /// The Request-URI.
    pub const fn uri(&self) -> &Uri {
        &self.inner.uri
    }

    /// Whether it is of SIP 2.0.
    pub fn is_version_supported(&self) -> bool {
        self.inner.version.is_supported()
    }

    /// The first Route, or what a 400 says of it.
    pub fn route(&self) -> Result<Option<Address>, &'static str> {
        self.inner.headers.typed::<Route>().transpose().map_err(|_| "Bad Route").map(|route| route.map(|route| route.0))
    }

    /// The first Route, where it is a plain one in a line of its own.
    pub fn plain_route(&self) -> Option<PlainRoute<'_>> {
        PlainRoute::read(self.inner.headers.get(&HeaderName::Route)?.raw_value())
    }

    pub(super) const fn headers(&self) -> &Headers {
        &self.inner.headers
    }

    pub(super) const fn inner(&self) -> &sipx::Request {
        &self.inner
    }

    pub(super) const fn inner_mut(&mut self) -> &mut sipx::Request {
        &mut self.inner
    }
}

impl Response {
    pub(super) fn read(inner: sipx::Response) -> Result<Self, &'static str> {
        let Common { via, cseq, call_id, from_tag, to_tag } = Common::read(&inner.headers)?;
        Ok(Self { inner, via, cseq: cseq.sequence, method: cseq.method, call_id, from_tag, to_tag })
    }

    /// The status, from 100 to 699.
    pub fn status(&self) -> u16 {
        self.inner.status.code()
    }

    /// The reason phrase.
    pub fn reason(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.inner.reason)
    }

    pub(super) const fn headers(&self) -> &Headers {
        &self.inner.headers
    }

    pub(super) const fn inner(&self) -> &sipx::Response {
        &self.inner
    }

    pub(super) const fn inner_mut(&mut self) -> &mut sipx::Response {
        &mut self.inner
    }
}

/// What is read of requests and responses alike.
macro_rules! read_headers {
    ($type:ty) => {
        impl $type {
            /// The body.
            pub fn body(&self) -> &[u8] {
                self.inner().body()
            }

            /// The value of the first header of a name, unfolded.
            pub fn header(&self, name: &'static str) -> Option<Cow<'_, [u8]>> {
                self.headers().value(&name_of(name))
            }

            /// The values of every header of a name, unfolded.
            pub fn header_values(&self, name: &'static str) -> Vec<Cow<'_, [u8]>> {
                self.values_of(&name_of(name))
            }

            /// The same, of a header that the configuration names.
            pub fn named_values(&self, name: &str) -> Vec<Cow<'_, [u8]>> {
                self.values_of(&HeaderName::parse(&Bytes::copy_from_slice(name.as_bytes())))
            }

            fn values_of(&self, name: &HeaderName) -> Vec<Cow<'_, [u8]>> {
                self.headers().iter().filter(|header| header.name() == name).map(sipx::Header::value).collect()
            }

            /// The first address of a header of addresses, where there is one and it can be read.
            pub fn address(&self, name: &'static str) -> Option<Address> {
                let value = self.header(name)?;
                Address::parse_list(&value, "address").ok()?.into_iter().next()
            }

            /// Where its sender wants the requests of a dialog: the URI of its Contact as a Request-URI may be, without
            /// headers (RFC 3261 §12.2.1.1, §19.1.1).
            pub fn target(&self) -> Option<Bytes> {
                let mut uri = self.address("Contact")?.uri;
                let headers = uri.headers().into_iter().flat_map(sipx::Params::iter);
                let names: Vec<_> = headers.map(|header| String::from_utf8_lossy(header.name()).into_owned()).collect();
                for name in names {
                    uri.remove_header(&name);
                }
                (!uri.has_headers()).then(|| uri.to_bytes())
            }

            /// The URIs of the Record-Route values as they are written, the topmost first.
            pub fn record_routes(&self) -> Vec<Bytes> {
                self.record_route_uris().map(|uri| uri.to_bytes()).collect()
            }

            /// The topmost Record-Route, where it is a plain one in a line of its own.
            pub fn plain_record_route(&self) -> Option<PlainRoute<'_>> {
                PlainRoute::read(self.headers().get(&HeaderName::RecordRoute)?.raw_value())
            }

            /// The URIs of the Record-Route values, the topmost first.
            pub fn record_route_uris(&self) -> impl Iterator<Item = Uri> + '_ {
                let routes = self.headers().typed_all::<RecordRoute>();
                routes.filter_map(Result::ok).map(|route| route.0.uri)
            }

            /// Its Session-Expires (RFC 4028 §4), where it has one that can be read.
            pub fn session_expires(&self) -> Option<SessionExpires> {
                self.headers().typed::<SessionExpires>()?.ok()
            }

            /// The seconds in its Min-SE (RFC 4028 §5).
            pub fn min_se_s(&self) -> Option<u64> {
                Some(self.headers().typed::<MinSe>()?.ok()?.0.as_secs())
            }

            /// Whether a header of tokens, like Supported or Require, has one.
            pub fn has_token(&self, name: &'static str, token: &str) -> bool {
                self.header_values(name).iter().any(|value| {
                    let mut parts = value.split(|byte| *byte == b',');
                    parts.any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
                })
            }
        }
    };
}

read_headers!(Request);
read_headers!(Response);

pub(super) fn name_of(name: &'static str) -> HeaderName {
    HeaderName::parse(&Bytes::from_static(name.as_bytes()))
}
