//! Links between namespaces.

use ipnet::IpNet;

use super::interface::{Interface, check_name};
use super::tool::ip;
use super::{Mac, Namespace, Tag};
use crate::Result;

/// One end of a link that is to be made.
#[derive(Clone, Debug)]
pub struct End {
    namespace: Namespace,
    name: String,
    mac: Mac,
    addresses: Vec<IpNet>,
}

impl End {
    /// An interface of this name (up to 15 bytes) and MAC address in this namespace, without IP addresses yet.
    pub fn new(namespace: &Namespace, name: &str, mac: Mac) -> Self {
        Self { namespace: namespace.clone(), name: name.to_owned(), mac, addresses: Vec::new() }
    }

    /// With this address and prefix length.
    #[must_use]
    pub fn address(mut self, net: impl Into<IpNet>) -> Self {
        self.addresses.push(net.into());
        self
    }
}

/// A veth pair between two namespaces, or a VLAN on one. It goes when either namespace does.
#[derive(Clone, Debug)]
pub struct Link {
    /// The end that was named first.
    pub near: Interface,
    /// The other end.
    pub far: Interface,
}

impl Link {
    /// Joins two namespaces by a veth pair: both ends up, checksums and VLAN tags in the frames as on a wire, IPv6
    /// addresses usable at once.
    ///
    /// Frames that XDP redirects reach an end only after [`Interface::accept_redirects`].
    pub fn connect(near: End, far: End) -> Result<Self> {
        check_name(&near.name)?;
        check_name(&far.name)?;
        ip(&format!("link add {} type veth peer {}", description(&near), description(&far)))?;
        Ok(Self { near: bring_up(near)?, far: bring_up(far)? })
    }

    /// Lets both ends receive what XDP redirects to them: see [`Interface::accept_redirects`].
    pub fn accept_redirects(&self) -> Result<()> {
        self.near.accept_redirects()?;
        self.far.accept_redirects()
    }

    /// Adds a VLAN: at each end a sub-interface with these addresses, named like `eth0.7.100`, whose frames carry
    /// one tag or two (outermost first) on the link.
    pub fn add_vlan(&self, tags: &[Tag], near: &[IpNet], far: &[IpNet]) -> Result<Self> {
        Ok(Self { near: self.near.add_vlan(tags, near)?, far: self.far.add_vlan(tags, far)? })
    }

    /// Removes the link now.
    pub fn remove(self) -> Result<()> {
        self.near.namespace().ip(&format!("link del {}", self.near.name()))?;
        if self.far.index().is_ok() {
            self.far.namespace().ip(&format!("link del {}", self.far.name()))?;
        }
        Ok(())
    }
}

/// The end as `ip link add` takes it; made in its namespace, so that no name can clash elsewhere.
fn description(end: &End) -> String {
    format!("name {} address {} netns {}", end.name, end.mac, end.namespace.name())
}

fn bring_up(end: End) -> Result<Interface> {
    let mut interface = Interface::of_veth(&end.namespace, &end.name, end.mac);
    interface.without_offloads()?;
    interface.up()?;
    end.addresses.into_iter().try_for_each(|net| interface.add_address(net))?;
    Ok(interface)
}
