//! Nodes whose streams are copied, and bursts of their packets, by choices that shrink to the plainest.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use proptest::prelude::*;
use undertone_abi::{
    CopyRule, Dscp, GroupPlan, Hop, Kind, Local, Policy, RowIndex, Rule, Shapes, Tag, Via, limits::COPIES_MAX,
};

use super::frame::Frame;
use super::node::{HOP_MIXER, Node, PORTS};
use super::payload::{Payload, Rtp};
use super::scene::{party, tags};

/// The first bytes of every MAC address that frames leave from.
pub(super) const LEAVING_FROM: [u8; 4] = [0x02, 0xcc, 0, 0];

/// How many devices frames leave through.
pub(super) const DEVICES: usize = 3;

/// The device slot towards the mixer.
const MIXER_DEVICE: u8 = 2;

/// A node, and what comes to it in one burst.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    streams: Vec<Stream>,
    mixer_tags: Vec<Tag>,
    is_mixer_alive: bool,
    /// Whose packet comes next, and how many bytes of media it has.
    packets: Vec<(usize, u16)>,
}

/// A stream and its copies.
#[derive(Clone, Debug)]
struct Stream {
    /// Whether it comes over IPv4.
    is_v4: bool,
    /// Tags it comes with.
    tags: Vec<Tag>,
    /// Whether it bears a UDP checksum.
    summed: bool,
    ttl: u8,
    /// Where it goes; nowhere on hold.
    on: Option<Out>,
    divert: bool,
    dscp: Option<Dscp>,
    sequence_offset: u16,
    copies: Vec<Copy>,
}

/// A way out.
#[derive(Clone, Debug)]
struct Out {
    device: u8,
    is_v4: bool,
    tags: Vec<Tag>,
}

/// A copy to be made.
#[derive(Clone, Debug)]
struct Copy {
    out: Out,
    /// To the local mixer, by its own hop.
    is_to_mixer: bool,
    resolved: bool,
    mtu: u16,
}

/// Any burst of so many packets.
pub(super) fn bursts(packets: RangeInclusive<usize>) -> impl Strategy<Value = Burst> {
    let packet = (any::<prop::sample::Index>(), prop_oneof![9 => 0..200_u16, 1 => 1300..1400_u16]);
    let packets = prop::collection::vec(packet, packets);
    (prop::collection::vec(streams(), 1..=5), tags(), any::<bool>(), packets).prop_map(
        |(streams, mixer_tags, is_mixer_alive, packets)| {
            let packets = packets.into_iter().map(|(which, media)| (which.index(streams.len()), media)).collect();
            Burst { streams, mixer_tags, is_mixer_alive, packets }
        },
    )
}

fn streams() -> impl Strategy<Value = Stream> {
    let dscp = prop::option::of((0..64_u8).prop_map(|value| Dscp::new(value).expect("six bits")));
    let offset = prop_oneof![Just(0), any::<u16>()];
    let copies = prop::collection::vec(copies(), 0..=COPIES_MAX as usize);
    let on = prop::option::weighted(0.85, outs());
    let checks = (any::<bool>(), prop::bool::weighted(0.8), prop_oneof![9 => Just(64), 1 => 0..3_u8]);
    (checks, tags(), on, prop::bool::weighted(0.2), dscp, offset, copies).prop_map(
        |((is_v4, summed, ttl), tags, on, divert, dscp, sequence_offset, copies)| Stream {
            is_v4,
            tags,
            summed,
            ttl,
            on,
            divert,
            dscp,
            sequence_offset,
            copies,
        },
    )
}

fn outs() -> impl Strategy<Value = Out> {
    (0..DEVICES as u8, any::<bool>(), tags()).prop_map(|(device, is_v4, tags)| Out { device, is_v4, tags })
}

fn copies() -> impl Strategy<Value = Copy> {
    let mtu = prop_oneof![9 => Just(1500), 1 => Just(150)];
    (outs(), prop::bool::weighted(0.15), prop::bool::weighted(0.9), mtu)
        .prop_map(|(out, is_to_mixer, resolved, mtu)| Copy { out, is_to_mixer, resolved, mtu })
}

impl Burst {
    /// The same packets of streams that are not copied.
    pub(super) fn without_copies(mut self) -> Self {
        for stream in &mut self.streams {
            stream.copies.clear();
        }
        self
    }

    /// The frames, in the order in which they come.
    pub(super) fn frames(&self) -> Vec<Frame> {
        let frame = |(sequence, (stream, media)): (usize, &(usize, u16))| {
            let Stream { is_v4, tags, summed, ttl, .. } = &self.streams[*stream];
            Frame {
                tags: tags.clone(),
                source: SocketAddr::new(party(*stream as u8, *is_v4), 4000),
                destination: SocketAddr::new(Node::address(local(*is_v4)), PORTS[0] + *stream as u16),
                class: 0xb9,
                ttl: *ttl,
                label: 77,
                summed: *summed,
                payload: Payload::Rtp(Rtp { media: *media, ..Rtp::plain(sequence as u16, 1 + *stream as u32) }),
                trailer: 0,
                faults: Vec::new(),
            }
        };
        self.packets.iter().enumerate().map(frame).collect()
    }

