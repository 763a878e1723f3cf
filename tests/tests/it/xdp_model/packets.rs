//! Packets that may come to a node, by choices that shrink to plain RTP from the right party.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use undertone_abi::{Local, Tag};

use super::frame::{Fault, Frame};
use super::node::{ADDRESSES, Node, PORTS, mixer_divert};
use super::payload::{Payload, Rtp};
use super::scene::{At, Interfaces, Scene, ends, party, tags};

/// A packet, in relation to the streams of a scene.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    to: Target,
    from: Sender,
    is_on_mixer_link: bool,
    /// Bytes of metadata that somebody left in front of it.
    pub(super) metadata: usize,
    look: Look,
    payload: Payload,
    faults: Vec<Fault>,
}

/// Whom a packet is for.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// A stream's port.
    Port(At),
    /// A stream's port, on the alias that the mixer knows.
    Alias(At),
    /// Any port of this address.
    AnyPort(Local, u16),
    /// The IPv4-mapped form of an address, which is nobody's.
    Mapped(At),
    /// Somebody else.
    NotUs,
}

/// Who sends a packet.
#[derive(Clone, Copy, Debug)]
enum Sender {
    /// Who is expected at the port, or the mixer at an alias.
    Expected,
    /// The expected host, from another port.
    OtherPort(u16),
    /// One of the parties.
    Party(u8, u16),
    /// An address that means none.
    Unspecified(u16),
    /// The IPv4-mapped form of a party's address.
    Mapped(u8, u16),
}

/// What a frame looks like apart from its addresses and payload.
#[derive(Clone, Debug)]
struct Look {
    tags: Vec<Tag>,
    class: u8,
    ttl: u8,
    label: u16,
    summed: bool,
    trailer: u8,
}

/// Any packet: most of them right, the others with up to two faults.
pub(super) fn packets() -> impl Strategy<Value = Packet> {
    (
        targets(),
        senders(),
        prop::bool::weighted(0.2),
        metadata(),
        looks(),
        payloads(),
        prop::collection::vec(faults(), 0..=2),
    )
        .prop_map(|(to, from, is_elsewhere, metadata, look, payload, faults)| Packet {
            to,
            from,
            is_on_mixer_link: matches!(to, Target::Alias(_)) != is_elsewhere,
            metadata,
            look,
            payload,
            faults,
        })
}

/// Packets that nothing is wrong with, in every variation of their headers.
pub(super) fn whole_packets() -> impl Strategy<Value = Packet> {
    packets().prop_map(|packet| Packet { faults: Vec::new(), ..packet })
}

/// A packet of a stream: `payload`, from whoever.
pub(super) fn stream_packets(payload: impl Strategy<Value = Payload>) -> impl Strategy<Value = (At, Packet)> {
    let senders = prop_oneof![8 => Just(Sender::Expected), 1 => senders()];
    (ends(), senders, payload).prop_map(|(at, from, payload)| {
        let look = Look { tags: Vec::new(), class: 0, ttl: 64, label: 0, summed: true, trailer: 0 };
        let packet = Packet {
            to: Target::Port(at),
            from,
            is_on_mixer_link: false,
            metadata: 0,
            look,
            payload,
            faults: Vec::new(),
        };
        (at, packet)
    })
}

fn targets() -> impl Strategy<Value = Target> {
    let any_port = (0..ADDRESSES.len() as u8, prop_oneof![PORTS[0] - 3..=PORTS[0] + 10, PORTS[1] - 1..=PORTS[1] + 2]);
    prop_oneof![
        16 => ends().prop_map(Target::Port),
        4 => ends().prop_map(Target::Alias),
        2 => any_port.prop_map(|(local, port)| Target::AnyPort(Local(local), port)),
        1 => ends().prop_map(Target::Mapped),
        1 => Just(Target::NotUs),
    ]
}

fn senders() -> impl Strategy<Value = Sender> {
    let ports = 4000..4003_u16;
    prop_oneof![
        12 => Just(Sender::Expected),
        4 => ports.clone().prop_map(Sender::OtherPort),
        4 => (0..3_u8, ports.clone()).prop_map(|(number, port)| Sender::Party(number, port)),
        1 => prop_oneof![Just(0), ports.clone()].prop_map(Sender::Unspecified),
        1 => (0..3_u8, ports).prop_map(|(number, port)| Sender::Mapped(number, port)),
    ]
}

fn metadata() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 1 => Just(4), 1 => Just(16), 1 => Just(32)]
}

fn looks() -> impl Strategy<Value = Look> {
    let ttl = prop_oneof![8 => Just(64), 1 => 0..3_u8, 1 => any::<u8>()];
    let trailer = prop_oneof![3 => Just(0), 1 => 0..20_u8];
    (tags(), any::<u8>(), ttl, any::<u16>(), prop::bool::weighted(0.75), trailer)
        .prop_map(|(tags, class, ttl, label, summed, trailer)| Look { tags, class, ttl, label, summed, trailer })
}

fn payloads() -> impl Strategy<Value = Payload> {
    let other = (any::<u8>(), 1..40_u8).prop_map(|(first, length)| Payload::Other { first, length });
    prop_oneof![
        12 => rtp().prop_map(Payload::Rtp),
        3 => rtcp(),
        2 => other,
        1 => Just(Payload::Empty),
    ]
}

