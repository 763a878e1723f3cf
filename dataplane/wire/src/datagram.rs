//! A UDP datagram in an Ethernet frame.

use undertone_abi::{Address, Endpoint, Reason};

use crate::{Frame, Sum};

/// Types of Ethernet frames, IEEE 802 numbers.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// A customer VLAN tag follows, IEEE 802.1Q.
    pub const VLAN: u16 = 0x8100;
    /// A service VLAN tag follows, IEEE 802.1ad.
    pub const SERVICE_VLAN: u16 = 0x88a8;
}

/// Bytes of an Ethernet header without tags.
pub(crate) const ETHERNET: usize = 14;
/// Bytes of one VLAN tag.
pub(crate) const TAG: usize = 4;
/// Bytes of an IPv4 header without options.
pub(crate) const IPV4: usize = 20;
/// Bytes of an IPv6 header without extensions.
pub(crate) const IPV6: usize = 40;
/// Bytes of a UDP header.
pub(crate) const UDP: usize = 8;

const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_IPV6_FRAGMENT: u8 = 44;
/// Hop-by-hop options, routing, ESP, AH, destination options, mobility, HIP, shim6: RFC 7045.
const PROTOCOLS_IPV6_EXTENSION: [u8; 8] = [0, 43, 50, 51, 60, 135, 139, 140];

/// Where a frame's UDP datagram stands, and what its headers say.
///
/// Every field takes eight bytes: the kernel's verifier wants each access to the stack aligned, and compilers merge
/// stores to smaller neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Offset of the IP header: 14, 18 or 22.
    pub ip: usize,
    /// Bytes of the IP header: 20 for IPv4, 40 for IPv6.
    pub ip_length: usize,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// What addresses and ports take away from the UDP checksum when they are replaced.
    pub removed: Sum,
    /// UDP header and payload, in bytes, by the UDP header.
    pub udp_length: usize,
    /// UDP header and payload, in bytes, by the IP header. Wraps when the header is too small for itself.
    pub ip_payload: usize,
    /// Bytes in the frame from the UDP header on.
    pub available: usize,
}

impl Datagram {
    /// Reads a frame's headers. An error is always a reason to pass the frame on to the kernel.
    #[inline(always)]
    pub fn parse(frame: &impl Frame) -> Result<Self, Reason> {
        let ethertype = |offset| frame.read::<2>(offset).map(|bytes| u16::from_be_bytes(*bytes));
        // Constant offsets, so that each depth of tags compiles to plain loads.
        match ethertype(12).ok_or(Reason::Truncated)? {
            ethertype::IPV4 => parse_v4(frame, ETHERNET),
            ethertype::IPV6 => parse_v6(frame, ETHERNET),
            ethertype::VLAN | ethertype::SERVICE_VLAN => match ethertype(16).ok_or(Reason::Truncated)? {
                ethertype::IPV4 => parse_v4(frame, ETHERNET + TAG),
                ethertype::IPV6 => parse_v6(frame, ETHERNET + TAG),
                ethertype::VLAN | ethertype::SERVICE_VLAN => match ethertype(20).ok_or(Reason::Truncated)? {
                    ethertype::IPV4 => parse_v4(frame, ETHERNET + 2 * TAG),
                    ethertype::IPV6 => parse_v6(frame, ETHERNET + 2 * TAG),
                    _ => Err(Reason::NotIp),
                },
                _ => Err(Reason::NotIp),
            },
            _ => Err(Reason::NotIp),
        }
    }

    /// Whether it is IPv4.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.ip_length == IPV4
    }

    /// Offset of the UDP header.
    #[inline(always)]
    pub const fn udp(&self) -> usize {
        self.ip + self.ip_length
    }

    /// Offset of the UDP payload.
    #[inline(always)]
    pub const fn payload(&self) -> usize {
        self.udp() + UDP
    }

    /// Bytes of UDP payload. `None` when the lengths in the headers contradict each other or the frame.
    #[inline(always)]
    pub const fn payload_length(&self) -> Option<usize> {
        let fits = self.udp_length >= UDP && self.udp_length == self.ip_payload && self.udp_length <= self.available;
        if fits { Some(self.udp_length - UDP) } else { None }
    }
}

#[inline(always)]
fn parse_v4(frame: &impl Frame, ip: usize) -> Result<Datagram, Reason> {
    let header = frame.read::<IPV4>(ip).ok_or(Reason::Truncated)?;
    if header[0] != 0x45 {
        return Err(if header[0] >> 4 == 4 && header[0] & 0xf > 5 { Reason::Options } else { Reason::NotIp });
    }
    // More fragments, or an offset.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(Reason::Fragment);
    }
    if header[9] != PROTOCOL_UDP {
        return Err(Reason::NotUdp);
    }
    let total = u16::from_be_bytes([header[2], header[3]]);
    let source = Address::v4(u32::from_ne_bytes([header[12], header[13], header[14], header[15]]));
    let destination = Address::v4(u32::from_ne_bytes([header[16], header[17], header[18], header[19]]));
    let network = Network { ip, ip_length: IPV4, source, destination, ip_payload: (total as usize).wrapping_sub(IPV4) };
    parse_udp(frame, network, ip + IPV4)
}

