//! Rules and packets in, departures and reasons out.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
};

use undertone_abi::{
    CopyRule, Dscp, Endpoint, GroupPlan, Kind, Local, Policy, Reason, Row, RowIndex, Rule, Side, Statistics, Via,
    Word64,
};

use super::{Arrival, Departure, Departures, Sockets, Tables};
use crate::{HeapMemory, Memory as _};

const V4: Local = Local(0);
const V6: Local = Local(1);
const A: RowIndex = RowIndex::new(V4, 20_000);
const B: RowIndex = RowIndex::new(V4, 20_002);
const MIXER: Ipv4Addr = Ipv4Addr::new(127, 0, 64, 1);
const DIVERT_PORT: u16 = 9000;
const NOW_NS: u64 = 50_000_000_000;
const BEATS: u64 = NOW_NS - 1_000_000;
const STALE: u64 = NOW_NS - 101_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Id {
    Port(RowIndex),
    Alias(RowIndex),
    Spare(Local),
}

/// A node with the ports A and B open, whose relay each test makes its own.
struct Node {
    memory: HeapMemory,
    heartbeat: Word64,
    open: HashSet<RowIndex>,
    has_aliases: bool,
    has_spares: bool,
    departures: Departures<Id>,
}

/// The sockets of a node, apart from what else it has.
struct Board<'a> {
    open: &'a HashSet<RowIndex>,
    has_aliases: bool,
    has_spares: bool,
}

impl Sockets for Board<'_> {
    type Id = Id;

    fn port(&self, row: RowIndex) -> Option<Id> {
        self.open.contains(&row).then_some(Id::Port(row))
    }

    fn alias(&mut self, row: RowIndex) -> Option<Id> {
        (self.has_aliases && self.open.contains(&row)).then_some(Id::Alias(row))
    }

    fn spare(&mut self, local: Local) -> Option<Id> {
        self.has_spares.then_some(Id::Spare(local))
    }
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

fn party_a() -> Endpoint {
    endpoint("10.1.0.1:4000")
}

fn party_b() -> Endpoint {
    endpoint("10.2.0.2:5000")
}

fn mixer() -> Endpoint {
    Endpoint { address: MIXER.into(), port: DIVERT_PORT }
}

fn to_b() -> Rule {
    Rule {
        kind: Kind::RtpMux,
        forward: true,
        to: party_b(),
        from_port: B.port(),
        via: Via { local: V4, hop: 0 },
        ..Rule::default()
    }
}

fn to_a() -> Rule {
    Rule { to: party_a(), from_port: A.port(), ..to_b() }
}

fn rtp(sequence: u16) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    vec![0x80, 0, high, low, 0, 0, 0, 160, 1, 2, 3, 4, 0xd5, 0xd5, 0xd5, 0xd5]
}

const RTCP: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

impl Node {
    fn new() -> Self {
        let memory = HeapMemory::new(2, 4);
        let addresses = [
            (Ipv4Addr::new(10, 0, 0, 1).into(), Some(Ipv4Addr::new(127, 0, 64, 16))),
            (endpoint("[fd00::1]:0").address, Some(Ipv4Addr::new(127, 0, 64, 17))),
        ];
        assert!(memory.config().set_addresses(&addresses));
        memory.config().set_ports(20_000, 30_000);
        memory.config().set_mixer(1, 1, MIXER, &[DIVERT_PORT], 0);
        let node = Self {
            memory,
            heartbeat: Word64::new(STALE),
            open: HashSet::from([A, B]),
            has_aliases: true,
            has_spares: true,
            departures: Departures::new(),
        };
        node.set(A, to_b());
        node.set(B, to_a());
        node
    }

    /// Begins another stream.
    fn set(&self, row: RowIndex, rule: Rule) {
        self.row(row).write(&rule);
        self.row(row).set_epoch(self.row(row).epoch().next_stream());
    }

    fn row(&self, row: RowIndex) -> &Row {
        self.memory.row(row).unwrap()
    }

    fn statistics(&self, row: RowIndex) -> Statistics {
        self.row(row).statistics(self.row(row).rule().unwrap().clock)
    }

    fn copies(&self, group: u16, copies: &[CopyRule]) {
        let mut plan = GroupPlan { count: copies.len() as u8, ..GroupPlan::default() };
        plan.copies[..copies.len()].copy_from_slice(copies);
        self.memory.group(group).unwrap().write(&plan);
    }

    /// What becomes of a packet to `row`, and the payload that leaves.
    fn walk(&mut self, row: RowIndex, side: Side, source: Endpoint, payload: &[u8]) -> (Reason, Vec<u8>) {
        let arrival = Arrival { index: row, side, source, dscp: Dscp::new(10), now_ns: NOW_NS };
        let mut payload = payload.to_vec();
        let mut board = Board { open: &self.open, has_aliases: self.has_aliases, has_spares: self.has_spares };
        let tables = Tables { memory: &self.memory, heartbeat: &self.heartbeat };
        (tables.walk(&arrival, &mut payload, &mut board, &mut self.departures), payload)
    }

