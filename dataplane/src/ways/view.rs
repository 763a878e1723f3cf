//! What the kernel said about links and neighbours, and the way that follows from it and a route.

use std::collections::HashMap;
use std::net::IpAddr;

use undertone_abi::Tag;
use undertone_core::{Link, Way};

/// The most VLAN tags that a frame is sent with.
const TAGS_MAX: usize = 2;

/// A mirror of the kernel's links and neighbours.
#[derive(Debug, Default)]
pub(super) struct View {
    interfaces: HashMap<u32, Interface>,
    neighbours: HashMap<Adjacency, Neighbour>,
}

/// A network interface, as far as it matters to frames that leave through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) index: u32,
    /// Whether it is switched on and has carrier.
    pub(super) up: bool,
    /// Its MAC address, when it is an Ethernet interface.
    pub(super) mac: Option<[u8; 6]>,
    /// The largest IP packet, in bytes.
    pub(super) mtu: u32,
    /// Present on a VLAN interface.
    pub(super) vlan: Option<Vlan>,
}

/// What makes an interface a VLAN interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vlan {
    pub(super) tag: Tag,
    /// The interface below, unless it lies in another network namespace.
    pub(super) lower: Option<u32>,
}

/// A neighbour's place: an address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Adjacency {
    pub(super) interface: u32,
    pub(super) address: IpAddr,
}

/// What the kernel knows of a neighbour; the states are those of RFC 4861, section 7.3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// Nothing is known: there is no entry, or one that waits for its first answer.
    #[default]
    Unknown,
    /// Nobody answered.
    Failed,
    /// The MAC address may be old, and the kernel will not check it before there is a packet to send.
    Doubted([u8; 6]),
    /// The MAC address is good, or the kernel is about to check it by itself.
    Known([u8; 6]),
}

/// The kernel's route to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The interface that it leaves through.
    pub(super) interface: u32,
    /// The next router; without one, the address itself is on the link.
    pub(super) gateway: Option<IpAddr>,
}

impl View {
    /// The way to `destination` by `route`.
    pub(super) fn way(&self, destination: IpAddr, route: Route) -> Option<Way> {
        let link = self.link(route.interface)?;
        let adjacency = route.adjacency(destination);
        Some(Way { link, neighbour: adjacency.address, mac: self.neighbour(adjacency).mac() })
    }

    /// What is known of the neighbour at `adjacency`.
    pub(super) fn neighbour(&self, adjacency: Adjacency) -> Neighbour {
        self.neighbours.get(&adjacency).copied().unwrap_or_default()
    }

    /// Replaces everything.
    pub(super) fn replace(&mut self, interfaces: Vec<Interface>, neighbours: Vec<(Adjacency, Neighbour)>) {
        self.interfaces = interfaces.into_iter().map(|interface| (interface.index, interface)).collect();
        self.neighbours = neighbours.into_iter().collect();
    }

    /// Learns of an interface, and says whether that is news. Whoever was behind it may be another when it comes up.
    pub(super) fn learn_interface(&mut self, interface: Interface) -> bool {
        if !interface.up {
            self.forget_neighbours(interface.index);
        }
        let old = self.interfaces.insert(interface.index, interface.clone());
        old != Some(interface)
    }

    /// Forgets an interface and every neighbour on it, and says whether it was there.
    pub(super) fn forget_interface(&mut self, index: u32) -> bool {
        self.forget_neighbours(index);
        self.interfaces.remove(&index).is_some()
    }

    /// Learns of a neighbour, and says whether its MAC address is another one than before.
    pub(super) fn learn_neighbour(&mut self, adjacency: Adjacency, neighbour: Neighbour) -> bool {
        let old = self.neighbours.insert(adjacency, neighbour).unwrap_or_default();
        old.mac() != neighbour.mac()
    }

    /// Forgets a neighbour.
    pub(super) fn forget_neighbour(&mut self, adjacency: Adjacency) {
        self.neighbours.remove(&adjacency);
    }

