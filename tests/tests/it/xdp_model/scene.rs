//! Nodes with a few streams across them, by choices that shrink to the plainest.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use undertone_abi::{Clock, Dscp, Endpoint, GroupPlan, Hop, Kind, Local, Policy, RowIndex, Rule, Shapes, Tag, Via};

use super::node::{ADDRESSES, GROUPS, HOP_MIXER, Node, PORTS};

/// The interfaces of the namespace that the programs run in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interfaces {
    /// Towards the parties.
    pub(super) network: u32,
    /// Towards the mixer.
    pub(super) mixer: u32,
}

/// A node.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    mixer: MixerState,
    copies_in_user_space: bool,
    /// From the mixer's hop on.
    hops: Vec<Hop>,
    streams: Vec<Stream>,
}

/// The mixer as the program sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum MixerState {
    #[default]
    None,
    Alive,
    Dead,
}

/// Media between two parties, each at a port of ours.
#[derive(Clone, Debug)]
struct Stream {
    kind: Kind,
    ends: [End; 2],
}

/// A party and the port it sends to.
#[derive(Clone, Debug)]
struct End {
    /// Which of our addresses.
    local: Local,
    /// Which of the parties, and its port; nobody yet if there was no answer.
    party: Option<(u8, u16)>,
    /// The rule for what the party sends, but for where it goes.
    rule: Rule,
}

/// One end of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct At {
    pub(super) stream: u8,
    pub(super) end: u8,
}

const HOPS: u16 = 6;
const STREAMS: u8 = 3;
const GROUP_BEYOND_TABLE: u16 = GROUPS as u16 + 5;

/// Any node.
pub(super) fn scenes() -> impl Strategy<Value = Scene> {
    let mixer = prop_oneof![3 => Just(MixerState::Alive), 2 => Just(MixerState::Dead), 1 => Just(MixerState::None)];
    let hops = prop::collection::vec(hops(), usize::from(HOPS));
    let streams = prop::collection::vec(streams(), usize::from(STREAMS));
    let copied = prop::bool::weighted(0.3);
    (mixer, copied, hops, streams).prop_map(|(mixer, copies_in_user_space, hops, streams)| Scene {
        mixer,
        copies_in_user_space,
        hops,
        streams,
    })
}

/// Either end of any stream.
pub(super) fn ends() -> impl Strategy<Value = At> {
    (0..STREAMS, 0..2_u8).prop_map(|(stream, end)| At { stream, end })
}

/// The address of a party.
pub(super) fn party(number: u8, is_v4: bool) -> IpAddr {
    if is_v4 {
        Ipv4Addr::new(192, 0, 2, 1 + number).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1 + u16::from(number)).into()
    }
}

/// Any VLAN tags that a frame may have.
pub(super) fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let tag = (prop_oneof![Just(0x8100), Just(0x88a8)], any::<u16>()).prop_map(|(tpid, tci)| Tag { tpid, tci });
    prop::collection::vec(tag, 0..=2)
}

/// Any next hop.
pub(super) fn hops() -> impl Strategy<Value = Hop> {
    let mtu = prop_oneof![8 => Just(1500), 1 => Just(9000), 1 => Just(u16::MAX), 1 => 150..300_u16];
    let device = prop_oneof![1 => Just(0), 1 => Just(1), 1 => Just(2), 1 => 3..32_u8];
    (prop::bool::weighted(0.85), device, tags(), mtu, any::<[[u8; 6]; 2]>()).prop_map(
        |(resolved, device, tags, mtu, [destination, source])| Hop {
            resolved,
            device,
            tags: tags.len() as u8,
            mtu,
            // What stands beyond the number of tags is of no meaning.
            outer: tags.first().copied().unwrap_or(Tag { tpid: 0xdead, tci: 0xbeef }),
            inner: tags.get(1).copied().unwrap_or(Tag { tpid: 0xdead, tci: 0xbeef }),
            macs: Hop::macs(destination, source),
        },
    )
}

fn streams() -> impl Strategy<Value = Stream> {
    let kind = prop_oneof![5 => Just(Kind::Rtp), 5 => Just(Kind::RtpMux), 5 => prop::sample::select(&Kind::ALL), 1 => Just(Kind::Free)];
    (kind, [party_ends(), party_ends()]).prop_map(|(kind, ends)| Stream { kind, ends })
}

