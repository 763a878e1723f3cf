//! Sending a packet on.

use std::net::Ipv6Addr;

use arbitrary::{Arbitrary, Unstructured};
use undertone_abi::{Address, Dscp, Endpoint, Hop, Reason, Tag};
use undertone_wire::{Buffer, Datagram, Rewrite, ethertype};

/// The shortest payload that can be RTP: others have no sequence number to move.
const RTP_BYTES_MIN: usize = 12;

/// The longest media without a checksum that are given one.
const SUMMED_BYTES_MAX: usize = 1536;

const ETHERNET_BYTES: usize = 14;
const TAG_BYTES: usize = 4;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const UDP_BYTES: usize = 8;

/// How a packet is to leave. The frame stands behind it in an input.
#[derive(Debug, Arbitrary)]
struct Leave {
    headroom: u8,
    is_v4: bool,
    from: ([u8; 16], u16),
    to: ([u8; 16], u16),
    macs: [[u8; 6]; 2],
    tags: u8,
    outer: (bool, u16),
    inner: (bool, u16),
    mtu: u16,
    dscp: Option<u8>,
    is_forwarded: bool,
    sequence_offset: u16,
}

/// Rewrites a frame.
///
/// A frame that may leave has the endpoints, the time to live and the payload that were wanted, and checksums that are
/// right if they were right before. A UDP checksum that was wrong is wrong still. A frame that may not leave is refused
/// for the first reason that there is, and is as it came.
pub fn rewrite(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(leave) = Leave::arbitrary(&mut input) else { return };
    let frame = input.take_rest();
    let mut buffer = Buffer::new(leave.headroom.into(), frame);
    let Ok(before) = Datagram::parse(&buffer) else { return };
    let payload = before.payload_length();
    let has_sequence = payload.is_some_and(|length| length >= RTP_BYTES_MIN);
    let Some(rewrite) = leave.rewrite(has_sequence) else { return };
    let refused = rewrite.apply(&mut buffer, &before).err();
    assert_eq!(refused, obstacle(&rewrite, leave.headroom.into(), (frame, &before)), "refused");
    if refused.is_some() {
        assert_eq!(buffer.bytes(), frame, "refused, and yet another frame");
    }
    if refused.is_some() || payload.is_none() {
        return;
    }

    let after = Datagram::parse(&buffer).expect("what leaves is a datagram");
    assert_eq!((after.source, after.destination), (rewrite.from, rewrite.to));
    assert_eq!((after.payload_length(), after.available), (payload, before.available));
    assert!(after.ip_length + after.udp_length <= rewrite.hop.mtu.into(), "more than the way carries");
    compare_class(&rewrite, (frame, &before), (buffer.bytes(), &after));
    compare_payload(&rewrite, &frame[before.payload()..], &buffer.bytes()[after.payload()..]);
    compare_checksums((frame, &before), (buffer.bytes(), &after));
}

impl Leave {
    fn rewrite(&self, has_sequence: bool) -> Option<Rewrite> {
        let tag =
            |(is_service, tci)| Tag { tpid: if is_service { ethertype::SERVICE_VLAN } else { ethertype::VLAN }, tci };
        let [destination, source] = self.macs;
        Some(Rewrite {
            from: self.end(self.from)?,
            to: self.end(self.to)?,
            hop: Hop {
                resolved: true,
                device: 0,
                tags: self.tags % 3,
                mtu: self.mtu,
                outer: tag(self.outer),
                inner: tag(self.inner),
                macs: Hop::macs(destination, source),
            },
            dscp: self.dscp.and_then(|value| Dscp::new(value & 0x3f)),
            ttl_step: self.is_forwarded.into(),
            sequence_offset: if has_sequence { self.sequence_offset } else { 0 },
        })
    }

    /// An endpoint of the wanted family. `None` for an IPv6 address that nobody can have.
    fn end(&self, (octets, port): ([u8; 16], u16)) -> Option<Endpoint> {
        let [a, b, c, d, ..] = octets;
        let address =
            if self.is_v4 { Address::v4(u32::from_ne_bytes([a, b, c, d])) } else { Ipv6Addr::from(octets).into() };
        (address.is_v4() == self.is_v4).then_some(Endpoint { address, port })
    }
}

