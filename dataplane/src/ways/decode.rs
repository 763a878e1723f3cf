//! From netlink messages to what they mean here. Nothing that the kernel sends can make this fail: what is not
//! understood is left out, or makes the owner list everything again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_core::{NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::{InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
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
