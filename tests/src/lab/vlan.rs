//! VLAN sub-interfaces, tagged once (802.1Q) or twice (802.1ad).

use ipnet::IpNet;

use super::interface::{Interface, check_name};
use super::patch::patch;
use crate::{Error, Result};

/// A VLAN tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tag {
    /// The tag protocol identifier that announces it: 0x8100 or 0x88a8.
    pub protocol: u16,
    /// The VLAN, 1 to 4094.
    pub id: u16,
}

impl Tag {
    /// A tag of IEEE 802.1Q, as a customer's VLAN has.
    pub const fn customer(id: u16) -> Self {
        Self { protocol: 0x8100, id }
    }

    /// A tag of IEEE 802.1ad, as the outer one of two has.
    pub const fn service(id: u16) -> Self {
        Self { protocol: 0x88a8, id }
    }
}

impl Interface {
    /// Adds a VLAN sub-interface, up and with these addresses, whose frames carry one tag or two, outermost first.
    ///
    /// It is a `vlan` interface where the kernel has them. Elsewhere it is a veth whose frames are tagged, untagged
    /// and handed on by two small programs at the traffic-control hook: the same frames on the link, and the same
    /// name, addresses and MAC address here, but to netlink it is a veth.
    pub fn add_vlan(&self, tags: &[Tag], addresses: &[IpNet]) -> Result<Self> {
        check_tags(tags)?;
        let name = sub_interface_name(self.name(), tags);
        check_name(&name)?;
        let mut sub = self.sub_interface(&name, tags);
        if !self.add_kernel_vlan(tags)? {
            patch(self, &sub)?;
        }
        sub.up()?;
        addresses.iter().try_for_each(|net| sub.add_address(*net))?;
        Ok(sub)
    }

    /// Makes the kernel's own sub-interfaces, one on the other; false if this kernel has none.
    fn add_kernel_vlan(&self, tags: &[Tag]) -> Result<bool> {
        for depth in 1..=tags.len() {
            let parent = sub_interface_name(self.name(), &tags[..depth - 1]);
            let name = sub_interface_name(self.name(), &tags[..depth]);
            let is_shared = depth < tags.len() && self.namespace().ip(&format!("link show {name}")).is_ok();
            if !is_shared && !self.add_one_kernel_vlan(&parent, &name, tags[depth - 1])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add_one_kernel_vlan(&self, parent: &str, name: &str, tag: Tag) -> Result<bool> {
        let protocol = if tag.protocol == 0x88a8 { "802.1ad" } else { "802.1Q" };
        let vlan = format!("type vlan protocol {protocol} id {}", tag.id);
        match self.namespace().ip(&format!("link add link {parent} name {name} {vlan}")) {
            Ok(_) => self.namespace().ip(&format!("link set {name} up")).map(|_| true),
            Err(Error::Command { output, .. }) if output.contains("Unknown device type") => Ok(false),
            Err(other) => Err(other),
        }
    }
}

fn sub_interface_name(device: &str, tags: &[Tag]) -> String {
    tags.iter().fold(device.to_owned(), |name, tag| format!("{name}.{}", tag.id))
}

fn check_tags(tags: &[Tag]) -> Result<()> {
    let is_known = |tag: &Tag| matches!(tag.protocol, 0x8100 | 0x88a8) && (1..4095).contains(&tag.id);
    if (1..=2).contains(&tags.len()) && tags.iter().all(is_known) {
        return Ok(());
    }
    Err(Error::Invalid(format!("{tags:?} are no VLAN tags: one or two, of 802.1Q or 802.1ad, ids 1 to 4094")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_interface_is_named_after_its_tags() {
        let tags = [Tag::service(7), Tag::customer(100)];
        assert_eq!(sub_interface_name("eth0", &tags), "eth0.7.100");
        assert_eq!(sub_interface_name("eth0", &[]), "eth0");
    }

    #[test]
    fn impossible_tags_are_refused() {
        let tag = Tag::customer(5);
        check_tags(&[tag]).unwrap();
        check_tags(&[Tag::service(5), tag]).unwrap();
        let unknown = Tag { protocol: 0x9100, id: 5 };
        for tags in [&[][..], &[tag; 3], &[Tag::customer(0)], &[Tag::customer(4095)], &[unknown]] {
            assert!(check_tags(tags).is_err(), "{tags:?}");
        }
    }
}