/// Why the frame cannot leave like this, if it cannot.
fn obstacle(rewrite: &Rewrite, headroom: usize, (frame, datagram): (&[u8], &Datagram)) -> Option<Reason> {
    let header = if rewrite.to.address.is_v4() { IPV4_BYTES } else { IPV6_BYTES };
    let (_, ttl) = class((frame, datagram));
    let has_checksum = frame[datagram.udp() + 6..][..2] != [0, 0];
    let wants_new_checksum = !has_checksum && datagram.is_v4() && !rewrite.to.address.is_v4();
    let media = datagram.udp_length.checked_sub(UDP_BYTES);
    let udp = ETHERNET_BYTES + TAG_BYTES * rewrite.hop.tags as usize + header;
    if ttl <= rewrite.ttl_step {
        Some(Reason::TtlExpired)
    } else if header + datagram.udp_length > rewrite.hop.mtu.into() {
        Some(Reason::TooBig)
    } else if !has_checksum && !datagram.is_v4() || wants_new_checksum && media.is_some_and(|it| it > SUMMED_BYTES_MAX)
    {
        Some(Reason::NoChecksum)
    } else if wants_new_checksum && (media.is_none() || datagram.udp_length > datagram.available) {
        Some(Reason::BadLength)
    } else if udp > datagram.udp() + headroom {
        Some(Reason::NoRoom)
    } else {
        None
    }
}

/// Traffic class and time to live, as they stand in either version's header.
fn class((frame, datagram): (&[u8], &Datagram)) -> (u8, u8) {
    let header = &frame[datagram.ip..];
    if datagram.is_v4() { (header[1], header[8]) } else { (header[0] << 4 | header[1] >> 4, header[7]) }
}

fn compare_class(rewrite: &Rewrite, before: (&[u8], &Datagram), after: (&[u8], &Datagram)) {
    let (old, ttl) = class(before);
    let new = rewrite.dscp.map_or(old, |dscp| dscp.bits() << 2 | old & 3);
    assert_eq!(class(after), (new, ttl - rewrite.ttl_step));
}

/// Payload and trailer are as they were, but for the sequence number.
fn compare_payload(rewrite: &Rewrite, before: &[u8], after: &[u8]) {
    let mut expected = before.to_vec();
    if rewrite.sequence_offset != 0 {
        let sequence = u16::from_be_bytes([before[2], before[3]]).wrapping_add(rewrite.sequence_offset);
        expected[2..4].copy_from_slice(&sequence.to_be_bytes());
    }
    assert_eq!(after, expected);
}

fn compare_checksums(before: (&[u8], &Datagram), after: (&[u8], &Datagram)) {
    match (has_right_header(before), has_right_header(after)) {
        (Some(was_right), Some(is_right)) => assert_eq!(was_right, is_right, "IPv4 header checksum"),
        (None, Some(is_right)) => assert!(is_right, "IPv4 header checksum of a header that is new"),
        (_, None) => {}
    }
    match (is_right(before), is_right(after)) {
        (Some(was_right), is_right) => assert_eq!(is_right, Some(was_right), "UDP checksum"),
        (None, is_right) if after.1.is_v4() => assert_eq!(is_right, None, "none before"),
        (None, is_right) => assert_eq!(is_right, Some(true), "IPv6 has none without"),
    }
}

/// Whether the IPv4 header's checksum is right; `None` in IPv6, which has none.
fn has_right_header((frame, datagram): (&[u8], &Datagram)) -> Option<bool> {
    datagram.is_v4().then(|| adds_up(&[&frame[datagram.ip..datagram.udp()]]))
}

/// Whether the UDP checksum is right; `None` when there is none.
fn is_right((frame, datagram): (&[u8], &Datagram)) -> Option<bool> {
    let header = &frame[datagram.ip..datagram.udp()];
    let addresses = if datagram.is_v4() { &header[12..20] } else { &header[8..40] };
    let udp = &frame[datagram.udp()..][..datagram.udp_length];
    let length = (datagram.udp_length as u16).to_be_bytes();
    (udp[6..8] != [0, 0]).then(|| adds_up(&[addresses, &[0, 17], &length, udp]))
}

/// Whether data that holds its own checksum is as it was when it was summed: RFC 1071, section 1.
fn adds_up(parts: &[&[u8]]) -> bool {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words.map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0))).sum();
    // End-around carries keep the value modulo 2¹⁶ − 1, and a sum of something never becomes 0.
    sum != 0 && sum.is_multiple_of(0xffff)
}
