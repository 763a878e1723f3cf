//! RTP packets (RFC 3550, section 5.1) and the clean streams they come in.

use std::time::Duration;

use rtp_rs::{RtpPacketBuilder, RtpReader};

use crate::{Error, Result};

/// An RTP packet without contributing sources and header extension.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// The payload type, 0 to 127; 0 is PCMU (RFC 3551).
    pub payload_type: u8,
    /// The marker bit: for audio, the first packet after a silence.
    pub marker: bool,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp, in units of the stream's clock.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Reads a datagram; contributing sources, extension and padding are left out.
    pub fn parse(datagram: &[u8]) -> Result<Self> {
        let reader = RtpReader::new(datagram).map_err(|error| Error::Invalid(format!("no RTP packet: {error:?}")))?;
        Ok(Self {
            payload_type: reader.payload_type(),
            marker: reader.mark(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
            payload: reader.payload().to_vec(),
        })
    }

    /// The datagram.
    pub fn to_bytes(&self) -> Vec<u8> {
        let builder = RtpPacketBuilder::new()
            .payload_type(self.payload_type & 0x7f)
            .marked(self.marker)
            .sequence(self.sequence.into())
            .timestamp(self.timestamp)
            .ssrc(self.ssrc)
            .payload(&self.payload);
        builder.build().expect("a packet with a payload type of seven bits and no extension can be built")
    }
}

/// The numbering of a stream's packets: what stands in their headers, and how far apart they are.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The synchronisation source.
    pub ssrc: u32,
    /// The payload type.
    pub payload_type: u8,
    /// The first packet's sequence number.
    pub first_sequence: u16,
    /// The first packet's timestamp.
    pub first_timestamp: u32,
    /// How many units of the clock a packet lasts.
    pub samples_per_packet: u32,
    /// Units of the clock a second.
    pub clock_rate: u32,
}

impl Stream {
    /// G.711 µ-law in packets of 20 ms, the first with sequence number 1.
    pub const fn pcmu(ssrc: u32) -> Self {
        Self { ssrc, payload_type: 0, first_sequence: 1, first_timestamp: 0, samples_per_packet: 160, clock_rate: 8000 }
    }

    /// Numbered from here on, for example shortly before the numbers wrap.
    #[must_use]
    pub const fn starting_at(mut self, sequence: u16, timestamp: u32) -> Self {
        self.first_sequence = sequence;
        self.first_timestamp = timestamp;
        self
    }

    /// The time between two packets.
    pub fn ptime(&self) -> Duration {
        Duration::from_secs(self.samples_per_packet.into()) / self.clock_rate
    }

    /// Packets that carry these bytes, one byte a sample; a rest that does not fill a packet is left out.
    pub fn packets(&self, payload: &[u8]) -> Vec<Packet> {
        let chunks = payload.chunks_exact(self.samples_per_packet as usize);
        chunks.enumerate().map(|(index, chunk)| self.packet(index, chunk.to_vec())).collect()
    }

    /// Packets of which each has another payload: its index, over and over.
    pub fn numbered(&self, count: usize) -> Vec<Packet> {
        let payload = |index: usize| {
            let number = (index as u32).to_be_bytes();
            number.into_iter().cycle().take(self.samples_per_packet as usize).collect()
        };
        (0..count).map(|index| self.packet(index, payload(index))).collect()
    }

    fn packet(&self, index: usize, payload: Vec<u8>) -> Packet {
        let elapsed = (index as u32).wrapping_mul(self.samples_per_packet);
        Packet {
            payload_type: self.payload_type,
            marker: index == 0,
            sequence: self.first_sequence.wrapping_add(index as u16),
            timestamp: self.first_timestamp.wrapping_add(elapsed),
            ssrc: self.ssrc,
            payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_parsed() {
        for packet in Stream::pcmu(0xfeed_beef).starting_at(65_534, u32::MAX - 100).numbered(5) {
            assert_eq!(Packet::parse(&packet.to_bytes()).unwrap(), packet);
        }
    }

    #[test]
    fn a_packet_looks_as_the_rfc_draws_it() {
        let packet = &Stream::pcmu(0x0102_0304).starting_at(0x1122, 0x3344_5566).packets(&[7; 160])[0];
        let bytes = packet.to_bytes();
        assert_eq!(bytes[..12], [0x80, 0x80, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 1, 2, 3, 4]);
        assert_eq!(bytes[12..], [7; 160]);
    }

    #[test]
    fn numbers_wrap_and_time_goes_on() {
        let packets = Stream::pcmu(1).starting_at(65_535, u32::MAX).numbered(2);
        assert_eq!((packets[1].sequence, packets[1].timestamp, packets[1].marker), (0, 159, false));
        assert_eq!(Stream::pcmu(1).ptime(), Duration::from_millis(20));
    }

    #[test]
    fn what_is_not_rtp_is_refused() {
        assert!(Packet::parse(&[0x80; 11]).is_err());
        assert!(Packet::parse(&[0; 172]).is_err());
    }
}
