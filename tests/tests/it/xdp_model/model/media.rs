//! Telling RTP, RTCP and everything else apart.

use undertone_abi::{Kind, Reason};

/// What a datagram carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Media {
    Rtp(Heard),
    Rtcp,
    Other,
}

/// What a stream's quality is judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) ssrc: u32,
}

/// What `payload` is, on a port that carries `kind`.
pub(super) fn classify(payload: &[u8], kind: Kind) -> Result<Media, Reason> {
    if kind == Kind::Datagrams {
        return Ok(Media::Other);
    }
    let first = *payload.first().ok_or(Reason::BadRtp)?;
    // RFC 7983: 128 to 191 is RTP and RTCP, all else belongs to STUN, DTLS and others.
    if !(128..=191).contains(&first) {
        return if kind == Kind::DtlsSrtp { Ok(Media::Other) } else { Err(Reason::NotRtp) };
    }
    // The shortest of them is an empty receiver report.
    if payload.len() < 8 {
        return Err(Reason::BadRtp);
    }
    // RFC 5761, section 4.
    let is_rtcp = (192..=223).contains(&payload[1]);
    match kind {
        Kind::Rtp if is_rtcp => Err(Reason::WrongKind),
        Kind::Rtcp if !is_rtcp => Err(Reason::WrongKind),
        Kind::Free => Err(Reason::WrongKind),
        _ if is_rtcp => rtcp(payload),
        _ => rtp(payload).ok_or(Reason::BadRtp),
    }
}

fn rtcp(packet: &[u8]) -> Result<Media, Reason> {
    let bytes = 4 * (1 + usize::from(u16::from_be_bytes([packet[2], packet[3]])));
    if (8..=packet.len()).contains(&bytes) { Ok(Media::Rtcp) } else { Err(Reason::BadRtp) }
}

fn rtp(packet: &[u8]) -> Option<Media> {
    let contributing = 4 * usize::from(packet[0] & 0xf);
    let after_sources = packet.get(12 + contributing..)?;
    let after_extension = if packet[0] & 0x10 == 0 {
        after_sources
    } else {
        let length = after_sources.get(2..4)?;
        let words = usize::from(u16::from_be_bytes([length[0], length[1]]));
        after_sources.get(4 + 4 * words..)?
    };
    if packet[0] & 0x20 != 0 {
        let padding = usize::from(*after_extension.last()?);
        if padding == 0 || padding > after_extension.len() {
            return None;
        }
    }
    Some(Media::Rtp(Heard {
        payload_type: packet[1] & 0x7f,
        sequence: u16::from_be_bytes([packet[2], packet[3]]),
        ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
    }))
}
