//! Reading a frame's headers, one after another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use undertone_abi::Reason;

/// What the headers of a UDP datagram say, and where they stand.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    /// Where the IP header begins.
    pub(super) ip: usize,
    /// Where the UDP header begins.
    pub(super) udp: usize,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// IPv4 type of service or IPv6 traffic class.
    pub(super) class: u8,
    /// Time to live or hop limit.
    pub(super) ttl: u8,
    /// UDP header and payload, by the UDP header.
    pub(super) udp_length: usize,
    /// UDP header and payload, by the IP header; `None` when it is too small for itself.
    ip_payload: Option<usize>,
}

impl Headers {
    /// The headers, or why the frame is none of our business.
    pub(super) fn read(frame: &[u8]) -> Result<Self, Reason> {
        let mut rest = Rest { frame, at: 12 };
        let mut ethertype = rest.u16()?;
        for _ in 0..2 {
            if is_tag(ethertype) {
                rest.u16()?;
                ethertype = rest.u16()?;
            }
        }
        match ethertype {
            0x0800 => read_v4(rest),
            0x86dd => read_v6(rest),
            _ => Err(Reason::NotIp),
        }
    }

    pub(super) fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    /// UDP header and payload, when all lengths agree with each other and with the frame.
    pub(super) fn datagram<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let agree = self.udp_length >= 8 && self.ip_payload == Some(self.udp_length);
        if agree { frame.get(self.udp..self.udp + self.udp_length) } else { None }
    }
}

fn is_tag(ethertype: u16) -> bool {
    ethertype == 0x8100 || ethertype == 0x88a8
}

fn read_v4(mut rest: Rest<'_>) -> Result<Headers, Reason> {
    let ip = rest.at;
    let header = rest.take(20)?;
    match (header[0] >> 4, header[0] & 0xf) {
        (4, 5) => {}
        (4, 6..) => return Err(Reason::Options),
        _ => return Err(Reason::NotIp),
    }
    let more_fragments_or_offset = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    if more_fragments_or_offset != 0 {
        return Err(Reason::Fragment);
    }
    if header[9] != 17 {
        return Err(Reason::NotUdp);
    }
    let address = |at: usize| IpAddr::from(Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]));
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let network = Network {
        ip,
        source: address(12),
        destination: address(16),
        class: header[1],
        ttl: header[8],
        payload: total.checked_sub(20),
    };
    read_udp(rest, network)
}

fn read_v6(mut rest: Rest<'_>) -> Result<Headers, Reason> {
    let ip = rest.at;
    let header = rest.take(40)?;
    if header[0] >> 4 != 6 {
        return Err(Reason::NotIp);
    }
    match header[6] {
        17 => {}
        44 => return Err(Reason::Fragment),
        // Hop-by-hop options, routing, ESP, AH, destination options, mobility, HIP, shim6.
        0 | 43 | 50 | 51 | 60 | 135 | 139 | 140 => return Err(Reason::Options),
        _ => return Err(Reason::NotUdp),
    }
    let [source, destination] = [8, 24].map(|at| {
        let octets: [u8; 16] = header[at..at + 16].try_into().expect("sixteen bytes");
        Ipv6Addr::from(octets)
    });
    // IPv4-mapped addresses are for programs, not for networks.
    if source.to_ipv4_mapped().is_some() || destination.to_ipv4_mapped().is_some() {
        return Err(Reason::NotMedia);
    }
    let network = Network {
        ip,
        source: source.into(),
        destination: destination.into(),
        class: header[0] << 4 | header[1] >> 4,
        ttl: header[7],
        payload: Some(usize::from(u16::from_be_bytes([header[4], header[5]]))),
    };
    read_udp(rest, network)
}

/// What an IP header says, of either version.
#[derive(Clone, Copy)]
struct Network {
    ip: usize,
    source: IpAddr,
    destination: IpAddr,
    class: u8,
    ttl: u8,
    payload: Option<usize>,
}

fn read_udp(mut rest: Rest<'_>, network: Network) -> Result<Headers, Reason> {
    let udp = rest.at;
    let (source, destination, length) = (rest.u16()?, rest.u16()?, rest.u16()?);
    rest.u16()?;
    Ok(Headers {
        ip: network.ip,
        udp,
        source: SocketAddr::new(network.source, source),
        destination: SocketAddr::new(network.destination, destination),
        class: network.class,
        ttl: network.ttl,
        udp_length: usize::from(length),
        ip_payload: network.payload,
    })
}

/// The part of a frame that has not been read yet.
struct Rest<'a> {
    frame: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Reason> {
        let taken = self.frame.get(self.at..self.at + bytes).ok_or(Reason::Truncated)?;
        self.at += bytes;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Reason> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}
