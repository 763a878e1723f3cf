//! What of a host is not ready for a data plane: found before anything is touched.

use std::{
    collections::HashSet,
    io::ErrorKind,
    net::{IpAddr, UdpSocket},
};

use futures_util::TryStreamExt as _;
use nix::ifaddrs::getifaddrs;
use rtnetlink::{
    Handle,
    packet_route::link::{LinkAttribute, LinkFlags, LinkMessage},
};

use crate::{Options, PathChoice};

/// What is not ready. Each names the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostProblem {
    /// An interface that is not there.
    #[error("there is no interface `{name}` here; `ip link` lists those that are: correct `media.interfaces`")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// An interface that is switched off.
    #[error("interface `{name}` is down; `ip link set {name} up` starts it")]
    Down {
        /// Its name.
        name: String,
    },
    /// An interface that nobody can talk to.
    #[error(
        "interface `{name}` has no IP address, and no VLAN, bond or bridge stands on it; `ip address add ADDRESS/LENGTH \
         dev {name}` gives it one"
    )]
    NoAddress {
        /// Its name.
        name: String,
    },
    /// A media address that is on no interface.
    #[error(
        "media address {address} is on no interface; `ip address add {address}/LENGTH dev INTERFACE` adds it, and for an \
         address that moves between hosts the sysctl {} = 1 says that it may be missing",
        if address.is_ipv4() { "net.ipv4.ip_nonlocal_bind" } else { "net.ipv6.ip_nonlocal_bind" }
    )]
    AddressNotHere {
        /// The address.
        address: IpAddr,
    },
}

/// Everything on this host that is not ready for a data plane with these options.
pub fn problems(options: &Options) -> Vec<HostProblem> {
    let mut problems = Vec::new();
    // A path of sockets needs no interface, and where netlink is not to be had, XDP is not either.
    if options.path != PathChoice::Sockets
        && let Some(interfaces) = Interfaces::read()
    {
        problems.extend(options.interfaces.iter().filter_map(|name| interfaces.problem(name)));
    }
    let missing = options.node.addresses.iter().filter(|address| !is_here(**address));
    problems.extend(missing.map(|address| HostProblem::AddressNotHere { address: *address }));
    problems
}

/// Whether this host has an address, or may send from it all the same.
fn is_here(address: IpAddr) -> bool {
    // An IPv6 address is here, and cannot be bound, while the kernel looks for others that have it (RFC 4862, section
    // 5.4): so it is just after the host has started.
    let is_listed = || {
        getifaddrs().into_iter().flatten().filter_map(|interface| interface.address).any(|listed| {
            let v6 = listed.as_sockaddr_in6().map(|it| IpAddr::from(it.ip()));
            v6.or_else(|| listed.as_sockaddr_in().map(|it| it.ip().into())) == Some(address)
        })
    };
    !matches!(UdpSocket::bind((address, 0)), Err(error) if error.kind() == ErrorKind::AddrNotAvailable) || is_listed()
}

/// The interfaces of a host.
struct Interfaces {
    links: Vec<LinkMessage>,
    /// Indices of those that have an address.
    addressed: HashSet<u32>,
}

impl Interfaces {
    fn read() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().ok()?;
            let connection = tokio::spawn(connection);
            let interfaces = Self::list(&handle).await;
            connection.abort();
            interfaces
        })
    }

    async fn list(handle: &Handle) -> Option<Self> {
        let links = handle.link().get().execute().try_collect().await.ok()?;
        let addresses: Vec<_> = handle.address().get().execute().try_collect().await.ok()?;
        Some(Self { links, addressed: addresses.into_iter().map(|address| address.header.index).collect() })
    }

    fn problem(&self, name: &str) -> Option<HostProblem> {
        let is_it = |link: &&LinkMessage| {
            link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::IfName(it) if it == name))
        };
        let name = || name.to_owned();
        let Some(link) = self.links.iter().find(is_it) else { return Some(HostProblem::NoInterface { name: name() }) };
        if !link.header.flags.contains(LinkFlags::Up) {
            return Some(HostProblem::Down { name: name() });
        }
        let has_address = self.addressed.contains(&link.header.index) || self.carries_another(link);
        (!has_address).then(|| HostProblem::NoAddress { name: name() })
    }

    /// Whether an interface is part of another, or another stands on it.
    fn carries_another(&self, link: &LinkMessage) -> bool {
        let is_part = link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Controller(_)));
        is_part || self.links.iter().any(|other| lower(other) == Some(link.header.index) && lower(link).is_none())
    }
}

/// The interface of this host that another stands on.
fn lower(link: &LinkMessage) -> Option<u32> {
    let is_elsewhere = link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::LinkNetNsId(_)));
    let lower = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) => Some(*index),
        _ => None,
    });
    lower.filter(|_| !is_elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, attributes: impl IntoIterator<Item = LinkAttribute>) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.attributes = vec![LinkAttribute::IfName(name.into())];
        link.attributes.extend(attributes);
        link
    }

    fn problem(links: impl IntoIterator<Item = LinkMessage>, addressed: &[u32]) -> Option<HostProblem> {
        Interfaces { links: links.into_iter().collect(), addressed: addressed.iter().copied().collect() }
            .problem("eth0")
    }

    #[test]
    fn an_interface_is_ready_with_an_address_or_as_part_or_ground_of_another() {
        let eth0 = || link(4, "eth0", []);
        let no_address = Some(HostProblem::NoAddress { name: "eth0".into() });
        assert_eq!(problem([eth0()], &[4]), None);
        assert_eq!(problem([eth0()], &[5]), no_address);
        assert_eq!(problem([eth0(), link(5, "eth0.7", [LinkAttribute::Link(4)])], &[5]), None);
        assert_eq!(problem([link(4, "eth0", [LinkAttribute::Controller(9)])], &[9]), None);
        let far = link(5, "vlan", [LinkAttribute::Link(4), LinkAttribute::LinkNetNsId(0)]);
        assert_eq!(problem([eth0(), far], &[]), no_address, "a number of another namespace");
        let veth = [link(4, "eth0", [LinkAttribute::Link(5)]), link(5, "far", [LinkAttribute::Link(4)])];
        assert_eq!(problem(veth, &[]), no_address, "the other end of a veth does not stand on it");
    }

    #[test]
    fn each_problem_names_the_way_out_behind_a_semicolon() {
        let name = || "eth0".to_owned();
        let address = "2001:db8::1".parse().unwrap();
        let problems = [
            HostProblem::NoInterface { name: name() },
            HostProblem::Down { name: name() },
            HostProblem::NoAddress { name: name() },
            HostProblem::AddressNotHere { address },
        ];
        for problem in problems {
            assert_eq!(problem.to_string().matches("; ").count(), 1, "{problem}");
        }
        assert!(HostProblem::AddressNotHere { address }.to_string().contains("net.ipv6.ip_nonlocal_bind"));
    }
}
