//! What a UDP payload is: RTP, RTCP, or something else.

use undertone_abi::{Kind, Reason, Rtp};

use crate::Frame;

/// Bytes of an RTP header without contributing sources, RFC 3550, section 5.1.
const RTP: usize = 12;
/// Bytes of the shortest RTCP packet: a header and one SSRC, RFC 3550, section 6.
const RTCP: usize = 8;

/// A payload that a media port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// RTP.
    Rtp(Rtp),
    /// RTCP.
    Rtcp,
    /// What a port of its kind relays without a look.
    Other,
}

impl Media {
    /// Tells what the `length` bytes from `offset` on are, on a port that carries `kind`.
    ///
    /// - [`Reason::NotRtp`]: for user space, by the first byte (RFC 7983 as updated by RFC 9443), unless the port relays
    ///   that too.
    /// - [`Reason::BadRtp`]: claims to be RTP or RTCP, and is not.
    /// - [`Reason::WrongKind`]: valid, but not what this port carries.
    #[inline(always)]
    pub fn parse(frame: &impl Frame, offset: usize, length: usize, kind: Kind) -> Result<Self, Reason> {
        if matches!(kind, Kind::Datagrams) {
            return Ok(Self::Other);
        }
        let first = match (length, frame.read::<1>(offset)) {
            (1.., Some([first])) => *first,
            _ => return Err(Reason::BadRtp),
        };
        if !(128..=191).contains(&first) {
            return if matches!(kind, Kind::DtlsSrtp) { Ok(Self::Other) } else { Err(Reason::NotRtp) };
        }
        if length < RTCP {
            return Err(Reason::BadRtp);
        }
        let header = frame.read::<RTCP>(offset).ok_or(Reason::BadRtp)?;
        // RFC 5761, section 4: these payload types are RTCP's.
        let is_rtcp = (192..=223).contains(&header[1]);
        match (is_rtcp, kind) {
            (true, Kind::Rtcp | Kind::RtpMux | Kind::DtlsSrtp) => parse_rtcp(header, length),
            (false, Kind::Rtp | Kind::RtpMux | Kind::DtlsSrtp) => parse_rtp(frame, offset, length),
            _ => Err(Reason::WrongKind),
        }
    }
}

#[inline(always)]
fn parse_rtcp(header: &[u8; RTCP], length: usize) -> Result<Media, Reason> {
    let words = u16::from_be_bytes([header[2], header[3]]) as usize + 1;
    if words * 4 < RTCP || words * 4 > length { Err(Reason::BadRtp) } else { Ok(Media::Rtcp) }
}

#[inline(always)]
fn parse_rtp(frame: &impl Frame, offset: usize, length: usize) -> Result<Media, Reason> {
    let header = frame.read::<RTP>(offset).ok_or(Reason::BadRtp)?;
    let has = |bit: u8| header[0] & bit != 0;
    let mut payload = RTP + 4 * (header[0] & 0xf) as usize;
    if has(0x10) && payload + 4 <= length {
        let extension = frame.peek::<4>(offset + payload).ok_or(Reason::BadRtp)?;
        payload += 4 * u16::from_be_bytes([extension[2], extension[3]]) as usize;
    }
    if has(0x10) {
        payload += 4;
    }
    if payload > length {
        return Err(Reason::BadRtp);
    }
    if has(0x20) {
        let [padding] = frame.peek::<1>(offset + length - 1).ok_or(Reason::BadRtp)?;
        if padding == 0 || padding as usize > length - payload {
            return Err(Reason::BadRtp);
        }
    }
    Ok(Media::Rtp(Rtp {
        payload_type: header[1] & 0x7f,
        sequence: u16::from_be_bytes([header[2], header[3]]),
        timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Buffer;

    const RTP_PACKET: [u8; 14] = [0x80, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xaa, 0xbb];

    fn parse(packet: &[u8], kind: Kind) -> Result<Media, Reason> {
        Media::parse(&Buffer::new(0, packet), 0, packet.len(), kind)
    }

    fn with_first(first: u8) -> Vec<u8> {
        let mut packet = RTP_PACKET.to_vec();
        packet[0] = first;
        packet
    }

    #[test]
    fn rtp_is_read() {
        let rtp = Rtp { payload_type: 0, sequence: 0x0102, timestamp: 0x0304_0506, ssrc: 0x0708_090a };
        assert_eq!(parse(&RTP_PACKET, Kind::Rtp), Ok(Media::Rtp(rtp)));
    }

    #[test]
    fn the_first_byte_says_whose_a_packet_is() {
        for first in 0..=255_u8 {
            let [result, relayed] = [Kind::RtpMux, Kind::DtlsSrtp].map(|kind| parse(&with_first(first), kind));
            let is_media = (128..=191).contains(&first);
            assert_eq!(result == Err(Reason::NotRtp), !is_media, "{first}: {result:?}");
            assert_eq!(relayed == Ok(Media::Other), !is_media, "{first}: {relayed:?}");
        }
    }

    #[test]
    fn contributing_sources_extension_and_padding_must_fit() {
        assert_eq!(parse(&with_first(0x81), Kind::Rtp), Err(Reason::BadRtp), "one CSRC does not fit in 14 bytes");
        assert_eq!(parse(&with_first(0x90), Kind::Rtp), Err(Reason::BadRtp), "no extension header in 14 bytes");
        assert_eq!(parse(&with_first(0xa0), Kind::Rtp), Err(Reason::BadRtp), "0xbb bytes of padding");
        let mut padded = with_first(0xa0);
        padded[13] = 2;
        assert!(parse(&padded, Kind::Rtp).is_ok());
        padded[13] = 0;
        assert_eq!(parse(&padded, Kind::Rtp), Err(Reason::BadRtp));
        let mut extended = with_first(0x90);
        extended.truncate(12);
        extended.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        assert!(parse(&extended, Kind::Rtp).is_ok());
        extended[15] = 2;
        assert_eq!(parse(&extended, Kind::Rtp), Err(Reason::BadRtp));
    }

    #[test]
    fn the_kind_of_the_port_decides() {
        let rtcp = [0x81, 201, 0, 1, 1, 2, 3, 4];
        let table = [
            (Kind::Rtp, Ok(()), Err(Reason::WrongKind)),
            (Kind::Rtcp, Err(Reason::WrongKind), Ok(())),
            (Kind::RtpMux, Ok(()), Ok(())),
            (Kind::DtlsSrtp, Ok(()), Ok(())),
            (Kind::Datagrams, Ok(()), Ok(())),
        ];
        for (kind, rtp_result, rtcp_result) in table {
            assert_eq!(parse(&RTP_PACKET, kind).map(|_| ()), rtp_result, "{kind:?}");
            assert_eq!(parse(&rtcp, kind).map(|_| ()), rtcp_result, "{kind:?}");
        }
    }

    #[test]
    fn datagrams_may_be_anything_even_nothing() {
        for datagram in [&[][..], &[0x80], &RTP_PACKET] {
            assert_eq!(parse(datagram, Kind::Datagrams), Ok(Media::Other));
        }
    }

    #[test]
    fn an_rtcp_length_beyond_the_packet_is_refused() {
        assert_eq!(parse(&[0x80, 200, 0, 6, 0, 0, 0, 1], Kind::Rtcp), Err(Reason::BadRtp));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(packet in prop::collection::vec(any::<u8>(), 0..64), kind in prop::sample::select(&Kind::ALL)) {
            let _ = parse(&packet, kind);
        }
    }
}
