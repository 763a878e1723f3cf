//! The network of what is measured: callers, agents and supervisors in one namespace, and a link for each.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
};

use anyhow::{Context as _, Result};

use super::phones::Side;
use crate::machine::{self, Namespace};

/// The port that all telephones of a side have.
const PHONES_PORT: u16 = 4000;

/// Two namespaces with a link between them for each side.
pub(super) struct Network {
    pub(super) outside: Namespace,
    pub(super) inside: Namespace,
}

/// The name of a side's interface, on both ends.
pub(super) const fn interface(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Agent => "agent",
        Side::Supervisor => "monitor",
    }
}

/// The address inside that faces a side.
pub(super) const fn near(side: Side) -> Ipv4Addr {
    Ipv4Addr::new(10, 9 - side as u8, 0, 1)
}

/// Where the telephones of a side are.
pub(super) const fn phones(side: Side) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 9 - side as u8, 0, 2), PHONES_PORT)
}

impl Network {
    /// Builds it.
    pub(super) fn new() -> Result<Self> {
        let (outside, inside) = (Namespace::quiet()?, Namespace::quiet()?);
        inside.run(|| {
            let link = |side| {
                let name = interface(side);
                format!(
                    "link add {name} type veth peer name {name} netns {}\naddress add {}/24 dev {name}\n\
                     link set {name} up\n",
                    outside.path(),
                    near(side),
                )
            };
            machine::ip(&(Side::ALL.map(link).concat() + "link set lo up\n"))
        })?;
        outside.run(|| {
            let link = |side| {
                let name = interface(side);
                format!("address add {}/24 dev {name}\nlink set {name} up\n", phones(side).ip())
            };
            machine::ip(&(Side::ALL.map(link).concat() + "link set lo up\n"))?;
            Side::ALL.map(interface).iter().try_for_each(|name| {
                // What XDP sees has its checksum, and what it sends is taken.
                machine::ethtool(&format!("-K {name} tx off gro on"))
            })
        })?;
        Ok(Self { outside, inside })
    }

    /// Sockets for the telephones of these sides.
    pub(super) fn sockets(&self, sides: &[Side]) -> Result<[Option<UdpSocket>; 3]> {
        let open = |side| {
            let wanted = sides.contains(&side).then(|| UdpSocket::bind(SocketAddr::from(phones(side))));
            wanted.transpose().context("cannot open the telephones' socket")
        };
        self.outside.run(|| Ok([open(Side::Caller)?, open(Side::Agent)?, open(Side::Supervisor)?]))
    }

    /// Datagrams that came while a socket inside had no room, since the namespace was made.
    pub(super) fn dropped_inside(&self) -> Result<u64> {
        let text = self.inside.run(|| Ok(fs::read_to_string("/proc/thread-self/net/snmp")?))?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let at = names.split(' ').position(|name| name == "RcvbufErrors");
        let number = at.and_then(|at| numbers.split(' ').nth(at)?.parse().ok());
        number.context("the kernel does not tell what its sockets have dropped")
    }
}
