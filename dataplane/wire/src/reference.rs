//! Frames to compare with: their headers, and every checksum in them, come from somebody else's code.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, UdpHeader};
use proptest::prelude::*;
use undertone_abi::Tag;

use crate::ethertype;

/// A UDP datagram in an Ethernet frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packet {
    /// Destination and source MAC address.
    pub(crate) macs: [u8; 12],
    /// VLAN tags, outermost first.
    pub(crate) tags: Vec<Tag>,
    /// The sender.
    pub(crate) source: SocketAddr,
    /// The receiver, of the same family.
    pub(crate) destination: SocketAddr,
    /// IPv4 type of service or IPv6 traffic class.
    pub(crate) class: u8,
    /// Time to live or hop limit.
    pub(crate) ttl: u8,
    /// IPv6 flow label; 0 in IPv4.
    pub(crate) label: u32,
    /// IPv4 identification, and whether fragments are forbidden.
    pub(crate) identification: (u16, bool),
    /// Whether it bears a UDP checksum.
    pub(crate) summed: bool,
    /// The UDP payload.
    pub(crate) payload: Vec<u8>,
    /// Bytes behind the IP packet, with which Ethernet fills up short frames.
    pub(crate) trailer: usize,
}

impl Packet {
    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (ethertype, ip, udp) = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut ip =
                    Ipv4Header::new(self.udp_length(), self.ttl, IpNumber::UDP, source.octets(), destination.octets())
                        .unwrap();
                (ip.dscp, ip.ecn) = ((self.class >> 2).try_into().unwrap(), (self.class & 3).try_into().unwrap());
                (ip.identification, ip.dont_fragment) = self.identification;
                ip.header_checksum = ip.calc_header_checksum();
                (ethertype::IPV4, ip.to_bytes().to_vec(), self.udp_over_v4(&ip))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let ip = Ipv6Header {
                    traffic_class: self.class,
                    flow_label: self.label.try_into().unwrap(),
                    payload_length: self.udp_length(),
                    next_header: IpNumber::UDP,
                    hop_limit: self.ttl,
                    source: source.octets(),
                    destination: destination.octets(),
                };
                (ethertype::IPV6, ip.to_bytes().to_vec(), self.udp_over_v6(&ip))
            }
            families => panic!("a packet has one family: {families:?}"),
        };
        let tags = self.tags.iter().flat_map(|tag| [tag.tpid.to_be_bytes(), tag.tci.to_be_bytes()].concat());
        let mut frame = self.macs.to_vec();
        frame.extend(tags.chain(ethertype.to_be_bytes()));
        frame.extend([ip, udp.to_bytes().to_vec(), self.payload.clone(), vec![0xee; self.trailer]].concat());
        frame
    }

    /// UDP header and payload, in bytes.
    pub(crate) fn udp_length(&self) -> u16 {
        (UdpHeader::LEN + self.payload.len()) as u16
    }

    fn udp_over_v4(&self, ip: &Ipv4Header) -> UdpHeader {
        let (source, destination) = (self.source.port(), self.destination.port());
        if self.summed {
            UdpHeader::with_ipv4_checksum(source, destination, ip, &self.payload).unwrap()
        } else {
            UdpHeader::without_ipv4_checksum(source, destination, self.payload.len()).unwrap()
        }
    }

    fn udp_over_v6(&self, ip: &Ipv6Header) -> UdpHeader {
        let (source, destination) = (self.source.port(), self.destination.port());
        let udp = UdpHeader::with_ipv6_checksum(source, destination, ip, &self.payload).unwrap();
        UdpHeader { checksum: if self.summed { udp.checksum } else { 0 }, ..udp }
    }
}

/// Any packet that carries at least an RTP header.
pub(crate) fn packets() -> impl Strategy<Value = Packet> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 12..64),
        prop::collection::vec(any::<u8>(), 150..200),
        // All zeros and all ones, for the two zeros of one's complement.
        (12..40_usize).prop_map(|length| vec![0; length]),
        (12..40_usize).prop_map(|length| vec![0xff; length]),
    ];
    let network = (endpoint_pairs(), any::<u8>(), 2..=u8::MAX, 0..1_u32 << 20, any::<(u16, bool)>());
    (any::<[u8; 12]>(), tags(), network, any::<bool>(), payload, 0..20_usize).prop_map(
        |(macs, tags, network, summed, payload, trailer)| {
            let ([source, destination], class, ttl, label, identification) = network;
            let is_v4 = source.is_ipv4();
            Packet {
                macs,
                tags,
                source,
                destination,
                class,
                ttl,
                label: if is_v4 { 0 } else { label },
                identification: if is_v4 { identification } else { (0, true) },
                summed: summed || !is_v4,
                payload,
                trailer,
            }
        },
    )
}

/// Two endpoints of one family.
pub(crate) fn endpoint_pairs() -> impl Strategy<Value = [SocketAddr; 2]> {
    let pair_v4 = any::<[([u8; 4], u16); 2]>().prop_map(|pair| pair.map(SocketAddr::from));
    let pair_v6 = any::<[([u8; 16], u16); 2]>().prop_map(|pair| pair.map(SocketAddr::from));
    prop_oneof![pair_v4, pair_v6]
}

/// None, one or two tags.
pub(crate) fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let tpid = prop_oneof![Just(ethertype::VLAN), Just(ethertype::SERVICE_VLAN)];
    prop::collection::vec((tpid, any::<u16>()).prop_map(|(tpid, tci)| Tag { tpid, tci }), 0..=2)
}
