//! From netlink messages to what they mean here. Nothing that the kernel sends can make this fail: what is not
//! understood is left out, or makes the owner list everything again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_core::{NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::{
    InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use undertone_abi::Tag;

use super::tracker::{Event, Prefix};
use super::view::{Adjacency, Interface, Neighbour, Route, Vlan};

/// `RTM_NEWNEXTHOP` and `RTM_DELNEXTHOP`, which the message crate does not know.
const NEXT_HOP_OBJECT: std::ops::RangeInclusive<u16> = 104..=105;
/// Messages in a datagram begin at multiples of this.
const ALIGNMENT: usize = 4;

/// What a datagram from the kernel's multicast groups announces.
pub(super) fn events(mut datagram: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !datagram.is_empty() {
        let Ok(message) = NetlinkBuffer::new_checked(datagram) else {
            events.push(Event::Lost);
            break;
        };
        let length = message.length() as usize;
        events.extend(event(message.message_type(), &datagram[..length]));
        datagram = datagram.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    events
}

fn event(message_type: u16, message: &[u8]) -> Option<Event> {
    if NEXT_HOP_OBJECT.contains(&message_type) {
        return Some(Event::AnyRoute);
    }
    let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else { return Some(Event::Lost) };
    let message = match message.payload {
        NetlinkPayload::InnerMessage(message) => message,
        NetlinkPayload::Overrun(_) => return Some(Event::Lost),
        _ => return None,
    };
    match message {
        RouteNetlinkMessage::NewLink(link) => interface(&link).map(Event::Interface),
        RouteNetlinkMessage::DelLink(link) => is_of_device(&link).then_some(Event::InterfaceGone(link.header.index)),
        RouteNetlinkMessage::NewNeighbour(entry) => neighbour(&entry).map(|(at, known)| Event::Neighbour(at, known)),
        RouteNetlinkMessage::DelNeighbour(entry) => neighbour(&entry).map(|(at, _)| Event::NeighbourGone(at)),
        RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
            Some(prefix(&route).map_or(Event::AnyRoute, Event::Routes))
        }
        RouteNetlinkMessage::NewAddress(_)
        | RouteNetlinkMessage::DelAddress(_)
        | RouteNetlinkMessage::NewRule(_)
        | RouteNetlinkMessage::DelRule(_) => Some(Event::AnyRoute),
        _ => None,
    }
}

/// An interface; none when the message is about something else, or says too little.
pub(super) fn interface(message: &LinkMessage) -> Option<Interface> {
    if !is_of_device(message) {
        return None;
    }
    let (mut mac, mut mtu, mut lower, mut elsewhere, mut tag) = (None, None, None, false, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(address) => mac = address.as_slice().try_into().ok(),
            LinkAttribute::Mtu(bytes) => mtu = Some(*bytes),
            LinkAttribute::Link(index) => lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::LinkInfo(info) => tag = vlan_tag(info),
            _ => {}
        }
    }
    Some(Interface {
        index: message.header.index,
        up: message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        mac: mac.filter(|_| message.header.link_layer_type == LinkLayerType::Ether),
        // Every full description has an MTU; wireless events, for one, are none.
        mtu: mtu?,
        vlan: tag.map(|tag| Vlan { tag, lower: lower.filter(|_| !elsewhere) }),
    })
}

/// A neighbour; none when the entry is of another kind, such as a bridge's.
pub(super) fn neighbour(message: &NeighbourMessage) -> Option<(Adjacency, Neighbour)> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => address = Some(IpAddr::V4(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => address = Some(IpAddr::V6(*ip)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            _ => {}
        }
    }
    let neighbour = match (message.header.state, mac) {
        (NeighbourState::Failed, _) => Neighbour::Failed,
        (NeighbourState::Stale, Some(mac)) => Neighbour::Doubted(mac),
        (
            NeighbourState::Reachable
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
            | NeighbourState::Noarp,
            Some(mac),
        ) => Neighbour::Known(mac),
        _ => Neighbour::Unknown,
    };
    Some((Adjacency { interface: message.header.ifindex, address: address? }, neighbour))
}

/// The kernel's answer about one destination; none when packets to it do not simply leave through an interface.
pub(super) fn route(message: &RouteMessage) -> Option<Route> {
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    let (mut interface, mut gateway) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(ip)) | RouteAttribute::Via(RouteVia::Inet(ip)) => {
                gateway = Some(IpAddr::V4(*ip));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(ip)) | RouteAttribute::Via(RouteVia::Inet6(ip)) => {
                gateway = Some(IpAddr::V6(*ip));
            }
            // A gateway that has no IP address, or a route that puts packets into tunnels or under labels.
            RouteAttribute::Gateway(_)
            | RouteAttribute::Via(_)
            | RouteAttribute::EncapType(_)
            | RouteAttribute::Encap(_) => return None,
            _ => {}
        }
    }
    Some(Route { interface: interface?, gateway })
}

