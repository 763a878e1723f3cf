//! Peers that are known by DNS names (RFC 3263).
//!
//! The configuration keeps names; who does I/O looks them up, and [`Trunks::resolved`] puts what was found in their place.
//! Found addresses then take the place of earlier ones as a new configuration does: [`Trunks::succeed`].

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{Peer, Target, Trunks};
use crate::sip::Transport;

/// Addresses that a peer's names may lead to; those beyond are left out.
const ADDRESSES_MAX: usize = 256;
/// Targets that a peer's name may lead to; those beyond, of the least priority, are left out.
const TARGETS_MAX: usize = 32;

/// What of a peer is a name in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Names of hosts that its messages come from.
    pub sources: Vec<String>,
    /// The name of where requests to it go, and the port where it is not for SRV records to say; `None` for an address.
    pub target: Option<(String, Option<u16>)>,
    /// Whether a host with addresses of both IP versions is reached over IPv6, where we can.
    pub prefers_v6: bool,
}

/// What has to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup {
    /// A name, in lower case.
    pub name: String,
    /// The transport whose SRV records count beside the name's addresses; `None` for the addresses alone.
    pub service: Option<Transport>,
}

/// What DNS says of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The servers of its SRV records, in no order.
    pub servers: Vec<Server>,
    /// Its own addresses, in no order.
    pub addresses: Vec<IpAddr>,
}

/// A server that an SRV record names (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// Lower ones are tried first.
    pub priority: u16,
    /// Its share of requests among servers of the same priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// What is known of names.
pub type Known = HashMap<Lookup, Answer>;

/// Why an address that a name leads to is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unused {
    /// Messages from there are another peer's, which comes first in the configuration or has the address itself.
    Taken {
        /// Whose name it is.
        peer: String,
        /// The address.
        address: IpAddr,
        /// How both speak.
        transport: Transport,
        /// Whose messages they are.
        by: String,
    },
    /// It is an address of ours, and requests would go in circles.
    Ours {
        /// Whose name it is.
        peer: String,
        /// The address.
        address: SocketAddr,
    },
    /// Not one host has it.
    NoHost {
        /// Whose name it is.
        peer: String,
        /// The address.
        address: IpAddr,
    },
    /// We have no listener, or no media address, of any of the IP versions that requests to it could go over.
    Unreachable {
        /// Whose name it is.
        peer: String,
    },
}

impl Lookup {
    /// The name of its SRV records (RFC 3263 §4.1), where they count.
    pub fn srv(&self) -> Option<String> {
        let service = match self.service? {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        Some(format!("{service}.{}", self.name))
    }
}

impl Answer {
    /// Brings what has no order into one, so that the same answer looks the same.
    pub fn sort(&mut self) {
        for addresses in self.servers.iter_mut().map(|it| &mut it.addresses).chain([&mut self.addresses]) {
            addresses.sort_unstable();
            addresses.dedup();
        }
        self.servers.sort_unstable();
        self.servers.dedup();
    }

    /// Whether it leads nowhere.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Every address in it.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.servers.iter().flat_map(|server| &server.addresses).chain(&self.addresses).copied()
    }
}

impl Names {
    /// What has to be looked up for a peer of this transport.
    pub fn lookups(&self, transport: Transport) -> impl Iterator<Item = Lookup> + '_ {
        let source = move |name: &String| Lookup { name: name.clone(), service: Some(transport) };
        self.sources.iter().map(source).chain(self.target_lookup(transport))
    }

    /// A name with a port is the name of a host (RFC 3263 §4.2).
    fn target_lookup(&self, transport: Transport) -> Option<Lookup> {
        let (name, port) = self.target.as_ref()?;
        let service = if port.is_none() { Some(transport) } else { None };
        Some(Lookup { name: name.clone(), service })
    }
}

impl Trunks {
    /// What has to be looked up, each once.
    pub fn lookups(&self) -> Vec<Lookup> {
        let of = |peer: &Peer| peer.lookups().collect::<Vec<_>>();
        let mut lookups: Vec<_> = self.peers.iter().flat_map(of).collect();
        lookups.sort_unstable();
        lookups.dedup();
        lookups
    }

