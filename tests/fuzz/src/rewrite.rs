//! What was a good packet leaves as a good packet, to where it was to go.

use arbitrary::{Result, Unstructured};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use undertone_abi::{Address, Dscp, Endpoint, Hop, Tag};
use undertone_wire::{Datagram, Rewrite};

use super::frame::Buffer;

/// Bytes of RTP without which a packet has no sequence number to change.
const RTP: usize = 12;

/// How a packet leaves, and behind it the packet.
pub fn rewrite(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(rewrite) = read(&mut input) else { return };
    let frame = input.take_rest();
    let mut buffer = Buffer::new(frame);
    let Ok(datagram) = Datagram::parse(&buffer) else { return };
    // What is not whole, and what is no RTP, gets no further in the product either.
    let Some(length) = datagram.payload_length() else { return };
    let sequence_offset = if length < RTP { 0 } else { rewrite.sequence_offset };
    let was_right = is_right(frame);
    if (Rewrite { sequence_offset, ..rewrite }).apply(&mut buffer, &datagram).is_err() {
        return;
    }
    let left = Datagram::parse(&buffer).expect("a datagram leaves");
    assert_eq!((left.source, left.destination), (rewrite.from, rewrite.to));
    assert_eq!(left.payload_length(), Some(length));
    assert!(!was_right || is_right(buffer.bytes()), "its checksums were right: {left:?}");
}

/// Whether somebody else finds every checksum right that is there.
fn is_right(frame: &[u8]) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { return false };
    let (header, payload) = (udp.to_header(), udp.payload());
    let (udp_checksum, is_header_right) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let ip = ip.header().to_header();
            let checksum = header.calc_checksum_ipv4(&ip, payload);
            (checksum, ip.calc_header_checksum() == ip.header_checksum)
        }
        Some(NetSlice::Ipv6(ip)) => (header.calc_checksum_ipv6(&ip.header().to_header(), payload), true),
        _ => return false,
    };
    let is_unsummed = header.checksum == 0 && matches!(packet.net, Some(NetSlice::Ipv4(_)));
    is_header_right && (is_unsummed || udp_checksum.is_ok_and(|checksum| checksum == header.checksum))
}

fn read(input: &mut Unstructured<'_>) -> Result<Rewrite> {
    let is_v4 = input.arbitrary()?;
    let (from, to) = (endpoint(input, is_v4)?, endpoint(input, is_v4)?);
    let tag = |input: &mut Unstructured<'_>| Ok(Tag { tpid: 0x8100, tci: input.arbitrary()? });
    let hop = Hop {
        resolved: true,
        device: 0,
        tags: input.int_in_range(0..=2)?,
        mtu: input.arbitrary()?,
        outer: tag(input)?,
        inner: tag(input)?,
        macs: Hop::macs(input.arbitrary()?, input.arbitrary()?),
    };
    let dscp = Dscp::new(input.arbitrary()?);
    Ok(Rewrite { from, to, hop, dscp, ttl_step: input.int_in_range(0..=1)?, sequence_offset: input.arbitrary()? })
}

fn endpoint(input: &mut Unstructured<'_>, is_v4: bool) -> Result<Endpoint> {
    let address = if is_v4 { Address::v4(input.arbitrary()?) } else { Address(input.arbitrary()?) };
    // An IPv4-mapped address stands for IPv4 in the tables, and never in an IPv6 header.
    if address.is_v4() != is_v4 {
        return Err(arbitrary::Error::IncorrectFormat);
    }
    Ok(Endpoint { address, port: input.arbitrary()? })
}
