//! Writing the packet that leaves, from what the one that came in says.

use std::net::{IpAddr, SocketAddr};

use undertone_abi::{Dscp, Hop, Reason};

use super::headers::Headers;
use crate::xdp_model::sum;

/// The longest payload that is summed for a checksum that was not there.
const SUMMED_MAX: usize = 1536;

/// How a packet leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leave {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) hop: Hop,
    pub(super) dscp: Option<Dscp>,
    pub(super) ttl_step: u8,
    /// Added to the RTP sequence number.
    pub(super) sequence_offset: u16,
}

impl Leave {
    /// The frame that leaves.
    pub(super) fn rewrite(&self, frame: &[u8]) -> Result<Vec<u8>, Reason> {
        let headers = Headers::read(frame)?;
        let datagram = headers.datagram(frame).ok_or(Reason::BadLength)?;
        if headers.ttl <= self.ttl_step {
            return Err(Reason::TtlExpired);
        }
        let ip_length = if self.to.is_ipv4() { 20 } else { 40 };
        if ip_length + datagram.len() > usize::from(self.hop.mtu) {
            return Err(Reason::TooBig);
        }
        let mut leaving = self.ethernet();
        leaving.extend(self.ip_header(frame, &headers));
        leaving.extend(self.datagram(&headers, datagram)?);
        leaving.extend(&frame[headers.udp + datagram.len()..]);
        Ok(leaving)
    }

    fn ethernet(&self) -> Vec<u8> {
        let mut header: Vec<u8> = self.hop.macs.iter().flat_map(|word| word.to_ne_bytes()).collect();
        for tag in [self.hop.outer, self.hop.inner].iter().take(self.hop.tags.into()) {
            header.extend(tag.tpid.to_be_bytes());
            header.extend(tag.tci.to_be_bytes());
        }
        let ethertype: u16 = if self.to.is_ipv4() { 0x0800 } else { 0x86dd };
        header.extend(ethertype.to_be_bytes());
        header
    }

    fn ip_header(&self, frame: &[u8], headers: &Headers) -> Vec<u8> {
        let class = match self.dscp {
            Some(dscp) => dscp.bits() << 2 | headers.class & 3,
            None => headers.class,
        };
        let ttl = headers.ttl - self.ttl_step;
        let old = &frame[headers.ip..headers.udp];
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let mut header = if headers.is_v4() { old.to_vec() } else { fresh_v4(headers.udp_length) };
                let error = sum::words(&header);
                header[1] = class;
                header[8] = ttl;
                header[12..16].copy_from_slice(&from.octets());
                header[16..20].copy_from_slice(&to.octets());
                header[10..12].copy_from_slice(&[0, 0]);
                let checksum = checksum(sum::words(&header), error);
                header[10..12].copy_from_slice(&checksum.to_be_bytes());
                header
            }
            (from, to) => {
                let label = if headers.is_v4() { [0; 3] } else { [old[1] & 0xf, old[2], old[3]] };
                let mut header = vec![0x60 | class >> 4, class << 4 | label[0], label[1], label[2]];
                header.extend((headers.udp_length as u16).to_be_bytes());
                header.extend([17, ttl]);
                header.extend([from, to].iter().flat_map(octets));
                header
            }
        }
    }

    /// UDP header and payload. A checksum that was right is right, one that was wrong is wrong by as much.
    fn datagram(&self, headers: &Headers, old: &[u8]) -> Result<Vec<u8>, Reason> {
        let bears_checksum = old[6..8] != [0, 0];
        if !bears_checksum && (!headers.is_v4() || (self.to.is_ipv6() && old.len() - 8 > SUMMED_MAX)) {
            return Err(Reason::NoChecksum);
        }
        let mut new = old.to_vec();
        new[0..2].copy_from_slice(&self.from.port().to_be_bytes());
        new[2..4].copy_from_slice(&self.to.port().to_be_bytes());
        if self.sequence_offset != 0 {
            let sequence = u16::from_be_bytes([old[10], old[11]]).wrapping_add(self.sequence_offset);
            new[10..12].copy_from_slice(&sequence.to_be_bytes());
        }
        new[6..8].copy_from_slice(&[0, 0]);
        if bears_checksum || self.to.is_ipv6() {
            let error =
                if bears_checksum { sum::udp_total(headers.source.ip(), headers.destination.ip(), old) } else { 0 };
            let checksum = match checksum(sum::udp_total(self.from.ip(), self.to.ip(), &new), error) {
                0 => 0xffff,
                checksum => checksum,
            };
            new[6..8].copy_from_slice(&checksum.to_be_bytes());
        }
        Ok(new)
    }
}

/// What makes `sum`, of all but the checksum, up to `error`; zero is 0 and not its other form.
fn checksum(sum: u64, error: u64) -> u16 {
    ((0xffff + error - sum) % 0xffff) as u16
}

/// An IPv4 header that was none before: not to be fragmented, hence without an identification (RFC 6864).
fn fresh_v4(udp_length: usize) -> Vec<u8> {
    let [high, low] = (20 + udp_length as u16).to_be_bytes();
    let mut header = vec![0x45, 0, high, low, 0, 0, 0x40, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let checksum = sum::internet(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn octets(ip: &IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
