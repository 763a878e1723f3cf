//! Who we trade calls with: SIP addresses of ours, peers, groups of peers, and the routes between them.

mod limit;
mod number;
mod route;
mod sources;
mod succeed;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use undertone_core::{Dscp, Policy};

pub use self::{
    limit::Rate,
    number::{NumberError, Pattern},
    route::{Group, Member, Route},
    sources::{Source, Sources},
};
use crate::{
    directory::Directory,
    identity::{DidTable, Rules},
    sdp::MediaKind,
    sip::Transport,
};

/// A peer's place in [`Trunks::peers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerIndex(pub u16);

/// Everything of the configuration that is about SIP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trunks {
    /// Our own addresses, by the number that a [`Flow`](crate::sip::Flow) names.
    pub listeners: Vec<Listener>,
    /// The neighbours.
    pub peers: Vec<Peer>,
    /// Peers that stand in for each other.
    pub groups: Vec<Group>,
    /// Where calls go, in order: the first that fits is taken.
    pub routes: Vec<Route>,
    /// Calls at a time; `None` leaves it to the media ports.
    pub calls_max: Option<u32>,
    /// Which extensions public numbers are.
    pub dids: DidTable,
    /// Whose extensions are whose.
    pub directory: Directory,
}

/// An address that we answer SIP at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// Whether a peer's users are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Ours: a PBX.
    OnNet,
    /// Everybody else: a carrier.
    OffNet,
}

/// A SIP neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the configuration, in records and in metrics.
    pub name: String,
    /// Whether its users are ours.
    pub side: Side,
    /// Addresses that its messages come from; none for a [former](Self::is_former) one.
    pub sources: Vec<IpAddr>,
    /// Addresses that its messages came from before the configuration changed: calls that run are still at them.
    pub past_sources: Vec<IpAddr>,
    /// Where our requests to it go.
    pub target: SocketAddr,
    /// How they go.
    pub transport: Transport,
    /// The name in its certificate; `None` for the address that requests go to.
    pub certificate: Option<String>,
    /// The listener that they leave from.
    pub listener: u8,
    /// The media address that its parties send to, as its place in the node's list.
    pub media: u8,
    /// Who may teach a media port its source.
    pub learn: Policy,
    /// The code point of media to its parties.
    pub dscp: Option<Dscp>,
    /// The media that offers to it keep; empty for all.
    pub media_types: Vec<MediaKind>,
    /// Names of codecs that offers to it keep; empty for all.
    pub codecs: Vec<String>,
    /// Calls with it at a time.
    pub calls_max: Option<u32>,
    /// New calls from it in a second.
    pub calls_per_second_max: Option<u32>,
    /// How often it is asked whether it is well, in seconds; `None` for never.
    pub options_interval_s: Option<u32>,
    /// How it says who its parties are.
    pub identity: Rules,
}

impl fmt::Display for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.transport, self.address)
    }
}

impl Peer {
    /// A peer at one address, with everything as it is where the configuration does not say.
    pub fn new(name: impl Into<String>, side: Side, target: SocketAddr) -> Self {
        Self {
            name: name.into(),
            side,
            sources: vec![target.ip()],
            past_sources: Vec::new(),
            target,
            transport: Transport::Udp,
            certificate: None,
            listener: 0,
            media: 0,
            learn: Policy::Latch,
            dscp: None,
            media_types: Vec::new(),
            codecs: Vec::new(),
            calls_max: None,
            calls_per_second_max: None,
            options_interval_s: None,
            identity: Rules::of(side),
        }
    }
}

impl Trunks {
    /// A peer.
    pub fn peer(&self, index: PeerIndex) -> Option<&Peer> {
        self.peers.get(index.0 as usize)
    }

    /// The peer of a name.
    pub fn peer_named(&self, name: &str) -> Option<(PeerIndex, &Peer)> {
        let index = self.peers.iter().position(|peer| peer.name == name)?;
        self.peers.get(index).map(|peer| (PeerIndex(index as u16), peer))
    }

    /// A listener.
    pub fn listener(&self, number: u8) -> Option<&Listener> {
        self.listeners.get(number as usize)
    }

    /// Whether an address is one that we answer SIP at.
    pub fn is_ours(&self, address: SocketAddr) -> bool {
        self.listeners.iter().any(|listener| listener.address == address)
    }
}
