//! Descriptions of our own, as they are written.

use std::net::SocketAddr;

use undertone_core::mixer::Codec;

use super::{format::Numbering, session::Ways};
use crate::sdp::{MediaLine, Sdp};

/// Milliseconds of sound in a packet at most that we take.
const PACKET_MS_MAX: u16 = 60;

/// One description of ours, but for its `o=`.
#[derive(Debug)]
pub(super) struct Description<'a> {
    /// Where media comes to.
    pub(super) local: SocketAddr,
    /// Every media line as it is when it is rejected, in the order of the session; empty for ours alone.
    pub(super) lines: &'a [Vec<u8>],
    /// Which of them is ours.
    pub(super) place: usize,
    /// The transport, as the other end wrote it.
    pub(super) transport: &'a [u8],
    /// The `t=` of the offer that it answers.
    pub(super) time: &'a [u8],
    pub(super) numbering: &'a Numbering,
    pub(super) packet_ms: u8,
    pub(super) ways: Ways,
    pub(super) rtcp_mux: bool,
}

impl Description<'_> {
    /// What stands behind the `o=`.
    pub(super) fn write(&self) -> Vec<u8> {
        let ip = self.local.ip();
        let version = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let mut out = format!("s=Undertone\r\nc=IN {version} {ip}\r\nt=").into_bytes();
        out.extend_from_slice(self.time);
        out.extend_from_slice(b"\r\n");
        for (place, rejected) in self.lines.iter().enumerate() {
            if place == self.place {
                self.write_line(&mut out);
            } else {
                out.extend_from_slice(rejected);
                out.extend_from_slice(b"\r\n");
            }
        }
        if self.lines.len() <= self.place {
            self.write_line(&mut out);
        }
        out
    }

    fn write_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("m=audio {} ", self.local.port()).as_bytes());
        out.extend_from_slice(self.transport);
        let Numbering { codecs, events, comfort_noise } = self.numbering;
        let numbers = codecs.iter().map(|it| it.1).chain(*comfort_noise).chain(events.iter().map(|it| it.1));
        out.extend_from_slice(numbers.map(|number| format!(" {number}")).collect::<String>().as_bytes());
        out.extend_from_slice(b"\r\n");
        let mut attribute = |text: String| out.extend_from_slice(format!("a={text}\r\n").as_bytes());
        for (codec, number) in codecs {
            attribute(format!("rtpmap:{number} {}", codec.rtpmap()));
            if *codec == Codec::Opus {
                // Others may conceal our losses, and need not send silence.
                attribute(format!("fmtp:{number} useinbandfec=1"));
            }
        }
        if let (Some(number), Some((codec, _))) = (comfort_noise, codecs.first()) {
            attribute(format!("rtpmap:{number} CN/{}", codec.clock().hz()));
        }
        for (hz, number) in events {
            attribute(format!("rtpmap:{number} telephone-event/{hz}"));
            attribute(format!("fmtp:{number} 0-15"));
        }
        attribute(format!("ptime:{}", self.packet_ms));
        attribute(format!("maxptime:{PACKET_MS_MAX}"));
        if self.rtcp_mux {
            attribute("rtcp-mux".into());
        }
        attribute(self.ways.direction().name().into());
    }
}

/// A media line of an offer as it is when it is rejected (RFC 3264 §6): what it is about, port 0, and one format.
pub(super) fn rejected(sdp: &Sdp<'_>, line: &MediaLine<'_>) -> Vec<u8> {
    let mut tokens = sdp.head(line).split(|byte| matches!(byte, b' ' | b'\t')).filter(|token| !token.is_empty());
    let mut token = |otherwise: &'static [u8]| tokens.next().filter(|token| token.len() <= 64).unwrap_or(otherwise);
    let (kind, _, transport, format) = (token(b"other"), token(b"0"), token(b"RTP/AVP"), token(b"0"));
    [b"m=", kind, b" 0 ", transport, b" ", format].concat()
}

/// The transport of a media line, as it is written there.
pub(super) fn transport<'a>(sdp: &Sdp<'a>, line: &MediaLine<'a>) -> &'a [u8] {
    let mut tokens = sdp.head(line).split(|byte| matches!(byte, b' ' | b'\t')).filter(|token| !token.is_empty());
    tokens.nth(2).unwrap_or(b"RTP/AVP")
}