    fn forget_neighbours(&mut self, index: u32) {
        self.neighbours.retain(|adjacency, _| adjacency.interface != index);
    }

    /// The link behind interface `index`: the bottom of its stack of VLAN interfaces, and their tags.
    fn link(&self, index: u32) -> Option<Link> {
        let top = self.usable(index)?;
        let mut tags = Vec::new();
        let mut bottom = top;
        while let Some(vlan) = &bottom.vlan {
            if tags.len() == TAGS_MAX {
                return None;
            }
            // Each step down is a step outwards: the device at the bottom adds its tag last, in front of the others.
            tags.insert(0, vlan.tag);
            bottom = self.usable(vlan.lower?)?;
        }
        bottom.mac?;
        let mtu = u16::try_from(top.mtu).unwrap_or(u16::MAX);
        Some(Link { interface: bottom.index, tags, mac: top.mac?, mtu })
    }

    fn usable(&self, index: u32) -> Option<&Interface> {
        self.interfaces.get(&index).filter(|interface| interface.up)
    }
}

impl Neighbour {
    /// The MAC address that the kernel itself would send to.
    pub(super) fn mac(self) -> Option<[u8; 6]> {
        match self {
            Self::Unknown | Self::Failed => None,
            Self::Doubted(mac) | Self::Known(mac) => Some(mac),
        }
    }

    /// This knowledge on top of earlier knowledge: an entry that is gone, as entries go when the kernel's table is
    /// full or is flushed, says nothing against the MAC address that it had.
    pub(super) fn after(self, earlier: Self) -> Self {
        match (self, earlier.mac()) {
            (Self::Unknown, Some(mac)) => Self::Doubted(mac),
            _ => self,
        }
    }
}

