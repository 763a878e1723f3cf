//! One end of a link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use nix::net::if_::if_nametoindex;

use super::{Mac, Namespace, Tag};
use crate::error::Doing;
use crate::{Error, Result};

/// The longest name of an interface: `IFNAMSIZ` of `linux/if.h`, less its terminating zero.
pub(super) const NAME_LENGTH_MAX: usize = 15;

/// Offloads that hide from an XDP program what a wire would carry.
///
/// A veth hands checksums on unfinished and VLAN tags beside the frame when it may. XDP then redirects frames with a
/// wrong checksum, which the receiver drops, and sees no tag. The `stag` features do for 802.1ad what `txvlan` and
/// `rxvlan` do for 802.1Q.
const OFFLOADS: [&str; 6] = ["tx", "rx", "txvlan", "rxvlan", "tx-vlan-stag-hw-insert", "rx-vlan-stag-hw-parse"];

/// The two versions of the Internet Protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, for tests that hold on either.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub(super) const fn has(self, address: IpAddr) -> bool {
        matches!((self, address), (Self::V4, IpAddr::V4(_)) | (Self::V6, IpAddr::V6(_)))
    }
}

/// An interface inside a namespace; it lives as long as its link.
#[derive(Clone, Debug)]
pub struct Interface {
    namespace: Namespace,
    name: String,
    mac: Mac,
    addresses: Vec<IpNet>,
    device: String,
    tags: Vec<Tag>,
}

impl Interface {
    /// Describes an end of a veth pair that exists.
    pub(super) fn of_veth(namespace: &Namespace, name: &str, mac: Mac) -> Self {
        Self {
            namespace: namespace.clone(),
            name: name.to_owned(),
            mac,
            addresses: Vec::new(),
            device: name.to_owned(),
            tags: Vec::new(),
        }
    }

    /// Describes a VLAN sub-interface of this one that exists.
    pub(super) fn sub_interface(&self, name: &str, tags: &[Tag]) -> Self {
        let mut sub = Self::of_veth(&self.namespace, name, self.mac);
        sub.device.clone_from(&self.device);
        sub.tags = tags.to_vec();
        sub
    }

    /// The namespace it is in.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its name there.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its MAC address.
    pub const fn mac(&self) -> Mac {
        self.mac
    }

    /// All its addresses with their prefix lengths.
    pub fn addresses(&self) -> &[IpNet] {
        &self.addresses
    }

    /// Its first IPv4 address.
    pub fn v4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|net| match net.addr() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }

    /// Its first IPv6 address.
    pub fn v6(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|net| match net.addr() {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        })
    }

    /// The veth that carries its frames, where an XDP program sees them: its own name, or that of the interface
    /// whose VLAN it is.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The tags its frames carry on the veth, outermost first.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Its index in the namespace.
    pub fn index(&self) -> Result<u32> {
        self.index_of(&self.name)
    }

    /// The index of [its device](Self::device).
    pub fn device_index(&self) -> Result<u32> {
        self.index_of(&self.device)
    }

    /// Gives it one more address, usable at once.
    pub fn add_address(&mut self, net: IpNet) -> Result<()> {
        let without_dad = if net.addr().is_ipv6() { " nodad" } else { "" };
        self.namespace.ip(&format!("address add {net} dev {}{without_dad}", self.name))?;
        self.addresses.push(net);
        Ok(())
    }

    /// Changes its MAC address, as a gateway does that was replaced, and announces nothing.
    pub fn set_mac(&mut self, mac: Mac) -> Result<()> {
        self.namespace.ip(&format!("link set {} address {mac}", self.name))?;
        self.mac = mac;
        Ok(())
    }

    /// Brings it up.
    pub fn up(&self) -> Result<()> {
        self.namespace.ip(&format!("link set {} up", self.name)).map(drop)
    }

    /// Takes it down; its IPv6 addresses and its routes go.
    pub fn down(&self) -> Result<()> {
        self.namespace.ip(&format!("link set {} down", self.name)).map(drop)
    }

    /// Routes a network through it by way of a neighbour, instead of any route there was.
    pub fn route(&self, to: IpNet, via: IpAddr) -> Result<()> {
        self.namespace.ip(&format!("route replace {to} via {via} dev {}", self.name)).map(drop)
    }

    /// Fixes a neighbour's MAC address, so that it need not be asked for.
    pub fn neighbour(&self, address: IpAddr, mac: Mac) -> Result<()> {
        let entry = format!("neigh replace {address} lladdr {mac} dev {} nud permanent", self.name);
        self.namespace.ip(&entry).map(drop)
    }

    /// Lets this end receive the frames that XDP redirects to its peer; without, they vanish.
    ///
    /// A veth takes redirected frames only if the receiving end polls (NAPI), which generic receive offload switches
    /// on, as an XDP program of its own would. The kernel tells the peer so only when the feature changes while the
    /// interface is up: switched on beforehand it has no effect, which is why this switches off and on.
    pub fn accept_redirects(&self) -> Result<()> {
        self.features("gro", false)?;
        self.features("gro", true)
    }

    /// Makes its frames what a wire would carry.
    pub(super) fn without_offloads(&self) -> Result<()> {
        let off: Vec<_> = OFFLOADS.iter().map(|feature| format!("{feature} off")).collect();
        self.namespace.tool("ethtool", &format!("-K {} {}", self.name, off.join(" "))).map(drop)
    }

    fn features(&self, feature: &str, on: bool) -> Result<()> {
        let value = if on { "on" } else { "off" };
        self.namespace.tool("ethtool", &format!("-K {} {feature} {value}", self.device)).map(drop)
    }

    fn index_of(&self, name: &str) -> Result<u32> {
        self.namespace
            .run(|| if_nametoindex(name))?
            .doing(|| format!("looking up the interface {name} in {}", self.namespace.name()))
    }
}

/// Refuses a name that the kernel would.
pub(super) fn check_name(name: &str) -> Result<()> {
    let forbidden = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace();
    if name.is_empty() || name.len() > NAME_LENGTH_MAX || name.bytes().any(forbidden) {
        return Err(Error::Invalid(format!(
            "`{name}` is no name for an interface: 1 to {NAME_LENGTH_MAX} bytes without blank, slash and colon"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_the_kernel_would_cut_is_refused() {
        check_name("fifteen-letters").unwrap();
        for name in ["", "sixteen--letters", "a b", "a/b", "a:b"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_family_has_only_its_own_addresses() {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(Family::V4.has(address) && !Family::V6.has(address));
    }
}
