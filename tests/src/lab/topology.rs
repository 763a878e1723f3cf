//! Whole networks, such that a test is a sentence.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tempfile::TempDir;

use super::interface::NAME_LENGTH_MAX;
use super::namespace::unique_id;
use super::{End, Family, Interface, Link, Mac, Namespace, Tag};
use crate::Result;
use crate::error::Doing;

/// The appliance's namespace, and the sites around it.
///
/// ```text
///             appliance
///    caller ──┤  │   ├── agent         link x has 10.77.x.0/24 and fd77:x::/64;
///             │monitor│                the appliance is .1 on it, the site .2
/// ```
///
/// Every site can receive what the appliance redirects to it by XDP, and has its default routes through the
/// appliance. The addresses are the same in every lab; labs do not see each other.
#[derive(Debug)]
pub struct Lab {
    /// What is under test runs here.
    pub appliance: Namespace,
    /// The party that dialled.
    pub caller: Site,
    /// The party that is monitored.
    pub agent: Site,
    /// Where copies go.
    pub monitor: Site,
    id: String,
    directory: TempDir,
    links: AtomicU8,
}

/// A namespace and the link that joins it to its neighbour.
#[derive(Clone, Debug)]
pub struct Site {
    namespace: Namespace,
    link: Link,
}

impl Lab {
    /// A caller, an agent and a monitor, each on a link of its own to the appliance.
    pub fn three_way() -> Result<Self> {
        let appliance = Namespace::create("appliance")?;
        let links = AtomicU8::new(1);
        let attach = |name| Site::attach(&appliance, name, &[], links.fetch_add(1, Ordering::Relaxed));
        let (caller, agent, monitor) = (attach("caller")?, attach("agent")?, attach("monitor")?);
        let directory = tempfile::tempdir().doing(|| "making the lab's directory".to_owned())?;
        Ok(Self { appliance, caller, agent, monitor, id: unique_id(), directory, links })
    }

    /// What no other lab on this machine is called, for names outside namespaces such as pins in bpffs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A directory that goes with the lab.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// One more site, whose frames carry these VLAN tags on its link to the appliance: none, one, or two with the
    /// outermost first.
    pub fn attach(&self, name: &str, tags: &[Tag]) -> Result<Site> {
        Site::attach(&self.appliance, name, tags, self.next_link())
    }

    /// One more site that forwards: a gateway to what is [behind](Self::attach_behind) it.
    pub fn attach_gateway(&self, name: &str) -> Result<Site> {
        let gateway = self.attach(name, &[])?;
        gateway.namespace.forward()?;
        Ok(gateway)
    }

    /// A site behind a gateway; the appliance reaches it through the gateway, and it the appliance.
    pub fn attach_behind(&self, gateway: &Site, name: &str) -> Result<Site> {
        let site = Site::attach(&gateway.namespace, name, &[], self.next_link())?;
        self.route_through(gateway, &site)?;
        Ok(site)
    }

    /// Joins one more gateway to a site: near end the gateway's, far end the site's. The appliance does not use it
    /// before it is told [to](Self::route_through), and the site's default routes stay.
    pub fn join(&self, gateway: &Site, site: &Site) -> Result<Link> {
        let number = self.next_link();
        let name = format!("eth{number}");
        let link = connect(&gateway.namespace, &name, &site.namespace, &name, number)?;
        for family in Family::ALL {
            link.near.route(host(site.address(family)), address(&link.far, family))?;
        }
        Ok(link)
    }

    /// Lets the appliance reach a site through this gateway from now on.
    pub fn route_through(&self, gateway: &Site, site: &Site) -> Result<()> {
        Family::ALL
            .into_iter()
            .try_for_each(|family| gateway.facing().route(host(site.address(family)), gateway.address(family)))
    }

    fn next_link(&self) -> u8 {
        self.links.fetch_add(1, Ordering::Relaxed)
    }
}

