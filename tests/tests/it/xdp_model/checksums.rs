//! Checksums by full recomputation, by somebody else's code.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// The checksums of a UDP datagram in an Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checksums {
    /// Whether the IP header's is right; IPv6 has none to be wrong.
    pub(super) ip: bool,
    /// Whether the datagram's is right; IPv4 may go without.
    pub(super) udp: bool,
}

impl Checksums {
    /// Both are right.
    pub(super) const RIGHT: Self = Self { ip: true, udp: true };

    /// Looks at a frame; `None` when there is no whole UDP datagram in it.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let TransportSlice::Udp(udp) = packet.transport? else { return None };
        let header = udp.to_header();
        match packet.net? {
            NetSlice::Ipv4(ip) => {
                let ip = ip.header();
                let computed = header.calc_checksum_ipv4_raw(ip.source(), ip.destination(), udp.payload()).ok()?;
                Some(Self {
                    ip: ip.to_header().calc_header_checksum() == ip.header_checksum(),
                    udp: udp.checksum() == 0 || udp.checksum() == computed,
                })
            }
            NetSlice::Ipv6(ip) => {
                let ip = ip.header();
                let computed = header.calc_checksum_ipv6_raw(ip.source(), ip.destination(), udp.payload()).ok()?;
                Some(Self { ip: true, udp: udp.checksum() == computed })
            }
            NetSlice::Arp(_) => None,
        }
    }
}
