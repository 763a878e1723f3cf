//! Keys that are pressed, in INFO (the two bodies that phones have for it).

use crate::sip::message::Request;

/// The bodies of INFO that are read.
pub(crate) const DIGITS: &str = "application/dtmf-relay, application/dtmf";

/// What an INFO says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digits {
    /// A key was pressed, and for how long.
    Pressed(char, Option<u16>),
    /// Nothing: it has no body.
    Nothing,
    /// Its body is of a kind that is read, and cannot be.
    Unreadable,
    /// Its body is of another kind.
    Other,
}

/// Reads an INFO.
pub(crate) fn digits(request: &Request) -> Digits {
    let body = request.body();
    if body.is_empty() {
        return Digits::Nothing;
    }
    let kind = request.header("Content-Type").unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let pressed = if kind.eq_ignore_ascii_case(b"application/dtmf-relay") {
        relayed(body)
    } else if kind.eq_ignore_ascii_case(b"application/dtmf") {
        key(body).map(|key| (key, None))
    } else {
        return Digits::Other;
    };
    pressed.map_or(Digits::Unreadable, |(key, duration)| Digits::Pressed(key, duration))
}

/// Reads `Signal=5` and `Duration=160`, a line each.
fn relayed(body: &[u8]) -> Option<(char, Option<u16>)> {
    let mut signal = None;
    let mut duration = None;
    for line in body.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let mut halves = line.splitn(2, |byte| matches!(byte, b'=' | b':')).map(<[u8]>::trim_ascii);
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
        if name.eq_ignore_ascii_case(b"Signal") {
            signal = signal.or(Some(key(value)?));
        } else if name.eq_ignore_ascii_case(b"Duration") {
            duration = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        }
    }
    Some((signal?, duration))
}

/// The key of a text: itself, or its number among telephone events (RFC 4733 §3.2), as some write it.
fn key(text: &[u8]) -> Option<char> {
    match text.trim_ascii() {
        [key @ (b'0'..=b'9' | b'*' | b'#')] => Some(char::from(*key)),
        [key @ (b'A'..=b'D' | b'a'..=b'd')] => Some(char::from(key.to_ascii_uppercase())),
        b"10" => Some('*'),
        b"11" => Some('#'),
        [b'1', last @ b'2'..=b'5'] => Some(char::from(b'A' + (last - b'2'))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Message;

    fn read(kind: &str, body: &str) -> Digits {
        let text = format!(
            "INFO sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
             Call-ID: 1\r\nCSeq: 1 INFO\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else { panic!("a request: {text}") };
        digits(&request)
    }

    #[test]
    fn keys_are_read_as_phones_write_them() {
        let relay = "application/dtmf-relay";
        assert_eq!(read(relay, "Signal=5\r\nDuration=160\r\n"), Digits::Pressed('5', Some(160)));
        assert_eq!(read("Application/DTMF-Relay; x=y", "signal= *\nduration= 250"), Digits::Pressed('*', Some(250)));
        assert_eq!(read(relay, "Signal=11\r\n"), Digits::Pressed('#', None));
        assert_eq!(read(relay, "Signal=d\r\nDuration=99999999"), Digits::Pressed('D', None));
        for (text, key) in [("8", '8'), ("#\r\n", '#'), ("10", '*'), (" 12 ", 'A'), ("15", 'D'), ("b", 'B')] {
            assert_eq!(read("application/dtmf", text), Digits::Pressed(key, None), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for body in ["Duration=100\r\n", "Signal=\r\n", "Signal=55\r\n", "Signal=16", "\u{0}\u{ff}", "==", "Signal"] {
            assert_eq!(read("application/dtmf-relay", body), Digits::Unreadable, "{body:?}");
        }
        assert_eq!(read("application/dtmf", "E"), Digits::Unreadable);
        assert_eq!(read("application/dtmf", ""), Digits::Nothing);
        assert_eq!(read("text/plain", "5"), Digits::Other);
    }
}
