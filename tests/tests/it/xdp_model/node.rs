//! The node under test in plain values: what is written to its tables, and what the model goes by.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use undertone_abi::{GroupPlan, Hop, Local, RowIndex, Rule};
use undertone_core::Memory;

/// An address of the node.
pub(super) struct MediaAddress {
    /// What parties send to.
    pub(super) ip: &'static str,
    /// What stands for it on the mixer's link.
    pub(super) alias: Ipv4Addr,
}

/// The node's addresses, by [`Local`].
pub(super) const ADDRESSES: [MediaAddress; 3] = [
    MediaAddress { ip: "10.9.0.1", alias: Ipv4Addr::new(169, 254, 7, 10) },
    MediaAddress { ip: "fd09::1", alias: Ipv4Addr::new(169, 254, 7, 11) },
    MediaAddress { ip: "10.9.0.2", alias: Ipv4Addr::new(169, 254, 7, 12) },
];

/// The first and the last media port.
pub(super) const PORTS: [u16; 2] = [20_000, 20_999];

/// Replication groups in the tables, the unused one included.
pub(super) const GROUPS: u32 = 64;

/// The next hop that is never resolved.
pub(super) const HOP_NOWHERE: u16 = 0;

/// The next hop to the mixer.
pub(super) const HOP_MIXER: u16 = 1;

const MIXER_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 7, 1);
const MIXER_UNRESOLVED_PORT: u16 = 7001;
const MIXER_COPIES_PORT: u16 = 7002;
const MIXER_DIVERT_PORTS: [u16; 3] = [7010, 7020, 7030];

/// Where each of the mixer's lanes listens.
pub(super) fn mixer_divert(lane: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(MIXER_ADDRESS), MIXER_DIVERT_PORTS[lane as usize])
}

/// How many lanes it has.
pub(super) const MIXER_LANES: u32 = MIXER_DIVERT_PORTS.len() as u32;

/// Where user space listens for packets whose next hop is not known.
pub(super) const MIXER_UNRESOLVED: SocketAddr = SocketAddr::new(IpAddr::V4(MIXER_ADDRESS), MIXER_UNRESOLVED_PORT);

/// Where user space listens for packets that it is to copy.
pub(super) const MIXER_COPIES: SocketAddr = SocketAddr::new(IpAddr::V4(MIXER_ADDRESS), MIXER_COPIES_PORT);

/// What the tables hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The interface towards the mixer, if there is one.
    pub(super) mixer: Option<u32>,
    /// Whether the mixer's heart has beaten lately.
    pub(super) is_mixer_alive: bool,
    /// Whether copies are made in user space, and not by the kernel.
    pub(super) copies_in_user_space: bool,
    /// Device slots that are in use, with the interface in each.
    pub(super) devices: BTreeMap<u8, u32>,
    /// Shapes that there are, with the interfaces of each and whether it carries copies.
    pub(super) shapes: BTreeMap<u16, Vec<(u32, bool)>>,
    /// Next hops; those that are not here are not resolved.
    pub(super) hops: BTreeMap<u16, Hop>,
    /// Rules; ports without one are free.
    pub(super) rules: BTreeMap<RowIndex, Rule>,
    /// Replication groups.
    pub(super) groups: BTreeMap<u16, GroupPlan>,
}

impl Node {
    /// The address number `local`.
    pub(super) fn address(local: Local) -> IpAddr {
        ADDRESSES[usize::from(local.0)].ip.parse().expect("an address of the table above")
    }

    /// What stands for it on the mixer's link.
    pub(super) fn alias(local: Local) -> IpAddr {
        ADDRESSES[usize::from(local.0)].alias.into()
    }

    /// The hop number `index`, if its neighbour is known.
    pub(super) fn resolved_hop(&self, index: u16) -> Option<Hop> {
        self.hops.get(&index).copied().filter(|hop| hop.resolved)
    }

    /// Writes what lies in shared memory: all but devices and shapes. Rows of rules that there were become free.
    pub(super) fn write(&self, memory: &impl Memory, before: &Self) {
        let config = memory.config();
        let addresses =
            ADDRESSES.map(|address| (address.ip.parse::<IpAddr>().expect("an address").into(), Some(address.alias)));
        assert!(config.set_addresses(&addresses));
        config.set_ports(PORTS[0], PORTS[1]);
        config.set_mixer(
            self.mixer.unwrap_or(0),
            if self.mixer.is_some() { HOP_MIXER } else { HOP_NOWHERE },
            MIXER_ADDRESS,
            &MIXER_DIVERT_PORTS,
            MIXER_UNRESOLVED_PORT,
        );
        config.set_copies_port(if self.copies_in_user_space { MIXER_COPIES_PORT } else { 0 });
        for index in before.hops.keys().chain(self.hops.keys()) {
            let hop = self.hops.get(index).copied().unwrap_or_default();
            memory.hop(*index).expect("a hop of the table").write(&hop);
        }
        for (index, plan) in &self.groups {
            memory.group(*index).expect("a group of the table").write(plan);
        }
        for index in before.rules.keys().chain(self.rules.keys()) {
            let rule = self.rules.get(index).copied().unwrap_or_default();
            memory.row(*index).expect("a row of the table").write(&rule);
        }
    }
}
