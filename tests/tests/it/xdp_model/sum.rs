//! The Internet checksum by its definition (RFC 1071).

use std::net::IpAddr;

/// The sum of all 16-bit words modulo 2¹⁶ − 1; an odd last byte is the high half of a word.
pub(super) fn words(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(word).sum::<u64>() % 0xffff
}

/// The checksum of a header whose checksum field is zero.
pub(super) fn internet(header: &[u8]) -> u16 {
    !(match words(header) {
        0 if header.iter().any(|byte| *byte != 0) => 0xffff,
        sum => sum as u16,
    })
}

/// What a UDP datagram and its pseudo-header sum up to, modulo 2¹⁶ − 1. Zero when the checksum in it is right.
pub(super) fn udp_total(source: IpAddr, destination: IpAddr, datagram: &[u8]) -> u64 {
    (address(source) + address(destination) + 17 + datagram.len() as u64 + words(datagram)) % 0xffff
}

/// The checksum of a UDP datagram whose checksum field is zero.
pub(super) fn udp(source: IpAddr, destination: IpAddr, datagram: &[u8]) -> u16 {
    // One's complement has two zeros, and UDP means "none" by the other one: RFC 768.
    (0xffff - udp_total(source, destination, datagram)) as u16
}

fn address(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(v4) => words(&v4.octets()),
        IpAddr::V6(v6) => words(&v6.octets()),
    }
}
