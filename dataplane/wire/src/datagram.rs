//! A UDP datagram in an Ethernet frame.

use undertone_abi::{Address, Endpoint, Reason};

use crate::{Frame, bytes::field};

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
    /// UDP header and payload, in bytes, by the UDP header.
    pub udp_length: usize,
    /// UDP header and payload, in bytes, by the IP header. Wraps when the header is too small for itself.
    pub ip_payload: usize,
    /// Bytes in the frame from the UDP header on.
    pub available: usize,
}

/// Where a frame's IP header stands, and of which version it is by its `EtherType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// IPv4 from this offset on.
    V4(usize),
    /// IPv6 from this offset on.
    V6(usize),
}

impl Network {
    /// Reads the Ethernet header and 0 to 2 VLAN tags. An error is a reason to pass the frame on to the kernel.
    #[inline(always)]
    pub fn find(frame: &impl Frame) -> Result<Self, Reason> {
        let ethertype = |offset| frame.read::<2>(offset).map(|bytes| u16::from_be_bytes(*bytes));
        let mut ip = ETHERNET;
        // Written out, because each offset is then a constant to the verifier.
        let mut kind = ethertype(12).ok_or(Reason::Truncated)?;
        if is_tag(kind) {
            ip = ETHERNET + TAG;
            kind = ethertype(16).ok_or(Reason::Truncated)?;
            if is_tag(kind) {
                ip = ETHERNET + 2 * TAG;
                kind = ethertype(20).ok_or(Reason::Truncated)?;
            }
        }
        match kind {
            ethertype::IPV4 => Ok(Self::V4(ip)),
            ethertype::IPV6 => Ok(Self::V6(ip)),
            _ => Err(Reason::NotIp),
        }
    }
}

#[inline(always)]
const fn is_tag(kind: u16) -> bool {
    matches!(kind, ethertype::VLAN | ethertype::SERVICE_VLAN)
}

impl Datagram {
    /// Reads a frame's headers. An error is always a reason to pass the frame on to the kernel.
    #[inline(always)]
    pub fn parse(frame: &impl Frame) -> Result<Self, Reason> {
        match Network::find(frame)? {
            Network::V4(ip) => Self::parse_v4(frame, ip),
            Network::V6(ip) => Self::parse_v6(frame, ip),
        }
    }

    /// Reads the headers from the IPv4 header at `ip` on.
    #[inline(always)]
    pub fn parse_v4(frame: &impl Frame, ip: usize) -> Result<Self, Reason> {
        let header = frame.read::<IPV4>(ip).ok_or(Reason::Truncated)?;
        if header[0] != 0x45 {
            return Err(if header[0] >> 4 == 4 && header[0] & 0xf > 5 { Reason::Options } else { Reason::NotIp });
        }
        // More fragments, or an offset.
        if u16::from_ne_bytes(field::<6, 2, _>(header)) & 0x3fff_u16.to_be() != 0 {
            return Err(Reason::Fragment);
        }
        if header[9] != PROTOCOL_UDP {
            return Err(Reason::NotUdp);
        }
        let total = u16::from_be_bytes(field::<2, 2, _>(header));
        let source = Address::v4(u32::from_ne_bytes(field::<12, 4, _>(header)));
        let destination = Address::v4(u32::from_ne_bytes(field::<16, 4, _>(header)));
        let ip_payload = (total as usize).wrapping_sub(IPV4);
        parse_udp(frame, Addressed { ip, ip_length: IPV4, source, destination, ip_payload })
    }

    /// Reads the headers from the IPv6 header at `ip` on.
    #[inline(always)]
    pub fn parse_v6(frame: &impl Frame, ip: usize) -> Result<Self, Reason> {
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
        let word = u32::from_ne_bytes;
        let source = Address([
            word(field::<8, 4, _>(header)),
            word(field::<12, 4, _>(header)),
            word(field::<16, 4, _>(header)),
            word(field::<20, 4, _>(header)),
        ]);
        let destination = Address([
            word(field::<24, 4, _>(header)),
            word(field::<28, 4, _>(header)),
            word(field::<32, 4, _>(header)),
            word(field::<36, 4, _>(header)),
        ]);
        // The IPv4-mapped form is how we write IPv4 addresses; on a network it is nobody's (RFC 4291, section 2.5.5.2).
        if source.is_v4() || destination.is_v4() {
            return Err(Reason::NotMedia);
        }
        let ip_payload = u16::from_be_bytes(field::<4, 2, _>(header)) as usize;
        parse_udp(frame, Addressed { ip, ip_length: IPV6, source, destination, ip_payload })
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

/// What an IP header says, of either version.
#[derive(Clone, Copy)]
struct Addressed {
    ip: usize,
    ip_length: usize,
    source: Address,
    destination: Address,
    ip_payload: usize,
}

#[inline(always)]
fn parse_udp(frame: &impl Frame, network: Addressed) -> Result<Datagram, Reason> {
    let udp = network.ip + network.ip_length;
    let header = frame.read::<UDP>(udp).ok_or(Reason::Truncated)?;
    Ok(Datagram {
        ip: network.ip,
        ip_length: network.ip_length,
        source: Endpoint { address: network.source, port: u16::from_be_bytes(field::<0, 2, _>(header)) },
        destination: Endpoint { address: network.destination, port: u16::from_be_bytes(field::<2, 2, _>(header)) },
        udp_length: u16::from_be_bytes(field::<4, 2, _>(header)) as usize,
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
        Buffer,
        reference::{Packet, packets},
    };

    fn parse(frame: &[u8]) -> Result<Datagram, Reason> {
        Datagram::parse(&Buffer::new(0, frame))
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