    /// The ports that they come to.
    pub(super) fn ports(&self) -> impl Iterator<Item = RowIndex> {
        self.streams.iter().enumerate().map(|(index, stream)| row(index, stream.is_v4))
    }

    /// The node's tables, with `interfaces` in the device slots.
    pub(super) fn node(&self, interfaces: [u32; DEVICES]) -> Node {
        let mut node = Node {
            mixer: Some(interfaces[usize::from(MIXER_DEVICE)]),
            is_mixer_alive: self.is_mixer_alive,
            devices: (0..).zip(interfaces).collect(),
            hops: BTreeMap::from([(HOP_MIXER, hop(HOP_MIXER, MIXER_DEVICE, &self.mixer_tags))]),
            ..Node::default()
        };
        for (index, stream) in self.streams.iter().enumerate() {
            stream.add_to(&mut node, index as u16, interfaces);
        }
        node
    }
}

impl Stream {
    fn add_to(&self, node: &mut Node, index: u16, interfaces: [u32; DEVICES]) {
        let first_hop = HOP_MIXER + 1 + index * (1 + COPIES_MAX as u16);
        let group = if self.copies.is_empty() { 0 } else { 1 + index };
        let mut rule = Rule {
            kind: Kind::Rtp,
            policy: Policy::Latch,
            divert: self.divert,
            dscp: self.dscp,
            sequence_offset: self.sequence_offset,
            group,
            ..Rule::default()
        };
        if let Some(out) = &self.on {
            node.hops.insert(first_hop, hop(first_hop, out.device, &out.tags));
            rule.forward = true;
            rule.to = SocketAddr::new(party(100, out.is_v4), 5000 + index).into();
            rule.from_port = PORTS[0] + 500 + index;
            rule.via = Via { local: local(out.is_v4), hop: first_hop };
        }
        node.rules.insert(row(usize::from(index), self.is_v4), rule);
        if group != 0 {
            let plan = self.plan(node, index, first_hop, interfaces);
            node.groups.insert(group, plan);
        }
    }

    /// The replication group, with its shapes: the stream itself ahead of its copies, these sorted by device.
    fn plan(&self, node: &mut Node, index: u16, first_hop: u16, interfaces: [u32; DEVICES]) -> GroupPlan {
        let mut copies: Vec<_> = self.copies.iter().collect();
        copies.sort_by_key(|copy| copy.device());
        let mut plan = GroupPlan { count: copies.len() as u8, ..GroupPlan::default() };
        for (number, copy) in copies.iter().enumerate() {
            let at = first_hop + 1 + number as u16;
            if !copy.is_to_mixer {
                let hop = hop(at, copy.out.device, &copy.out.tags);
                node.hops.insert(at, Hop { resolved: copy.resolved, mtu: copy.mtu, ..hop });
            }
            plan.copies[number] = copy.rule(at, index, number as u16);
            plan.devices[number] = copy.device();
            plan.interfaces[number] = interfaces[usize::from(copy.device())];
        }
        let original = self.on.as_ref().map(|out| out.device);
        plan.shapes = Shapes { forward: 3 * index + 1, divert: 3 * index + 2, hold: 3 * index + 3 };
        for (shape, ahead) in
            [(plan.shapes.forward, original), (plan.shapes.divert, Some(MIXER_DEVICE)), (plan.shapes.hold, None)]
        {
            let devices = ahead.into_iter().chain(copies.iter().map(|copy| copy.device()));
            node.shapes.insert(shape, devices.map(|device| (interfaces[usize::from(device)], true)).collect());
        }
        plan
    }
}

impl Copy {
    fn device(&self) -> u8 {
        if self.is_to_mixer { MIXER_DEVICE } else { self.out.device }
    }

    fn rule(&self, hop: u16, stream: u16, number: u16) -> CopyRule {
        // The mixer's link knows IPv4 only.
        let is_v4 = self.is_to_mixer || self.out.is_v4;
        CopyRule {
            to: SocketAddr::new(party(200 + number as u8, is_v4), 6000 + number).into(),
            from_port: 7000 + 10 * stream + number,
            via: Via { local: local(is_v4), hop: if self.is_to_mixer { HOP_MIXER } else { hop } },
        }
    }
}

fn hop(number: u16, device: u8, tags: &[Tag]) -> Hop {
    let [high, low] = number.to_be_bytes();
    let [a, b, c, d] = LEAVING_FROM;
    Hop {
        resolved: true,
        device,
        tags: tags.len() as u8,
        mtu: 1500,
        outer: tags.first().copied().unwrap_or_default(),
        inner: tags.get(1).copied().unwrap_or_default(),
        macs: Hop::macs([0x02, 0xdd, 0, 0, high, low], [a, b, c, d, high, low]),
    }
}

fn local(is_v4: bool) -> Local {
    Local(u8::from(!is_v4))
}

fn row(stream: usize, is_v4: bool) -> RowIndex {
    RowIndex::new(local(is_v4), PORTS[0] + stream as u16)
}
