//! What control can ask for in vain.

use std::net::{IpAddr, SocketAddr};

use undertone_abi::limits::{COPIES_MAX, DEVICES_MAX, HOPS_MAX, MEDIA_ADDRESSES_MAX, SHAPES_MAX};

use crate::fabric::FabricError;

/// Why a plane refused.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// No media address, or too many.
    #[error(
        "{count} media addresses: there have to be 1 to {MEDIA_ADDRESSES_MAX}, and no more than the tables were made for"
    )]
    AddressCount {
        /// How many there were.
        count: usize,
    },
    /// The tables hold calls on another address in this place.
    #[error(
        "running streams use media address {old}, where the configuration now has {new}: keep the order, add new addresses at the end, or end the streams first"
    )]
    OtherAddress {
        /// What the streams use.
        old: IpAddr,
        /// What the configuration says.
        new: IpAddr,
    },
    /// The tables hold calls on an address that is gone.
    #[error(
        "running streams use media address {old}, which the configuration no longer has: put it back, or end the streams first"
    )]
    AddressGone {
        /// What the streams use.
        old: IpAddr,
    },
    /// The same media address twice.
    #[error("a media address stands twice in the configuration")]
    AddressTwice,
    /// Not a media address.
    #[error("{address} is not one of the media addresses")]
    NotOurs {
        /// The address.
        address: IpAddr,
    },
    /// A port outside the media range.
    #[error("port {port} is outside the media range {first} to {last}")]
    OutsideRange {
        /// The port.
        port: SocketAddr,
        /// The first of the range.
        first: u16,
        /// The last of the range.
        last: u16,
    },
    /// A port that has a stream.
    #[error("media port {port} is in use")]
    PortInUse {
        /// The port.
        port: SocketAddr,
    },
    /// A port that has none.
    #[error("no stream at media port {port}")]
    NoStream {
        /// The port.
        port: SocketAddr,
    },
    /// A relay from a port to itself, or that carries nothing.
    #[error("no relay between {a} and {b}: two different ports and a kind of media are needed")]
    NoRelay {
        /// One port.
        a: SocketAddr,
        /// The other.
        b: SocketAddr,
    },
    /// Two ports of different relays.
    #[error("{a} and {b} belong to different relays")]
    NotPartners {
        /// One port.
        a: SocketAddr,
        /// The other.
        b: SocketAddr,
    },
    /// A party of another IP version than the port it talks to.
    #[error("{peer} cannot talk to {local}: one is IPv4, the other IPv6")]
    Family {
        /// Our port.
        local: SocketAddr,
        /// The party.
        peer: SocketAddr,
    },
    /// An address nobody can be at.
    #[error("{peer} is no address to send to")]
    NoPeer {
        /// The address.
        peer: SocketAddr,
    },
    /// No media address to send a copy from.
    #[error("no media address of the IP version of {to} to send copies from")]
    NoSource {
        /// The monitor port.
        to: SocketAddr,
    },
    /// More copies than a stream can have.
    #[error("{port} has {COPIES_MAX} copies already; remove one first")]
    CopiesFull {
        /// The stream's port.
        port: SocketAddr,
    },
    /// A copy that is not there.
    #[error("{port} has no such copy")]
    NoCopy {
        /// The stream's port.
        port: SocketAddr,
    },
    /// A party or a monitor port that is a media port of this node: its packets would go round for ever.
    #[error("{peer} is a media port of this node; name where the party or the monitor really is")]
    OwnPort {
        /// The port.
        peer: SocketAddr,
    },
    /// No replication group left.
    #[error(
        "{groups} streams are being copied, and there is room for no more: end the copies of one, or raise `groups` in \
         the configuration"
    )]
    GroupsFull {
        /// How many there is room for.
        groups: u32,
    },
    /// No next hop left.
    #[error(
        "all {HOPS_MAX} next hops are in use, so that packets take the kernel's path: reach parties through a gateway, or \
         spread them over more nodes"
    )]
    HopsFull,
    /// No device slot left.
    #[error(
        "all {DEVICES_MAX} output devices are in use, so that packets take the kernel's path: route over fewer interfaces, \
         or use VLANs, which take no device of their own"
    )]
    DevicesFull,
    /// No shape left.
    #[error(
        "all {SHAPES_MAX} combinations of output devices are in use: send copies over fewer different devices, or end \
         some"
    )]
    ShapesFull,
    /// No mixer to divert to.
    #[error("there is no local mixer")]
    NoMixer,
    /// The shell failed.
    #[error(transparent)]
    Fabric(FabricError),
}
