//! The lines of a description, and what stands in `c=` and `a=rtcp`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use super::{BODY_BYTES_MAX, Direction, LINES_MAX, SdpError, edit::Piece};

/// A line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// What stands before the equals sign. `None`: a blank line.
    pub(super) letter: Option<u8>,
    /// All of it, with its end.
    pub(super) whole: Piece<'a>,
    /// What stands after the equals sign, without the line's end.
    pub(super) value: Piece<'a>,
}

/// What stands in an `a=` line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    name: Piece<'a>,
    /// What stands after the colon.
    pub(super) value: Piece<'a>,
}

/// What stands in a `c=` line.
#[derive(Clone, Debug)]
pub(super) struct Connection<'a> {
    /// All of it.
    pub(super) value: Piece<'a>,
    /// Network, type and address: they change together.
    pub(super) span: Range<usize>,
    /// The address, when it is one of the Internet and not a name.
    pub(super) address: Option<IpAddr>,
}

/// What stands in an `a=rtcp` (RFC 3605).
#[derive(Clone, Debug)]
pub(super) struct Rtcp<'a> {
    /// The port, as it stands there.
    pub(super) port: Piece<'a>,
    /// The port.
    pub(super) number: u16,
    /// The address, where it has its own.
    pub(super) connection: Option<Connection<'a>>,
}

/// The lines of `body`.
pub(super) fn read(body: &[u8]) -> Result<Vec<Line<'_>>, SdpError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(SdpError::TooLarge);
    }
    let mut lines = Vec::new();
    for whole in Piece::whole(body).lines() {
        if lines.len() == LINES_MAX {
            return Err(SdpError::TooLarge);
        }
        lines.push(Line::read(whole)?);
    }
    Ok(lines)
}

/// The `c=` among `lines`. Several must agree: media goes to one place.
pub(super) fn connection<'a>(lines: &[Line<'a>]) -> Result<Option<Connection<'a>>, SdpError> {
    let mut found: Option<Connection<'a>> = None;
    for line in lines.iter().filter(|line| line.letter == Some(b'c')) {
        let connection = Connection::read(line.value)?;
        if found.as_ref().is_some_and(|first| first.value.bytes != connection.value.bytes) {
            return Err(SdpError::Connection);
        }
        found.get_or_insert(connection);
    }
    Ok(found)
}

impl<'a> Line<'a> {
    fn read(whole: Piece<'a>) -> Result<Self, SdpError> {
        let text = whole.without_line_end();
        let nothing = Self { letter: None, whole, value: text.between(text.end(), text.end()) };
        match text.bytes {
            // Some peers send the zero that ends a string in C.
            blank if blank.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0)) => Ok(nothing),
            [letter, b'=', value @ ..] if letter.is_ascii_alphabetic() && !value.iter().any(|byte| is_odd(*byte)) => {
                Ok(Self { letter: Some(*letter), whole, value: text.between(text.start + 2, text.end()) })
            }
            _ => Err(SdpError::Line),
        }
    }

    /// Whether it begins the description of a medium.
    pub(super) fn is_media(&self) -> bool {
        self.letter == Some(b'm')
    }

    /// What stands in it, when it is an `a=`.
    pub(super) fn attribute(&self) -> Option<Attribute<'a>> {
        let value = (self.letter == Some(b'a')).then_some(self.value)?;
        let nothing = value.between(value.end(), value.end());
        let (name, value) = value.split_once(b':').unwrap_or((value, nothing));
        Some(Attribute { name: name.trim(), value })
    }

    /// Its end, CRLF or LF, unless the body ends before it.
    pub(super) fn line_end(&self) -> Option<&'a [u8]> {
        let end = self.whole.between(self.value.end(), self.whole.end()).bytes;
        Some(end).filter(|end| end.ends_with(b"\n"))
    }
}

/// A byte that no line may have within (RFC 8866 §9, `byte-string`): another reader may see two lines there.
const fn is_odd(byte: u8) -> bool {
    matches!(byte, b'\r' | 0)
}

impl Attribute<'_> {
    /// Whether this is its name. RFC 8866 wants it in the right case; some peers do not care, so neither do we.
    pub(super) fn is(self, name: &str) -> bool {
        self.name.is(name)
    }

    /// Whether its name begins with this.
    pub(super) fn begins(self, name: &str) -> bool {
        self.name.bytes.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The direction, when it is one.
    pub(super) fn direction(self) -> Option<Direction> {
        Direction::ALL.into_iter().find(|direction| self.is(direction.name()))
    }
}

impl<'a> Connection<'a> {
    /// Reads `IN IP4 192.0.2.1`, with a TTL and a count after it or without.
    pub(super) fn read(value: Piece<'a>) -> Result<Self, SdpError> {
        let mut tokens = value.tokens();
        let [Some(network), Some(kind), Some(address)] = [tokens.next(), tokens.next(), tokens.next()] else {
            return Err(SdpError::Connection);
        };
        let bare = address.split_once(b'/').map_or(address, |(bare, _)| bare);
        let ip = network.is("IN").then(|| internet_address(kind, bare)).flatten();
        Ok(Self { value, span: network.start..address.end(), address: ip })
    }

    /// Whether it is the address that says: send nothing (RFC 3264 §8.4).
    pub(super) fn is_hold(&self) -> bool {
        self.address.is_some_and(|address| address.is_unspecified())
    }
}

fn internet_address(kind: Piece<'_>, address: Piece<'_>) -> Option<IpAddr> {
    let text = address.text()?;
    // A name that never resolves stands for "no address" (RFC 2606 §2).
    let is_nowhere = text.rsplit('.').next().is_some_and(|top| top.eq_ignore_ascii_case("invalid"));
    if kind.is("IP4") {
        let nowhere = is_nowhere.then_some(Ipv4Addr::UNSPECIFIED);
        nowhere.or_else(|| text.parse().ok()).map(IpAddr::V4)
    } else if kind.is("IP6") {
        let nowhere = is_nowhere.then_some(Ipv6Addr::UNSPECIFIED);
        nowhere.or_else(|| text.parse().ok()).map(IpAddr::V6)
    } else {
        None
    }
}

impl<'a> Rtcp<'a> {
    /// Reads `53020` or `53020 IN IP4 192.0.2.1`.
    pub(super) fn read(value: Piece<'a>) -> Result<Self, SdpError> {
        let port = value.tokens().next().ok_or(SdpError::Rtcp)?;
        let number = port.number().ok_or(SdpError::Rtcp)?;
        let rest = value.between(port.end(), value.end());
        let connection = match rest.tokens().next() {
            Some(_) => Some(Connection::read(rest).map_err(|_| SdpError::Rtcp)?),
            None => None,
        };
        Ok(Self { port, number, connection })
    }
}
