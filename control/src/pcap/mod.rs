//! Packets as a pcap file (draft-ietf-opsawg-pcap), with times in nanoseconds and `LINKTYPE_RAW`: each packet begins
//! with its IP header.

mod records;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use etherparse::PacketBuilder;

pub(crate) use self::records::Records;

/// The magic number of files with times in nanoseconds.
const MAGIC_NS: u32 = 0xa1b2_3c4d;
/// `LINKTYPE_RAW`.
const LINK_RAW: u32 = 101;
/// The longest packet that a reader has to expect.
const PACKET_BYTES_MAX: u32 = 65_535 + 40;
/// What packets are said to have left to live.
const TTL: u8 = 64;

const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;

/// What a file begins with.
pub(crate) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC_NS.to_le_bytes());
    header[4..6].copy_from_slice(&2_u16.to_le_bytes());
    header[6..8].copy_from_slice(&4_u16.to_le_bytes());
    header[16..20].copy_from_slice(&PACKET_BYTES_MAX.to_le_bytes());
    header[20..].copy_from_slice(&LINK_RAW.to_le_bytes());
    header
}

/// A UDP datagram, as a file has it.
pub(crate) struct Datagram<'p> {
    /// When it came, since 1970.
    pub(crate) at: Duration,
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// To whom; of the same IP version.
    pub(crate) to: SocketAddr,
    /// What it carries.
    pub(crate) payload: &'p [u8],
}

impl Datagram<'_> {
    /// Appends it to a file. One that no IP packet can carry is left out.
    pub(crate) fn append_to(&self, file: &mut Vec<u8>) {
        let builder = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), TTL),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), TTL),
            _ => return,
        };
        let builder = builder.udp(self.from.port(), self.to.port());
        let start = file.len();
        let length = builder.size(self.payload.len()) as u32;
        let words = [self.at.as_secs() as u32, self.at.subsec_nanos(), length, length];
        for word in words {
            file.extend_from_slice(&word.to_le_bytes());
        }
        if builder.write(file, self.payload).is_err() {
            file.truncate(start);
        }
    }
}