#[inline(always)]
fn parse_v6(frame: &impl Frame, ip: usize) -> Result<Datagram, Reason> {
    let header = frame.read::<IPV6>(ip).ok_or(Reason::Truncated)?;
    if header[0] >> 4 != 6 {
        return Err(Reason::NotIp);
    }
    match header[6] {
        PROTOCOL_UDP => {}
        PROTOCOL_IPV6_FRAGMENT => return Err(Reason::Fragment),
        next if PROTOCOLS_IPV6_EXTENSION.contains(&next) => return Err(Reason::Options),
        _ => return Err(Reason::NotUdp),
    }
    let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let source = Address([word(8), word(12), word(16), word(20)]);
    let destination = Address([word(24), word(28), word(32), word(36)]);
    // The IPv4-mapped form is how we write IPv4 addresses; on a network it is nobody's (RFC 4291, section 2.5.5.2).
    if source.is_v4() || destination.is_v4() {
        return Err(Reason::NotMedia);
    }
    let network = Network {
        ip,
        ip_length: IPV6,
        source,
        destination,
        ip_payload: u16::from_be_bytes([header[4], header[5]]) as usize,
    };
    parse_udp(frame, network, ip + IPV6)
}

/// What an IP header says, of either version.
#[derive(Clone, Copy)]
struct Network {
    ip: usize,
    ip_length: usize,
    source: Address,
    destination: Address,
    ip_payload: usize,
}

#[inline(always)]
fn parse_udp(frame: &impl Frame, network: Network, udp: usize) -> Result<Datagram, Reason> {
    let header = frame.read::<UDP>(udp).ok_or(Reason::Truncated)?;
    let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let port = |at: usize| u16::from_be(word(at));
    let removed = Sum::new()
        .remove_address(&network.source)
        .remove_address(&network.destination)
        .remove16(word(0))
        .remove16(word(2));
    Ok(Datagram {
        ip: network.ip,
        ip_length: network.ip_length,
        source: Endpoint { address: network.source, port: port(0) },
        destination: Endpoint { address: network.destination, port: port(2) },
        removed,
        udp_length: port(4) as usize,
        ip_payload: network.ip_payload,
        available: frame.length() - udp,
    })
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        frame::buffer::Buffer,
        reference::{Packet, packets},
    };

    fn parse(frame: &[u8]) -> Result<Datagram, Reason> {
        Datagram::parse(&Buffer::new(frame))
    }

    /// Where the IP header of a packet stands.
    fn ip(packet: &Packet) -> usize {
        ETHERNET + packet.tags.len() * TAG
    }

    /// Whether somebody else finds a UDP datagram of the same length at the same place.
    fn agrees(frame: &[u8], datagram: &Datagram) -> bool {
        let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
        let Some(TransportSlice::Udp(udp)) = packet.transport else { return false };
        let is_v4 = matches!(packet.net, Some(NetSlice::Ipv4(_)));
        let offset = udp.slice().as_ptr() as usize - frame.as_ptr() as usize;
        let ports = (udp.source_port(), udp.destination_port());
        (is_v4, offset, udp.slice().len(), ports)
            == (
                datagram.is_v4(),
                datagram.udp(),
                datagram.udp_length,
                (datagram.source.port, datagram.destination.port),
            )
    }

    proptest! {
        #[test]
        fn a_datagram_is_found_behind_any_tags(packet in packets()) {
            let datagram = parse(&packet.bytes()).unwrap();
            prop_assert_eq!(datagram.ip, ip(&packet));
            prop_assert_eq!(datagram.is_v4(), packet.source.is_ipv4());
            prop_assert_eq!(datagram.source, packet.source.into());
            prop_assert_eq!(datagram.destination, packet.destination.into());
            prop_assert_eq!(datagram.payload_length(), Some(packet.payload.len()));
            prop_assert_eq!(&packet.bytes()[datagram.payload()..][..packet.payload.len()], &packet.payload);
        }

        #[test]
        fn headers_cut_short_are_told(packet in packets(), length in any::<prop::sample::Index>()) {
            let frame = packet.bytes();
            let headers = frame.len() - packet.trailer - packet.payload.len();
            let cut = ETHERNET + length.index(frame.len() - ETHERNET);
            let datagram = parse(&frame[..cut]);
            if cut < headers {
                prop_assert_eq!(datagram, Err(Reason::Truncated));
            } else {
                let whole = cut - headers >= packet.payload.len();
                prop_assert_eq!(datagram.unwrap().payload_length(), whole.then_some(packet.payload.len()));
            }
        }

        #[test]
        fn a_changed_byte_makes_no_datagram_of_what_is_none(
            packet in packets(),
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let mut frame = packet.bytes();
            let at = at.index(ip(&packet) + IPV6 + UDP);
            if let Some(changed) = frame.get_mut(at) {
                *changed = byte;
            }
            if let Ok(datagram) = parse(&frame) && datagram.payload_length().is_some() {
                prop_assert!(agrees(&frame, &datagram), "{:?}", datagram);
            }
        }

        #[test]
        fn no_bytes_are_too_strange(frame in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(datagram) = parse(&frame) {
                let _ = datagram.payload_length();
            }
        }
    }

    #[test]
    fn an_ipv4_mapped_address_is_nobodys() {
        let mapped = "[::ffff:192.0.2.1]:4000".parse().unwrap();
        let other = "[2001:db8::1]:4000".parse().unwrap();
        for (source, destination) in [(mapped, other), (other, mapped)] {
            let packet = Packet {
                macs: [0; 12],
                tags: Vec::new(),
                source,
                destination,
                class: 0,
                ttl: 64,
                label: 0,
                identification: (0, true),
                summed: true,
                payload: vec![0; 12],
                trailer: 0,
            };
            assert_eq!(parse(&packet.bytes()), Err(Reason::NotMedia));
        }
    }
}