impl Site {
    fn attach(neighbour: &Namespace, name: &str, tags: &[Tag], number: u8) -> Result<Self> {
        let namespace = Namespace::create(name)?;
        let facing = facing_name(name, tags);
        let link = if tags.is_empty() {
            connect(neighbour, &facing, &namespace, "eth0", number)?
        } else {
            connect_tagged(neighbour, &facing, &namespace, tags, number)?
        };
        link.far.accept_redirects()?;
        for (family, everywhere) in [(Family::V4, "0.0.0.0/0"), (Family::V6, "::/0")] {
            let everywhere = everywhere.parse().expect("a constant network parses");
            link.far.route(everywhere, address(&link.near, family))?;
        }
        Ok(Self { namespace, link })
    }

    /// The site's namespace.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The link: its near end is the neighbour's, its far end the site's.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The site's own interface.
    pub const fn interface(&self) -> &Interface {
        &self.link.far
    }

    /// The neighbour's interface that faces the site.
    pub const fn facing(&self) -> &Interface {
        &self.link.near
    }

    /// The site's address.
    pub fn address(&self, family: Family) -> IpAddr {
        address(&self.link.far, family)
    }

    /// The address of the neighbour's interface that faces the site.
    pub fn facing_address(&self, family: Family) -> IpAddr {
        address(&self.link.near, family)
    }

    /// Replaces the site's MAC address, as if its machine had been exchanged; it announces nothing.
    pub fn set_mac(&mut self, mac: Mac) -> Result<()> {
        self.link.far.set_mac(mac)
    }
}

/// Joins two namespaces by the lab's link of this number.
fn connect(near: &Namespace, near_name: &str, far: &Namespace, far_name: &str, number: u8) -> Result<Link> {
    let end = |namespace, name, position| {
        let [v4, v6] = addresses(number, position);
        End::new(namespace, name, Mac::local(number, position)).address(v4).address(v6)
    };
    Link::connect(end(near, near_name, 1), end(far, far_name, 2))
}

/// Joins two namespaces by a bare link that carries a VLAN, which has the link's addresses.
fn connect_tagged(near: &Namespace, near_name: &str, far: &Namespace, tags: &[Tag], number: u8) -> Result<Link> {
    let near = End::new(near, near_name, Mac::local(number, 1));
    let far = End::new(far, "eth0", Mac::local(number, 2));
    Link::connect(near, far)?.add_vlan(tags, &addresses(number, 1), &addresses(number, 2))
}

/// The addresses of one end of the lab's link of this number.
fn addresses(link: u8, position: u8) -> [IpNet; 2] {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(10, 77, link, position), 24);
    let v6 = Ipv6Net::new_assert(Ipv6Addr::new(0xfd77, link.into(), 0, 0, 0, 0, 0, position.into()), 64);
    [v4.into(), v6.into()]
}

fn address(interface: &Interface, family: Family) -> IpAddr {
    let mut all = interface.addresses().iter().map(IpNet::addr);
    all.find(|address| family.has(*address)).expect("every link of a lab has an address of each family")
}

/// The network of one address.
fn host(address: IpAddr) -> IpNet {
    address.into()
}

/// A site's name as that of the interface that faces it, cut so that its VLAN's name fits, too.
fn facing_name(site: &str, tags: &[Tag]) -> String {
    let suffix = tags.iter().map(|tag| format!(".{}", tag.id).len() + 1).sum::<usize>();
    site.chars().take(NAME_LENGTH_MAX - suffix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_addresses_of_their_own() {
        let [v4, v6] = addresses(3, 2);
        assert_eq!((v4.to_string(), v6.to_string()), ("10.77.3.2/24".into(), "fd77:3::2/64".into()));
    }

    #[test]
    fn one_address_is_a_network_too() {
        assert_eq!(host(IpAddr::V6(Ipv6Addr::LOCALHOST)).to_string(), "::1/128");
    }
}