impl Route {
    /// Who is next on the way to `destination`.
    pub(super) fn adjacency(self, destination: IpAddr) -> Adjacency {
        Adjacency { interface: self.interface, address: self.gateway.unwrap_or(destination) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const FAR: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const CUSTOMER: Tag = Tag { tpid: 0x8100, tci: 7 };
    const SERVICE: Tag = Tag { tpid: 0x88a8, tci: 200 };

    fn ethernet(index: u32) -> Interface {
        Interface { index, up: true, mac: Some(MAC), mtu: 1500, vlan: None }
    }

    fn vlan(index: u32, tag: Tag, lower: u32) -> Interface {
        Interface { vlan: Some(Vlan { tag, lower: Some(lower) }), ..ethernet(index) }
    }

    fn view(interfaces: impl IntoIterator<Item = Interface>) -> View {
        let mut view = View::default();
        view.replace(interfaces.into_iter().collect(), Vec::new());
        view
    }

    fn way(view: &View, interface: u32) -> Option<Way> {
        view.way(ip("192.0.2.2"), Route { interface, gateway: None })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_on_the_link_is_its_own_neighbour() {
        let mut view = view([ethernet(4)]);
        let unresolved = way(&view, 4).unwrap();
        assert_eq!(unresolved.link, Link { interface: 4, tags: vec![], mac: MAC, mtu: 1500 });
        assert_eq!((unresolved.neighbour, unresolved.mac), (ip("192.0.2.2"), None));

        let adjacency = Adjacency { interface: 4, address: ip("192.0.2.2") };
        assert!(view.learn_neighbour(adjacency, Neighbour::Known(FAR)));
        assert!(!view.learn_neighbour(adjacency, Neighbour::Doubted(FAR)), "an old address is still the address");
        assert_eq!(way(&view, 4).unwrap().mac, Some(FAR));
        view.forget_neighbour(adjacency);
        assert_eq!(way(&view, 4).unwrap().mac, None);
    }

    #[test]
    fn a_gateway_may_be_of_the_other_family() {
        let mut view = view([ethernet(4)]);
        view.learn_neighbour(Adjacency { interface: 4, address: ip("fe80::1") }, Neighbour::Known(FAR));
        let route = Route { interface: 4, gateway: Some(ip("fe80::1")) };
        let way = view.way(ip("192.0.2.2"), route).unwrap();
        assert_eq!((way.neighbour, way.mac), (ip("fe80::1"), Some(FAR)));
    }

    #[test]
    fn tags_stand_outermost_first_and_the_top_interface_gives_mac_and_mtu() {
        let mut top = vlan(6, CUSTOMER, 5);
        (top.mac, top.mtu) = (Some(FAR), 1400);
        let view = view([ethernet(4), vlan(5, SERVICE, 4), top]);
        assert_eq!(way(&view, 5).unwrap().link.tags, [SERVICE]);
        let link = way(&view, 6).unwrap().link;
        assert_eq!(link, Link { interface: 4, tags: vec![SERVICE, CUSTOMER], mac: FAR, mtu: 1400 });
    }

    #[test]
    fn three_tags_are_one_too_many_and_a_loop_ends() {
        assert_eq!(way(&view([ethernet(4), vlan(5, SERVICE, 4), vlan(6, CUSTOMER, 5), vlan(7, CUSTOMER, 6)]), 7), None);
        assert_eq!(way(&view([vlan(5, SERVICE, 6), vlan(6, CUSTOMER, 5)]), 5), None);
    }

    #[test]
    fn there_is_no_way_through_what_is_down_gone_or_not_ethernet() {
        let down = |index| Interface { up: false, ..ethernet(index) };
        let tunnel = |index| Interface { mac: None, ..ethernet(index) };
        assert_eq!(way(&view([]), 4), None);
        assert_eq!(way(&view([down(4)]), 4), None);
        assert_eq!(way(&view([tunnel(4)]), 4), None);
        assert_eq!(way(&view([down(4), vlan(5, CUSTOMER, 4)]), 5), None, "the device below is down");
        assert_eq!(way(&view([tunnel(4), vlan(5, CUSTOMER, 4)]), 5), None);
        assert_eq!(way(&view([vlan(5, CUSTOMER, 4)]), 5), None, "the device below is unknown");
        let elsewhere = Interface { vlan: Some(Vlan { tag: CUSTOMER, lower: None }), ..ethernet(5) };
        assert_eq!(way(&view([elsewhere]), 5), None, "the device below is in another namespace");
    }

    #[test]
    fn a_large_mtu_is_cut_to_what_an_ip_packet_can_be() {
        let view = view([Interface { mtu: 65_536, ..ethernet(4) }]);
        assert_eq!(way(&view, 4).unwrap().link.mtu, 65_535);
    }

    #[test]
    fn only_news_is_news() {
        let mut view = view([ethernet(4)]);
        assert!(!view.learn_interface(ethernet(4)));
        assert!(view.learn_interface(Interface { mtu: 9000, ..ethernet(4) }));
        assert!(view.forget_interface(4));
        assert!(!view.forget_interface(4));
    }

    #[test]
    fn neighbours_go_with_their_interface_and_when_it_goes_down() {
        let adjacency = Adjacency { interface: 4, address: ip("192.0.2.2") };
        let mut view = view([ethernet(4)]);
        view.learn_neighbour(adjacency, Neighbour::Known(FAR));
        view.forget_interface(4);
        view.learn_interface(ethernet(4));
        assert_eq!(way(&view, 4).unwrap().mac, None);
        view.learn_neighbour(adjacency, Neighbour::Known(FAR));
        view.learn_interface(Interface { up: false, ..ethernet(4) });
        view.learn_interface(ethernet(4));
        assert_eq!(way(&view, 4).unwrap().mac, None);
    }

    #[test]
    fn only_a_failure_speaks_against_a_mac_address() {
        let known = Neighbour::Known(MAC);
        assert_eq!(Neighbour::Unknown.after(known), Neighbour::Doubted(MAC));
        assert_eq!(Neighbour::Unknown.after(Neighbour::Failed), Neighbour::Unknown);
        assert_eq!(Neighbour::Failed.after(known), Neighbour::Failed);
        assert_eq!(Neighbour::Doubted(FAR).after(known), Neighbour::Doubted(FAR));
    }
}