fn party_ends() -> impl Strategy<Value = End> {
    let party = prop::option::weighted(0.9, (0..3_u8, 4000..4003_u16));
    (0..ADDRESSES.len() as u8, party, rules()).prop_map(|(local, party, rule)| End { local: Local(local), party, rule })
}

/// Any rule, but for its kind and where it leads to.
pub(super) fn rules() -> impl Strategy<Value = Rule> {
    let policy = prop_oneof![Just(Policy::Strict), Just(Policy::SameHost), Just(Policy::Latch)];
    let clock = prop::sample::select(Clock::ALL.to_vec());
    let group = prop_oneof![6 => Just(0), 5 => 1..=3_u16, 1 => Just(GROUP_BEYOND_TABLE)];
    let offset = prop_oneof![2 => Just(0), 1 => any::<u16>()];
    let dscp = prop::option::of((0..64_u8).prop_map(|value| Dscp::new(value).expect("six bits")));
    let (forward, divert, hop) = (prop::bool::weighted(0.85), prop::bool::weighted(0.3), 0..=HOPS);
    (policy, clock, group, offset, dscp, forward, divert, hop).prop_map(
        |(policy, clock, group, sequence_offset, dscp, forward, divert, hop)| Rule {
            policy,
            clock,
            forward,
            divert,
            dscp,
            via: Via { local: Local(0), hop },
            group,
            sequence_offset,
            ..Rule::default()
        },
    )
}

impl Scene {
    /// The node's tables.
    pub(super) fn node(&self, interfaces: Interfaces) -> Node {
        Node {
            mixer: (self.mixer != MixerState::None).then_some(interfaces.mixer),
            is_mixer_alive: self.mixer == MixerState::Alive,
            copies_in_user_space: self.copies_in_user_space,
            devices: BTreeMap::from([(0, interfaces.network), (1, interfaces.mixer), (2, interfaces.network)]),
            shapes: BTreeMap::from([(1, vec![(interfaces.network, true)]), (2, Vec::new()), (700, Vec::new())]),
            hops: (HOP_MIXER..).zip(self.hops.iter().copied()).collect(),
            rules: self.everywhere().map(|at| (self.port(at), self.rule(at))).collect(),
            groups: groups(),
        }
    }

    /// The ports of all streams.
    pub(super) fn ports(&self) -> impl Iterator<Item = RowIndex> {
        self.everywhere().map(|at| self.port(at))
    }

    /// Both ends of all streams.
    fn everywhere(&self) -> impl Iterator<Item = At> {
        let streams = 0..self.streams.len() as u8;
        streams.flat_map(|stream| [0, 1].map(|end| At { stream, end }))
    }

    /// The port that the party at this end sends to.
    pub(super) fn port(&self, at: At) -> RowIndex {
        let port = PORTS[0] + 2 * u16::from(at.stream) + u16::from(at.end);
        RowIndex::new(self.end(at).local, port)
    }

    /// Who is expected to send to the port.
    pub(super) fn party(&self, at: At) -> Option<SocketAddr> {
        let end = self.end(at);
        end.party.map(|(number, port)| SocketAddr::new(party(number, Node::address(end.local).is_ipv4()), port))
    }

    /// The port's rule.
    pub(super) fn rule(&self, at: At) -> Rule {
        self.lead(at, self.end(at).rule)
    }

    /// The port's rule with everything but kind and destination from `rule`.
    pub(super) fn lead(&self, at: At, rule: Rule) -> Rule {
        let kind = self.streams[usize::from(at.stream)].kind;
        let other = At { end: 1 - at.end, ..at };
        let from = self.port(other);
        let to = self.party(other);
        Rule {
            kind,
            // There is nobody to send to before the answer.
            forward: rule.forward && to.is_some(),
            to: to.map_or(Endpoint::NONE, Endpoint::from),
            from_port: from.port(),
            via: Via { local: from.local(), hop: rule.via.hop },
            ..rule
        }
    }

    fn end(&self, at: At) -> &End {
        &self.streams[usize::from(at.stream)].ends[usize::from(at.end)]
    }
}

/// Group 1 has every shape, group 2 one that does not exist, group 3 was never filled.
fn groups() -> BTreeMap<u16, GroupPlan> {
    let plan = |forward, divert, hold| GroupPlan { shapes: Shapes { forward, divert, hold }, ..GroupPlan::default() };
    BTreeMap::from([(1, plan(1, 2, 700)), (2, plan(700, 1, 999))])
}