    /// What becomes of an RTP packet from party A.
    fn hears(&mut self, payload: &[u8]) -> Reason {
        self.walk(A, Side::Network, party_a(), payload).0
    }

    fn left(&self) -> Vec<(Id, Endpoint, Reason)> {
        self.departures.iter().map(|departure| (departure.socket, departure.to, departure.reason)).collect()
    }
}

fn copy(to: &str, from: RowIndex) -> CopyRule {
    CopyRule { to: endpoint(to), from_port: from.port(), via: Via { local: from.local(), hop: 0 } }
}

#[test]
fn a_packet_goes_on_to_its_party_from_the_partners_socket() {
    let mut node = Node::new();
    assert_eq!(node.walk(A, Side::Network, party_a(), &rtp(1)), (Reason::Forwarded, rtp(1)));
    assert_eq!(node.left(), [(Id::Port(B), party_b(), Reason::Forwarded)]);
    assert_eq!(node.walk(B, Side::Network, party_b(), &rtp(9)), (Reason::Forwarded, rtp(9)));
    assert_eq!(node.left(), [(Id::Port(A), party_a(), Reason::Forwarded)]);
    assert_eq!((node.statistics(A).packets, node.statistics(A).bytes), (1, 16));
}

#[test]
fn the_rule_decides() {
    type Change = fn(&mut Rule);
    type Leaves = Option<(Id, Endpoint)>;
    // What the rule says besides, whether the mixer lives, whether B's socket is open, and what becomes of the packet
    // itself.
    let table: [(Change, u64, bool, Reason, Leaves); 11] = [
        (|_| {}, STALE, true, Reason::Forwarded, Some((Id::Port(B), party_b()))),
        (|_| {}, STALE, false, Reason::NoHop, None),
        (|rule| rule.to = endpoint("0.0.0.0:5000"), STALE, true, Reason::NoHop, None),
        (|rule| rule.group = 1, STALE, true, Reason::Copied, Some((Id::Port(B), party_b()))),
        (|rule| rule.group = 1, STALE, false, Reason::CopiedOnly, None),
        (|rule| rule.forward = false, BEATS, true, Reason::Held, None),
        (|rule| (rule.forward, rule.group) = (false, 1), BEATS, true, Reason::CopiedOnly, None),
        (|rule| rule.divert = true, BEATS, true, Reason::Diverted, Some((Id::Alias(A), mixer()))),
        (|rule| rule.divert = true, BEATS, false, Reason::Diverted, Some((Id::Alias(A), mixer()))),
        (|rule| (rule.divert, rule.group) = (true, 1), BEATS, true, Reason::Diverted, Some((Id::Alias(A), mixer()))),
        (|rule| rule.divert = true, STALE, true, Reason::FailedToWire, Some((Id::Port(B), party_b()))),
    ];
    let mut node = Node::new();
    node.copies(1, &[copy("10.9.9.9:7000", A)]);
    for (row, (change, beat, is_open, reason, leaves)) in table.into_iter().enumerate() {
        let mut rule = to_b();
        change(&mut rule);
        node.set(A, rule);
        node.heartbeat.store(beat);
        node.open.remove(&B);
        node.open.extend(is_open.then_some(B));
        assert_eq!(node.hears(&rtp(1)), reason, "row {row}");
        let mut expected: Vec<_> = leaves.into_iter().map(|(socket, to)| (socket, to, reason)).collect();
        if rule.group == 1 {
            expected.push((Id::Port(A), endpoint("10.9.9.9:7000"), Reason::CopySent));
        }
        assert_eq!(node.left(), expected, "row {row}");
    }
}

#[test]
fn what_is_not_media_is_told_apart() {
    let table: [(&[u8], Kind, Reason, u32); 9] = [
        (&[], Kind::Rtp, Reason::BadRtp, 1),
        (&[0x80; 7], Kind::Rtp, Reason::BadRtp, 1),
        (&rtp(1)[..11], Kind::Rtp, Reason::BadRtp, 1),
        (&[0x8f; 16], Kind::Rtp, Reason::BadRtp, 1),
        (&[0, 1, 0, 0], Kind::Rtp, Reason::NotRtp, 0),
        (&[22, 0xfe, 0xfd, 0], Kind::RtpMux, Reason::NotRtp, 0),
        (&RTCP, Kind::Rtp, Reason::WrongKind, 1),
        (&rtp(1), Kind::Rtcp, Reason::WrongKind, 1),
        (&rtp(1), Kind::Free, Reason::NoStream, 0),
    ];
    let mut node = Node::new();
    for (payload, kind, reason, invalid) in table {
        node.set(A, Rule { kind, ..to_b() });
        assert_eq!(node.hears(payload), reason, "{kind:?} {payload:?}");
        assert_eq!((node.left().len(), node.statistics(A).invalid), (0, invalid), "{kind:?} {payload:?}");
        assert_eq!(node.statistics(A).packets, 0);
    }
    let nowhere = RowIndex::new(Local(7), 20_000);
    assert_eq!(node.walk(nowhere, Side::Network, party_a(), &rtp(1)).0, Reason::NoStream);
}

