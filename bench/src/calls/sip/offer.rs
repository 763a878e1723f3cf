//! Offers and answers of one audio stream (RFC 3264).

use std::{borrow::Cow, net::SocketAddr};

use undertone_control_core::sdp::{Bodies, MediaKind, Sdp};

use crate::calls::media::Codec;

/// What the other side says about its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calls) struct Description {
    /// Where it wants the sound.
    pub(in crate::calls) remote: SocketAddr,
    /// The first codec of its list that we speak.
    pub(in crate::calls) codec: Codec,
}

impl Description {
    /// Reads it from a message's body; `None` when there is no stream that we could send.
    pub(in crate::calls) fn read(content_type: Option<Cow<'_, [u8]>>, body: &[u8]) -> Option<Self> {
        let bodies = Bodies::find(&content_type?, body).ok()?;
        let sdp = Sdp::parse(bodies.sdp().next()?).ok()?;
        let line = sdp.media().iter().find(|line| line.kind == MediaKind::Audio && line.port != 0)?;
        let codec = line.formats.iter().find_map(|format| Codec::ALL.into_iter().find(|codec| format.is(codec.name())));
        Some(Self { remote: line.destination?, codec: codec? })
    }
}

/// An offer or an answer of one stream at `local`.
pub(in crate::calls) fn describe(local: SocketAddr, codec: Codec) -> String {
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, port, payload_type, name) = (local.ip(), local.port(), codec.payload_type(), codec.name());
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {name}/8000\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_read() {
        for local in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
            let local = local.parse().unwrap();
            let sdp = describe(local, Codec::Pcma);
            let read = Description::read(Some(b"application/sdp"[..].into()), sdp.as_bytes());
            assert_eq!(read, Some(Description { remote: local, codec: Codec::Pcma }));
        }
        let other = describe("192.0.2.1:4000".parse().unwrap(), Codec::Pcmu).replace("AVP 0", "AVP 9");
        assert_eq!(Description::read(Some(b"application/sdp"[..].into()), other.as_bytes()), None);
        assert_eq!(Description::read(None, b""), None);
    }
}
