//! Routes as proxies write them, ours above all.
//!
//! A request within a call begins with our own Routes, to be taken off again. They are known by their address and a
//! parameter, for which no URI has to be made. Any other one is left to `sipx-sip`; where both can read a Route, they read
//! the same.

use std::net::SocketAddr;

/// Digits of a port.
const PORT_DIGITS_MAX: usize = 5;
/// Parameters that are looked at, each beside all in front of it.
const PARAMS_MAX: usize = 8;

/// `<sip:192.0.2.1:5060;name;name=value>`: an address with its port, and parameters without escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRoute<'r> {
    /// Where it leads.
    pub address: SocketAddr,
    params: &'r [u8],
}

impl<'r> PlainRoute<'r> {
    /// Reads the value of a header; `None` where it is another one, more than one, or none at all.
    pub(super) fn read(value: &'r [u8]) -> Option<Self> {
        let inner = value.strip_prefix(b"<sip:")?.strip_suffix(b">")?;
        if !inner.iter().all(|byte| byte.is_ascii_alphanumeric() || b".:;=[]-".contains(byte)) {
            return None;
        }
        let end = inner.iter().position(|byte| *byte == b';').unwrap_or(inner.len());
        let (address, params) = inner.split_at_checked(end)?;
        // Of zeros in front of a port, the parser takes no more than there is room for.
        let digits = address.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let address = std::str::from_utf8(address).ok().filter(|_| digits <= PORT_DIGITS_MAX)?.parse().ok()?;
        let route = Self { address, params };
        let is_name = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let is_plain = |(place, (name, value)): (usize, (&[u8], Option<&[u8]>))| {
            // One that comes twice makes no URI (RFC 3261 §19.1.1).
            let comes_twice = route.params().take(place).any(|(before, _)| before.eq_ignore_ascii_case(name));
            !name.is_empty()
                && is_name(name)
                && value.is_none_or(|value| !value.is_empty() && is_name(value))
                && !comes_twice
        };
        let mut params = route.params().enumerate();
        let are_plain = params.by_ref().take(PARAMS_MAX).all(is_plain) && params.next().is_none();
        are_plain.then_some(route)
    }

    /// The value of a parameter; `None` where it has none.
    pub fn param(&self, name: &str) -> Option<&'r [u8]> {
        self.params().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))?.1
    }

    fn params(&self) -> impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)> {
        self.params.split(|byte| *byte == b';').skip(1).map(|param| {
            match param.iter().position(|byte| *byte == b'=').and_then(|at| param.split_at_checked(at)) {
                Some((name, value)) => (name, value.get(1..)),
                None => (param, None),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sipx_sip::{Host, headers::Route, message::TypedHeader as _};

    use super::*;

    #[test]
    fn ours_are_plain_and_others_need_not_be() {
        let ours = PlainRoute::read(b"<sip:[2001:db8::1]:5060;transport=tcp;lr;ut=00ff>").expect("a plain one");
        assert_eq!(ours.address, "[2001:db8::1]:5060".parse().unwrap());
        assert_eq!(
            ["ut", "UT", "lr", "x"].map(|name| ours.param(name)),
            [Some(&b"00ff"[..]), Some(b"00ff"), None, None]
        );
        for other in [
            "<sip:192.0.2.1;lr>",
            "<sip:a@192.0.2.1:5060;lr>",
            "<sip:pbx.example.com:5060;lr>",
            "<sip:192.0.2.1:5060;lr>, <sip:192.0.2.2:5060;lr>",
            "<sip:192.0.2.1:5060;lr>;x",
            "<sip:192.0.2.1:5060;;lr>",
            "<sip:192.0.2.1:5060;ut=1;ut=2>",
            "<sip:192.0.2.1:5060;a;b;c;d;e;f;g;h;i>",
            "\"P\" <sip:192.0.2.1:5060;lr>",
            "",
        ] {
            assert_eq!(PlainRoute::read(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_reads_as_the_parser_reads_it(
            value in "<sip:(192\\.0\\.2\\.1|\\[::1\\]|\\[1:2%1\\]|01\\.2\\.3\\.4)(:0?[0-9]{0,5})?(;(ut|UT|lr|maddr|ttl|transport|-)?(=[a-z0-9.:-]{0,3})?){0,4}>?"
        ) {
            if let Some(plain) = PlainRoute::read(value.as_bytes()) {
                let uri = Route::decode(value.as_bytes()).expect("a Route").0.uri;
                let Some(Host::Ip(ip)) = uri.host() else { panic!("{value}") };
                prop_assert_eq!(Some(plain.address), uri.port().map(|port| SocketAddr::new(*ip, port)));
                prop_assert_eq!(plain.param("ut"), uri.params().and_then(|params| params.value("ut")));
            }
        }
    }
}
