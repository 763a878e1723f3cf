//! An RTP packet, read once.

use rtp_rs::{RtpReader, Seq};

/// Whether a datagram is RTCP, where both come to one port (RFC 5761 §4).
pub(super) fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// An RTP packet (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    /// The header as it came, with contributing sources and extension.
    pub(crate) header: &'a [u8],
    /// What it carries, without padding.
    pub(crate) payload: &'a [u8],
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` when it is none, RTCP included (RFC 5761 §4).
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let reader = RtpReader::new(bytes).ok()?;
        let header = bytes.get(..reader.payload_offset())?;
        (!is_rtcp(bytes)).then(|| Self {
            header,
            payload: reader.payload(),
            payload_type: reader.payload_type(),
            sequence: Seq::into(reader.sequence_number()),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
        })
    }
}

/// Bytes of a header of ours.
pub(super) const HEADER: usize = 12;

/// The fixed header of a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = 0x80;
        bytes[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

/// Sets the sequence number of a packet whose header has been read.
pub(super) fn set_sequence(packet: &mut [u8], sequence: u16) {
    if let Some(place) = packet.get_mut(2..4) {
        place.copy_from_slice(&sequence.to_be_bytes());
    }
}

/// Sets the timestamp of a packet whose header has been read.
pub(super) fn set_timestamp(packet: &mut [u8], timestamp: u32) {
    if let Some(place) = packet.get_mut(4..8) {
        place.copy_from_slice(&timestamp.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_of_ours_is_read_back() {
        let header = Header { marker: true, payload_type: 8, sequence: 65_535, timestamp: 7, ssrc: 0xdead_beef };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend([1, 2, 3]);
        let packet = Packet::read(&bytes).unwrap();
        let Packet { payload_type, sequence, timestamp, ssrc, .. } = packet;
        assert_eq!(Header { marker: bytes[1] & 0x80 != 0, payload_type, sequence, timestamp, ssrc }, header);
        assert_eq!((packet.header.len(), packet.payload), (HEADER, &[1, 2, 3][..]));
        set_sequence(&mut bytes, 9);
        assert_eq!(Packet::read(&bytes).unwrap().sequence, 9);
    }

    #[test]
    fn extension_and_padding_are_no_sound() {
        let mut bytes = vec![0xb0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 9, 9, 9, 9];
        bytes.extend([5, 6, 0, 2]);
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!((packet.header.len(), packet.payload), (20, &[5, 6][..]));
    }

    #[test]
    fn rtcp_is_no_rtp() {
        assert!(Packet::read(&[0x80, 200, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(packet) = Packet::read(&bytes) {
                prop_assert!(packet.header.len() + packet.payload.len() <= bytes.len());
            }
        }
    }
}
