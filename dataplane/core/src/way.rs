//! The way to an address, as the kernel's routes and neighbours have it.

use std::net::IpAddr;

use undertone_abi::Tag;

/// A link that frames can leave through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The interface index of the device at the bottom: for a VLAN interface, the one that it stands on.
    pub interface: u32,
    /// VLAN tags to send with, outermost first; at most two.
    pub tags: Vec<Tag>,
    /// The source MAC address.
    pub mac: [u8; 6],
    /// The largest IP packet, in bytes.
    pub mtu: u16,
}

/// The way to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The link.
    pub link: Link,
    /// Who is next on the link: a gateway, or the address itself.
    pub neighbour: IpAddr,
    /// Its MAC address, when it is known.
    pub mac: Option<[u8; 6]>,
}
