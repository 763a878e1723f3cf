//! What control asks for: relays between two parties, copies and diverts.

use std::net::{IpAddr, SocketAddr};

pub use undertone_abi::{Clock, Dscp, Kind, Policy};

/// One party's end of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The media port we gave the party: one of our media addresses, a port in the media range.
    pub local: SocketAddr,
    /// Where its SDP says that it is.
    pub peer: SocketAddr,
    /// Who may teach the port another source.
    pub learn: Policy,
    /// Whether what the party sends goes on to the other; false while it is on hold.
    pub sends: bool,
    /// The code point of packets to this party; `None` keeps the packet's own.
    pub dscp: Option<Dscp>,
}

/// Media between two parties: a stream each way.
///
/// What arrives at one end's local port leaves from the other's, RFC 4961.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// One party.
    pub a: End,
    /// The other.
    pub b: End,
    /// What the ports carry; not [`Kind::Free`].
    pub kind: Kind,
    /// The RTP clock rate.
    pub clock: Clock,
}

/// A destination that receives a copy of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MonitorPort {
    /// A UDP port anywhere. Copies come from the media address of its family, and the stream's own port.
    Network(SocketAddr),
    /// A port of the local mixer. Copies come from the alias of the stream's media address, and its port.
    Mixer(u16),
}

/// Names one copy of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CopyId(pub u32);

/// Where the local mixer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixer {
    /// Its address.
    pub address: std::net::Ipv4Addr,
    /// Its ports for diverted packets, one for each [lane](undertone_abi::lane_of).
    pub divert_ports: Vec<u16>,
    /// Its port for packets whose next hop is not known.
    pub unresolved_port: u16,
    /// Its port for packets that it is to copy, where the kernel cannot: 0 where it can.
    pub copies_port: u16,
}

/// A node's media addresses and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its media addresses, by index.
    pub addresses: Vec<IpAddr>,
    /// The first media port.
    pub port_first: u16,
    /// The last media port.
    pub port_last: u16,
}