#[test]
fn rtcp_goes_on_and_is_no_part_of_the_sequence() {
    let mut node = Node::new();
    node.set(A, Rule { sequence_offset: 7, ..to_b() });
    assert_eq!(node.walk(A, Side::Network, party_a(), &RTCP), (Reason::Forwarded, RTCP.to_vec()));
    assert_eq!(node.left(), [(Id::Port(B), party_b(), Reason::Forwarded)]);
    assert_eq!((node.statistics(A).packets, node.statistics(A).payload_type), (1, None));
}

#[test]
fn a_stranger_is_dropped_and_counted() {
    let mut node = Node::new();
    let stranger = Endpoint { port: 4001, ..party_a() };
    assert_eq!(node.walk(A, Side::Network, stranger, &rtp(1)).0, Reason::Stranger);
    assert_eq!(node.left(), []);
    assert_eq!((node.statistics(A).strangers, node.statistics(A).packets), (1, 0));
}

#[test]
fn answers_follow_a_learned_source() {
    let moved = endpoint("10.1.0.77:4444");
    let mut node = Node::new();
    for (policy, reason, answers_to) in
        [(Policy::Strict, Reason::Stranger, party_a()), (Policy::Latch, Reason::Forwarded, moved)]
    {
        node.set(A, Rule { policy, ..to_b() });
        assert_eq!(node.walk(A, Side::Network, moved, &rtp(1)).0, reason, "{policy:?}");
        assert_eq!(node.walk(B, Side::Network, party_b(), &rtp(1)).0, Reason::Forwarded);
        assert_eq!(node.left(), [(Id::Port(A), answers_to, Reason::Forwarded)], "{policy:?}");
    }
}

#[test]
fn the_sequence_offset_is_added_to_what_the_party_sends_whatever_way_it_takes() {
    let rule = Rule { sequence_offset: 3, group: 1, ..to_b() };
    // What the mixer sends back it has numbered itself, and what does not leave stays as it came.
    let table = [
        (rule, STALE, Side::Network, rtp(1)),
        (Rule { divert: true, ..rule }, BEATS, Side::Network, rtp(1)),
        (Rule { forward: false, ..rule }, STALE, Side::Network, rtp(1)),
        (Rule { forward: false, group: 0, ..rule }, STALE, Side::Network, rtp(65_534)),
        (Rule { divert: true, ..rule }, BEATS, Side::Mixer, rtp(65_534)),
    ];
    let mut node = Node::new();
    node.copies(1, &[copy("10.9.9.9:7000", A)]);
    for (rule, beat, side, expected) in table {
        node.set(A, rule);
        node.heartbeat.store(beat);
        let source = if side == Side::Mixer { mixer() } else { party_a() };
        assert_eq!(node.walk(A, side, source, &rtp(65_534)).1, expected, "{rule:?} {side:?}");
    }
}

#[test]
fn what_the_mixer_made_goes_on_to_the_party() {
    let mut node = Node::new();
    node.set(A, Rule { divert: true, group: 1, ..to_b() });
    node.copies(1, &[copy("10.9.9.9:7000", A)]);
    node.heartbeat.store(BEATS);
    assert_eq!(node.walk(A, Side::Mixer, mixer(), &rtp(1)).0, Reason::Mixed);
    assert_eq!(node.left(), [(Id::Port(B), party_b(), Reason::Mixed)], "and is not copied again");
    assert_eq!(node.statistics(A).packets, 0, "nor counted as the party's");
}

#[test]
fn nobody_but_the_mixer_speaks_through_the_alias() {
    let other = Endpoint { address: Ipv4Addr::LOCALHOST.into(), port: DIVERT_PORT };
    let free = Rule::default();
    let held = Rule { forward: false, ..to_b() };
    let table: [(Rule, Endpoint, Vec<u8>); 4] =
        [(to_b(), other, rtp(1)), (free, mixer(), rtp(1)), (held, mixer(), rtp(1)), (to_b(), mixer(), vec![0, 1])];
    let mut node = Node::new();
    for (rule, source, payload) in table {
        node.set(A, rule);
        assert_eq!(node.walk(A, Side::Mixer, source, &payload).0, Reason::MixerStray, "{rule:?}");
        assert_eq!(node.left(), []);
    }
    node.set(A, to_b());
    node.open.remove(&B);
    assert_eq!(node.walk(A, Side::Mixer, mixer(), &rtp(1)).0, Reason::NoHop);
}