fn rtp() -> impl Strategy<Value = Rtp> {
    let media = prop_oneof![10 => 0..200_u16, 1 => 1300..1600_u16];
    let contributing = prop_oneof![3 => Just(0), 1 => 0..16_u8];
    let (extension, padding) = (prop::option::weighted(0.2, 0..5_u8), prop::option::weighted(0.2, any::<u8>()));
    (any::<bool>(), 0..128_u8, any::<u16>(), any::<u32>(), contributing, extension, padding, media).prop_map(
        |(marker, payload_type, sequence, ssrc, contributing, extension, padding, media)| Rtp {
            marker,
            payload_type,
            sequence,
            ssrc,
            contributing,
            extension,
            padding,
            media,
        },
    )
}

/// RTCP whose header mostly tells the truth about its length.
pub(super) fn rtcp() -> impl Strategy<Value = Payload> {
    let lengths = prop_oneof![
        3 => (1..10_u16).prop_map(|words| (words, 4 * words as u8)),
        1 => (0..12_u16, 0..40_u8),
    ];
    (190..226_u8, lengths).prop_map(|(kind, (words, length))| Payload::Rtcp { kind, words, length })
}

fn faults() -> impl Strategy<Value = Fault> {
    let length = prop_oneof![-60..60_i16, any::<i16>()];
    let fragment = prop_oneof![Just(0x2000), Just(0x0001), Just(0x0000), Just(0x8000), any::<u16>()];
    prop_oneof![
        prop_oneof![Just(0x0800), Just(0x86dd), Just(0x0806), Just(0x8100), any::<u16>()].prop_map(Fault::EtherType),
        Just(Fault::ThirdTag),
        (0..16_u8).prop_map(Fault::Version),
        fragment.prop_map(Fault::Fragment),
        (1..11_u8).prop_map(Fault::Options),
        prop_oneof![prop::sample::select(vec![0_u8, 43, 44, 50, 51, 60, 135, 139, 140]), any::<u8>()]
            .prop_map(Fault::Extension),
        any::<u8>().prop_map(Fault::Protocol),
        length.clone().prop_map(Fault::IpLength),
        length.prop_map(Fault::UdpLength),
        any::<u16>().prop_map(Fault::IpChecksum),
        any::<u16>().prop_map(Fault::UdpChecksum),
        (0..120_u16, any::<u8>()).prop_map(|(at, value)| Fault::Byte(at, value)),
        (0..120_u16, any::<u8>()).prop_map(|(at, value)| Fault::Byte(at, value)),
        (14..120_u16).prop_map(Fault::Cut),
    ]
}

impl Packet {
    /// The frame it comes in.
    pub(super) fn frame(&self, scene: &Scene) -> Frame {
        let destination = self.destination(scene);
        Frame {
            tags: self.look.tags.clone(),
            source: self.source(scene, destination.is_ipv4()),
            destination,
            class: self.look.class,
            ttl: self.look.ttl,
            label: self.look.label,
            summed: self.look.summed,
            payload: self.payload.clone(),
            trailer: self.look.trailer,
            faults: self.faults.clone(),
        }
    }

    /// The interface it comes in by.
    pub(super) fn interface(&self, interfaces: Interfaces) -> u32 {
        if self.is_on_mixer_link { interfaces.mixer } else { interfaces.network }
    }

    /// The same packet with another payload.
    pub(super) fn with_payload(&self, payload: Payload) -> Self {
        Self { payload, ..self.clone() }
    }

    /// What it carries.
    pub(super) fn payload(&self) -> &Payload {
        &self.payload
    }

    fn destination(&self, scene: &Scene) -> SocketAddr {
        match self.to {
            Target::Port(at) => SocketAddr::new(Node::address(scene.port(at).local()), scene.port(at).port()),
            Target::Alias(at) => SocketAddr::new(Node::alias(scene.port(at).local()), scene.port(at).port()),
            Target::AnyPort(local, port) => SocketAddr::new(Node::address(local), port),
            Target::Mapped(at) => SocketAddr::new(mapped(Node::address(scene.port(at).local())), scene.port(at).port()),
            Target::NotUs => SocketAddr::new(party(9, true), PORTS[0]),
        }
    }

    fn source(&self, scene: &Scene, is_v4: bool) -> SocketAddr {
        let expected = match self.to {
            Target::Alias(_) => mixer_divert(0),
            Target::Port(at) => scene.party(at).unwrap_or(SocketAddr::new(party(0, is_v4), 4000)),
            _ => SocketAddr::new(party(0, is_v4), 4000),
        };
        match self.from {
            Sender::Expected => expected,
            Sender::OtherPort(port) => SocketAddr::new(expected.ip(), port),
            Sender::Party(number, port) => SocketAddr::new(party(number, is_v4), port),
            Sender::Mapped(number, port) if !is_v4 => SocketAddr::new(mapped(party(number, true)), port),
            Sender::Mapped(number, port) => SocketAddr::new(party(number, true), port),
            Sender::Unspecified(port) if is_v4 => SocketAddr::new([0, 0, 0, 0].into(), port),
            Sender::Unspecified(port) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port),
        }
    }
}

/// The IPv4-mapped IPv6 form of an IPv4 address; an IPv6 address is left alone.
fn mapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        v6 @ IpAddr::V6(_) => v6,
    }
}
