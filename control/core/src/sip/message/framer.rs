//! Messages out of a stream.

use sipx_sip::{Limits, StreamParser};

use super::{Malformed, Message};

/// Bytes of headers at most, and of one header.
const HEADERS_BYTES_MAX: usize = 64 << 10;

/// Cuts a stream into messages by their Content-Length (RFC 3261 §18.3).
#[derive(Debug)]
pub struct Framer {
    parser: StreamParser,
}

/// Where a stream's next message begins cannot be told any more: it has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is no SIP: {0}")]
pub struct Unframed(&'static str);

impl Default for Framer {
    fn default() -> Self {
        Self { parser: StreamParser::new(Limits::stream()) }
    }
}

impl Framer {
    /// Takes in what was read, and gives out the messages that are complete.
    pub fn push(&mut self, read: &[u8]) -> Result<Vec<Result<Message, Malformed>>, Unframed> {
        let messages = self.parser.push(read).map_err(|error| Unframed(super::malformed::cause(&error)))?;
        if self.parser.pending() > HEADERS_BYTES_MAX + super::BYTES_MAX {
            return Err(Unframed("Message Too Large"));
        }
        Ok(messages.into_iter().map(of).collect())
    }

    /// How many pings came since the last call, each of which wants a CRLF back (RFC 5626 §4.4.1).
    pub fn take_pings(&mut self) -> usize {
        self.parser.take_keepalives() / 2
    }

    /// Bytes of a message that is not complete.
    pub fn pending(&self) -> usize {
        self.parser.pending()
    }
}

fn of(message: sipx_sip::Message) -> Result<Message, Malformed> {
    let bytes = message.to_bytes();
    Message::of(message).map_err(|cause| Malformed::new(&bytes, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let one = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK1\r\nFrom: <sip:b>;tag=1\r\n\
                   To: <sip:a>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 3\r\n\r\nabc";
        let stream = format!("\r\n\r\n{one}{one}\r\n\r\n{one}");
        for size in [1, 7, 100, stream.len()] {
            let mut framer = Framer::default();
            let pieces = stream.as_bytes().chunks(size).map(|piece| framer.push(piece).expect("SIP"));
            let messages: Vec<_> = pieces.flatten().collect();
            assert_eq!(messages.len(), 3, "in pieces of {size}");
            assert!(messages.iter().all(|message| matches!(message, Ok(Message::Request(it)) if it.body() == b"abc")));
            assert_eq!((framer.take_pings(), framer.pending()), (2, 0));
        }
        assert!(Framer::default().push(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_err());
    }
}