#[test]
fn without_an_alias_a_divert_fails_to_wire() {
    let mut node = Node::new();
    node.set(A, Rule { divert: true, ..to_b() });
    node.heartbeat.store(BEATS);
    node.has_aliases = false;
    assert_eq!(node.hears(&rtp(1)), Reason::FailedToWire);
    assert_eq!(node.left(), [(Id::Port(B), party_b(), Reason::FailedToWire)]);
}

#[test]
fn a_beat_after_the_packet_is_a_beat() {
    let mut node = Node::new();
    node.set(A, Rule { divert: true, ..to_b() });
    node.heartbeat.store(NOW_NS + 5_000_000);
    assert_eq!(node.hears(&rtp(1)), Reason::Diverted);
}

#[test]
fn a_copy_leaves_by_the_best_socket_there_is() {
    let other = RowIndex::new(V4, 20_004);
    let other_v6 = RowIndex::new(V6, 20_000);
    let table = [
        (copy("10.9.9.9:7000", A), Some(Id::Port(A)), "its own port"),
        (copy("10.9.9.9:7000", other), Some(Id::Port(other)), "the port that it names"),
        (copy("10.9.9.9:7000", RowIndex::new(V4, 20_006)), Some(Id::Port(A)), "else its own"),
        (copy("[fd00::9]:7000", other_v6), Some(Id::Port(other_v6)), "the same port of the other IP version"),
        (copy("[fd00::9]:7000", RowIndex::new(V6, 20_006)), Some(Id::Spare(V6)), "else any of it"),
        (copy("[fd00::9]:7000", A), None, "never one of the wrong version"),
        (copy("127.0.64.1:9002", A), Some(Id::Alias(A)), "the alias towards the mixer"),
    ];
    let mut node = Node::new();
    node.open.extend([other, other_v6]);
    for (rule, socket, why) in table {
        node.copies(1, &[rule]);
        node.set(A, Rule { group: 1, ..to_b() });
        assert_eq!(node.hears(&rtp(1)), Reason::Copied, "{why}");
        assert_eq!(node.left().get(1), socket.map(|id| (id, rule.to, Reason::CopySent)).as_ref(), "{why}");
        assert_eq!(node.departures.copies_stuck(), u32::from(socket.is_none()), "{why}");
    }
}

#[test]
fn there_are_as_many_copies_as_the_group_has() {
    let mut node = Node::new();
    for count in 1..=8_usize {
        let copies: Vec<_> = (0..count).map(|n| copy(&format!("10.9.9.9:{}", 7000 + n), A)).collect();
        node.copies(1, &copies);
        node.set(A, Rule { group: 1, ..to_b() });
        assert_eq!(node.hears(&rtp(1)), Reason::Copied);
        let reached: Vec<_> = node.left().into_iter().skip(1).map(|(_, to, _)| to).collect();
        assert_eq!(reached, copies.iter().map(|copy| copy.to).collect::<Vec<_>>());
        node.set(A, to_b());
        assert_eq!(node.hears(&rtp(2)), Reason::Forwarded);
        assert_eq!(node.left().len(), 1, "nothing is left over from the packet before");
    }
}

#[test]
fn the_code_point_is_the_rules_or_the_packets_own() {
    let mut node = Node::new();
    let mut of = |rule: Rule| {
        node.set(A, rule);
        node.heartbeat.store(BEATS);
        node.hears(&rtp(1));
        node.departures.iter().map(|Departure { dscp, .. }| *dscp).collect::<Vec<_>>()
    };
    assert_eq!(of(Rule { dscp: Dscp::new(46), ..to_b() }), [Dscp::new(46)]);
    assert_eq!(of(to_b()), [Dscp::new(10)]);
    // The mixer sends it back with what it came with.
    assert_eq!(of(Rule { divert: true, dscp: Dscp::new(46), ..to_b() }), [Dscp::new(10)]);
}

#[test]
fn no_payload_is_too_strange() {
    let mut node = Node::new();
    node.set(A, Rule { policy: Policy::Latch, sequence_offset: 1, ..to_b() });
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for _ in 0..20_000 {
        let length = next() as usize % 40;
        let mut payload: Vec<u8> = (0..length).map(|_| next()).collect();
        if let Some(first) = payload.first_mut().filter(|_| next() & 1 == 0) {
            *first = 0x80 | *first & 0x3f;
        }
        let reason = node.hears(&payload);
        let leaves = matches!(reason, Reason::Forwarded);
        assert_eq!(node.left().len(), usize::from(leaves), "{reason:?} {payload:?}");
    }
    assert_ne!(node.statistics(A).packets, 0);
}