    /// These trunks, as the configuration has them, with what is known of their names. A peer of whose names nothing is
    /// known has no sources or no targets yet.
    #[must_use]
    pub fn resolved(&self, known: &Known) -> (Self, Vec<Unused>) {
        let (mut trunks, mut unused) = (self.clone(), Vec::new());
        let mut taken: HashMap<(IpAddr, Transport), usize> = HashMap::new();
        for (index, peer) in self.peers.iter().enumerate() {
            for address in &peer.sources {
                taken.entry((*address, peer.transport)).or_insert(index);
            }
        }
        for (index, peer) in trunks.peers.iter_mut().enumerate() {
            let Some(names) = peer.names.clone() else { continue };
            for address in peer.source_addresses(&names, known, &mut unused) {
                match *taken.entry((address, peer.transport)).or_insert(index) {
                    by if by == index => peer.sources.push(address),
                    by => unused.push(Unused::Taken {
                        peer: peer.name.clone(),
                        address,
                        transport: peer.transport,
                        by: self.peers.get(by).map(|peer| peer.name.clone()).unwrap_or_default(),
                    }),
                }
            }
            if let Some((answer, port)) = names.answer(peer.transport, known) {
                peer.targets = peer.targets_of(&names, answer, port);
                let is_unreachable = peer.targets.is_empty();
                let is_other = |target: &Target| !self.is_ours(target.address);
                let (others, ours) = std::mem::take(&mut peer.targets).into_iter().partition(is_other);
                peer.targets = others;
                let name = || peer.name.clone();
                unused.extend(ours.into_iter().map(|it: Target| Unused::Ours { peer: name(), address: it.address }));
                unused.extend(is_unreachable.then(|| Unused::Unreachable { peer: name() }));
            }
        }
        (trunks, unused)
    }
}

impl Names {
    /// What is known of where requests go, and the port where SRV records name none.
    fn answer<'k>(&self, transport: Transport, known: &'k Known) -> Option<(&'k Answer, u16)> {
        let port = self.target.as_ref()?.1.unwrap_or(transport.port());
        Some((known.get(&self.target_lookup(transport)?)?, port))
    }
}

impl Peer {
    /// What has to be looked up for it.
    pub fn lookups(&self) -> impl Iterator<Item = Lookup> + '_ {
        self.names.iter().flat_map(|names| names.lookups(self.transport))
    }

    /// The addresses that its names lead to and that are not its own anyway, each once.
    fn source_addresses(&self, names: &Names, known: &Known, unused: &mut Vec<Unused>) -> Vec<IpAddr> {
        let mut seen: HashSet<IpAddr> = self.sources.iter().copied().collect();
        let lookup = |name: &String| known.get(&Lookup { name: name.clone(), service: Some(self.transport) });
        let found = names.sources.iter().filter_map(lookup).flat_map(Answer::all);
        let (hosts, others): (Vec<_>, Vec<_>) =
            found.filter(|address| seen.insert(*address)).partition(|address| is_host(*address));
        unused.extend(others.into_iter().map(|address| Unused::NoHost { peer: self.name.clone(), address }));
        hosts.into_iter().take(ADDRESSES_MAX).collect()
    }

    /// Where an answer sends requests: to the servers of SRV records, or else to the addresses of the name itself.
    fn targets_of(&self, names: &Names, answer: &Answer, port: u16) -> Vec<Target> {
        let itself = Server { priority: 0, weight: 1, port, addresses: answer.addresses.clone() };
        let by_name = std::slice::from_ref(&itself);
        let servers = if answer.servers.is_empty() { by_name } else { &answer.servers };
        let mut targets: Vec<Target> = Vec::new();
        for Server { priority, weight, port, addresses } in servers.iter().filter(|server| server.port != 0) {
            let of_version = |is_v6: bool| {
                let is_it = move |ip: &&IpAddr| ip.is_ipv6() == is_v6 && is_host(**ip) && self.ways.reaches(**ip);
                addresses.iter().filter(is_it).copied().collect::<Vec<_>>()
            };
            let preferred = of_version(names.prefers_v6);
            let usable = if preferred.is_empty() { of_version(!names.prefers_v6) } else { preferred };
            let target = |ip| Target { address: SocketAddr::new(ip, *port), priority: *priority, weight: *weight };
            targets.extend(usable.into_iter().map(target));
        }
        targets.sort_by_key(|target| target.priority);
        let mut seen = HashSet::new();
        targets.retain(|target| seen.insert(target.address));
        targets.truncate(TARGETS_MAX);
        targets
    }
}

/// Whether one host has this address and others can reach it.
pub(crate) fn is_host(address: IpAddr) -> bool {
    let is_local = match address {
        IpAddr::V4(v4) => !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && v6.to_ipv4_mapped().is_none(),
    };
    !address.is_unspecified() && !address.is_multicast() && is_local
}

impl fmt::Display for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { peer, address, transport, by } => {
                write!(formatter, "a name of peer {peer} leads to {address}, and {transport} from there is {by}'s")
            }
            Self::Ours { peer, address } => {
                write!(
                    formatter,
                    "the target of peer {peer} leads to {address}, which is this node: requests would go in circles"
                )
            }
            Self::NoHost { peer, address } => {
                write!(formatter, "a name of peer {peer} leads to {address}, which is no host that others can reach")
            }
            Self::Unreachable { peer } => write!(
                formatter,
                "the target of peer {peer} leads to no address that a listener and a media address of ours reach"
            ),
        }
    }
}

#[cfg(test)]
#[path = "names/tests.rs"]
mod tests;