/// The destinations of a route in a table.
fn prefix(message: &RouteMessage) -> Option<Prefix> {
    let mut address = match message.header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(ip)) => address = IpAddr::V4(*ip),
            RouteAttribute::Destination(RouteAddress::Inet6(ip)) => address = IpAddr::V6(*ip),
            _ => {}
        }
    }
    Some(Prefix { address, length: message.header.destination_prefix_length })
}

/// Whether a link message is about a network device; bridges announce their ports by the same messages.
fn is_of_device(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

fn vlan_tag(info: &[LinkInfo]) -> Option<Tag> {
    let items = info.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vlan(items)) => Some(items),
        _ => None,
    })?;
    let (mut id, mut tpid) = (None, 0x8100);
    for item in items {
        match item {
            InfoVlan::Id(vlan) => id = Some(*vlan),
            InfoVlan::Protocol(protocol) => tpid = u16::from(*protocol),
            _ => {}
        }
    }
    Some(Tag { tpid, tci: id? })
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_core::NLM_F_REQUEST;
    use rtnetlink::packet_route::link::{InfoKind, VlanProtocol};
    use rtnetlink::packet_route::route::RouteLwEnCapType;

    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// A message as it stands in a datagram, padded.
    fn bytes(message: RouteNetlinkMessage) -> Vec<u8> {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    fn link(index: u32, attributes: impl IntoIterator<Item = LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        message.attributes = vec![LinkAttribute::Address(MAC.to_vec()), LinkAttribute::Mtu(1500)];
        message.attributes.extend(attributes);
        message
    }

    fn vlan(protocol: VlanProtocol, id: u16) -> LinkAttribute {
        let items = vec![InfoVlan::Protocol(protocol), InfoVlan::Id(id)];
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(InfoData::Vlan(items))])
    }

    fn entry(state: NeighbourState, mac: &[u8]) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = 4;
        message.header.state = state;
        message.attributes.push(NeighbourAttribute::Destination(Ipv4Addr::new(192, 0, 2, 2).into()));
        if !mac.is_empty() {
            message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
        }
        message
    }

    fn answer(kind: RouteType, attributes: impl IntoIterator<Item = RouteAttribute>) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.kind = kind;
        message.attributes.extend(attributes);
        message
    }

    fn decoded(message: RouteNetlinkMessage) -> Event {
        let [event] = events(&bytes(message)).try_into().unwrap();
        event
    }

    #[test]
    fn an_ethernet_interface_has_its_mac_and_mtu() {
        let expected = Interface { index: 4, up: true, mac: Some(MAC), mtu: 1500, vlan: None };
        assert_eq!(decoded(RouteNetlinkMessage::NewLink(link(4, []))), Event::Interface(expected));
        assert_eq!(decoded(RouteNetlinkMessage::DelLink(link(4, []))), Event::InterfaceGone(4));
    }

    #[test]
    fn a_vlan_interface_has_its_tag_and_the_interface_below() {
        for (protocol, tpid) in [(VlanProtocol::Ieee8021Q, 0x8100), (VlanProtocol::Ieee8021Ad, 0x88a8)] {
            let message = link(5, [LinkAttribute::Link(4), vlan(protocol, 200)]);
            let Event::Interface(interface) = decoded(RouteNetlinkMessage::NewLink(message)) else { panic!() };
            assert_eq!(interface.vlan, Some(Vlan { tag: Tag { tpid, tci: 200 }, lower: Some(4) }));
        }
    }

    #[test]
    fn an_interface_in_another_namespace_is_not_what_its_number_says_here() {
        let message =
            link(5, [LinkAttribute::Link(4), LinkAttribute::LinkNetNsId(0), vlan(VlanProtocol::Ieee8021Q, 7)]);
        assert_eq!(interface(&message).unwrap().vlan.unwrap().lower, None);
        let veth = link(5, [LinkAttribute::Link(4), LinkAttribute::LinkNetNsId(0)]);
        assert_eq!(interface(&veth).unwrap().vlan, None, "the other end of a veth is not below it");
    }

    #[test]
    fn no_carrier_is_down_and_no_ethernet_has_no_mac() {
        let mut message = link(4, []);
        message.header.flags = LinkFlags::Up;
        assert!(!interface(&message).unwrap().up);
        message.header.link_layer_type = LinkLayerType::Loopback;
        assert_eq!(interface(&message).unwrap().mac, None);
    }

    #[test]
    fn link_messages_about_bridge_ports_or_with_little_in_them_are_passed_over() {
        let mut port = link(4, []);
        port.header.interface_family = AddressFamily::Bridge;
        assert_eq!(events(&bytes(RouteNetlinkMessage::DelLink(port.clone()))), []);
        assert_eq!(events(&bytes(RouteNetlinkMessage::NewLink(port))), []);
        let mut wireless = link(4, []);
        wireless.attributes.clear();
        assert_eq!(events(&bytes(RouteNetlinkMessage::NewLink(wireless))), []);
    }

    #[test]
    fn a_neighbour_is_known_doubted_failed_or_unknown_by_its_state() {
        let known = |state, mac| neighbour(&entry(state, mac)).unwrap().1;
        for state in [
            NeighbourState::Reachable,
            NeighbourState::Delay,
            NeighbourState::Probe,
            NeighbourState::Permanent,
            NeighbourState::Noarp,
        ] {
            assert_eq!(known(state, &MAC), Neighbour::Known(MAC));
            assert_eq!(known(state, &[]), Neighbour::Unknown);
        }
        assert_eq!(known(NeighbourState::Stale, &MAC), Neighbour::Doubted(MAC));
        assert_eq!(known(NeighbourState::Stale, &[1, 2, 3, 4]), Neighbour::Unknown, "not Ethernet");
        for state in [NeighbourState::Incomplete, NeighbourState::None, NeighbourState::Other(0x400)] {
            assert_eq!(known(state, &MAC), Neighbour::Unknown);
        }
        assert_eq!(known(NeighbourState::Failed, &MAC), Neighbour::Failed, "what does not answer is no address");
    }

    #[test]
    fn neighbours_of_bridges_and_proxies_are_passed_over() {
        let mut bridge = entry(NeighbourState::Reachable, &MAC);
        bridge.attributes.remove(0);
        assert_eq!(neighbour(&bridge), None);
        let mut proxy = entry(NeighbourState::Reachable, &MAC);
        proxy.header.flags = NeighbourFlags::Proxy;
        assert_eq!(neighbour(&proxy), None);
    }

    #[test]
    fn a_route_leaves_through_an_interface_by_a_gateway_of_either_family_or_none() {
        let [v4, v6] = [Ipv4Addr::new(192, 0, 2, 1).into(), Ipv6Addr::LOCALHOST.into()].map(|ip: IpAddr| ip);
        let route = |attributes: &[RouteAttribute]| route(&answer(RouteType::Unicast, attributes.iter().cloned()));
        let oif = RouteAttribute::Oif(4);
        assert_eq!(route(std::slice::from_ref(&oif)), Some(Route { interface: 4, gateway: None }));
        let by_v4 = [oif.clone(), RouteAttribute::Gateway(v4.into())];
        assert_eq!(route(&by_v4), Some(Route { interface: 4, gateway: Some(v4) }));
        let by_v6 = [oif.clone(), RouteAttribute::Via(v6.into())];
        assert_eq!(route(&by_v6), Some(Route { interface: 4, gateway: Some(v6) }));
        assert_eq!(route(&[oif, RouteAttribute::EncapType(RouteLwEnCapType::Mpls)]), None);
        assert_eq!(route(&[]), None);
    }

    #[test]
    fn a_route_that_is_not_unicast_leads_nowhere() {
        for kind in [
            RouteType::Local,
            RouteType::Broadcast,
            RouteType::Multicast,
            RouteType::BlackHole,
            RouteType::Unreachable,
            RouteType::Prohibit,
        ] {
            assert_eq!(route(&answer(kind, [RouteAttribute::Oif(1)])), None);
        }
    }

    #[test]
    fn a_changed_route_names_its_destinations_and_a_default_route_all_of_its_family() {
        let mut message = answer(RouteType::Unicast, []);
        message.header.destination_prefix_length = 16;
        message.attributes.push(RouteAttribute::Destination(Ipv4Addr::new(10, 1, 0, 0).into()));
        let expected = Prefix { address: Ipv4Addr::new(10, 1, 0, 0).into(), length: 16 };
        assert_eq!(decoded(RouteNetlinkMessage::DelRoute(message)), Event::Routes(expected));
        let default = Prefix { address: Ipv4Addr::UNSPECIFIED.into(), length: 0 };
        assert_eq!(decoded(RouteNetlinkMessage::NewRoute(answer(RouteType::Unicast, []))), Event::Routes(default));
    }

    #[test]
    fn a_datagram_may_hold_several_messages_and_what_cannot_be_read_counts_as_lost() {
        let good = bytes(RouteNetlinkMessage::DelLink(link(4, [])));
        let mut next_hop = good.clone();
        next_hop[4..6].copy_from_slice(&104u16.to_ne_bytes());
        let mut unheard_of = good.clone();
        unheard_of[4..6].copy_from_slice(&999u16.to_ne_bytes());
        let datagram = [&good[..], &next_hop, &unheard_of, &good[..9]].concat();
        assert_eq!(events(&datagram), [Event::InterfaceGone(4), Event::AnyRoute, Event::Lost, Event::Lost]);
    }

    #[test]
    fn no_damaged_datagram_does_harm() {
        let message = bytes(RouteNetlinkMessage::NewLink(link(5, [vlan(VlanProtocol::Ieee8021Q, 7)])));
        for cut in 0..message.len() {
            events(&message[..cut]);
            let mut damaged = message.clone();
            for value in [0, 1, 0x7f, 0xff] {
                damaged[cut] = value;
                events(&damaged);
            }
        }
    }
}
