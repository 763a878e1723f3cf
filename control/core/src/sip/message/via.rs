//! The first hop of a Via.
//!
//! Nearly all are written without blanks and quotation marks, and of those nothing has to be taken apart that nobody asks
//! for. The others are left to `sipx-sip`; where both can read a Via, they read the same.

use bytes::Bytes;
use sipx::{Via, message::TypedHeader as _};
use sipx_sip as sipx;

use super::Hop;

/// The first hop of a Via's value; `None` where it cannot be read.
pub(super) fn first_hop(value: &[u8]) -> Option<Hop> {
    Plain::read(value).map(Hop::from).or_else(|| Via::decode(value).as_ref().map(Hop::from).ok())
}

/// Whether the first hop of a Via's value can be read.
pub(super) fn is_readable(value: &[u8]) -> bool {
    Plain::read(value).is_some() || Via::decode(value).is_ok()
}

/// `SIP/2.0/UDP host:port;name;name=value`, a name or an IPv4 address for the host and tokens for everything else.
struct Plain<'v> {
    sent_by: &'v [u8],
    port: Option<u16>,
    branch: &'v [u8],
    rport: bool,
}

impl<'v> Plain<'v> {
    fn read(value: &'v [u8]) -> Option<Self> {
        let (protocol, rest) = split(value, b' ')?;
        let mut words = protocol.split(|byte| *byte == b'/');
        let has_three = words.by_ref().take(3).filter(|word| is_token(word)).count() == 3 && words.next().is_none();
        let mut parts = rest.split(|byte| *byte == b';');
        let sent_by = parts.next()?;
        let (host, port) = match split(sent_by, b':') {
            Some((host, port)) => (host, Some(self::port(port)?)),
            None => (sent_by, None),
        };
        if !has_three || host.is_empty() || !host.iter().all(|byte| is_of_name(*byte)) {
            return None;
        }
        let (mut branch, mut rport) = (None, false);
        for part in parts {
            let (name, value) = split(part, b'=').map_or((part, None), |(name, value)| (name, Some(value)));
            if !is_token(name) || !value.is_none_or(is_token) {
                return None;
            }
            if name.eq_ignore_ascii_case(b"branch") {
                branch = branch.or(Some(value.unwrap_or_default()));
            }
            rport |= name.eq_ignore_ascii_case(b"rport");
        }
        Some(Self { sent_by, port, branch: branch.unwrap_or_default(), rport })
    }
}

impl From<Plain<'_>> for Hop {
    fn from(plain: Plain<'_>) -> Self {
        let Plain { sent_by, port, branch, rport } = plain;
        Self { branch: Bytes::copy_from_slice(branch), sent_by: sent_by.to_ascii_lowercase().into(), port, rport }
    }
}

impl From<&Via> for Hop {
    fn from(via: &Via) -> Self {
        let port = via.port.map(|port| format!(":{port}")).unwrap_or_default();
        Self {
            branch: Bytes::copy_from_slice(via.branch().unwrap_or_default()),
            sent_by: format!("{}{port}", via.host).to_ascii_lowercase().into(),
            port: via.port,
            rport: via.rport().is_some(),
        }
    }
}

/// A port as it would be written again.
fn port(digits: &[u8]) -> Option<u16> {
    let is_plain = digits.iter().all(u8::is_ascii_digit) && digits.first().is_some_and(|first| *first != b'0');
    std::str::from_utf8(digits).ok().filter(|_| is_plain)?.parse().ok()
}

/// RFC 3261 §25.1.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_of_name(*byte) || b"!%*+`'~".contains(byte))
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_parser(value: &[u8]) -> Option<Hop> {
        Via::decode(value).as_ref().map(Hop::from).ok()
    }

    #[test]
    fn what_everybody_writes_is_plain() {
        for value in [
            "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1.0.abc",
            "SIP/2.0/TLS Pbx.example.com;BRANCH=z9hG4bK-1;received=192.0.2.1;rport=5061;branch=second",
            "SIP/2.0/UDP a",
        ] {
            let hop = Plain::read(value.as_bytes()).map(Hop::from);
            assert!(hop.is_some() && hop == by_parser(value.as_bytes()), "{value}: {hop:?}");
        }
    }

    #[test]
    fn the_rest_is_read_all_the_same() {
        for value in [
            "SIP / 2.0 / UDP  192.0.2.1 ; branch = z9hG4bK1",
            "SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1",
            "SIP/2.0/UDP a:05060;branch=\"x\", SIP/2.0/UDP b",
        ] {
            assert!(Plain::read(value.as_bytes()).is_none() && first_hop(value.as_bytes()).is_some(), "{value}");
        }
        assert_eq!(first_hop(b"SIP/2.0/UDP a:5060:1"), None);
    }

    proptest! {
        #[test]
        fn what_is_plain_reads_as_the_parser_reads_it(
            value in "(SIP|S!)(/2\\.0|/|/2/0)/?(UDP|tls)? {1,2}[a-zA-Z0-9._:-]{0,12}(:[0-9]{0,6})?(;{1,2}(rport|Branch|lr|x)?(=[!-~]{0,3}| )?){0,4}"
        ) {
            if let Some(plain) = Plain::read(value.as_bytes()).map(Hop::from) {
                prop_assert_eq!(Some(plain), by_parser(value.as_bytes()));
            }
        }
    }
}
