//! Diverts through the mixer, and what becomes of them when it dies.

use undertone_abi::{Reason, limits::HEARTBEAT_STALE_MS};

use super::*;
use crate::monotonic_ns;

/// A node with a mixer, and a stream from A to B that is diverted through it.
struct Diverted {
    node: Node,
    a: Leg,
    b: Leg,
    mixer: UdpSocket,
}

impl Diverted {
    fn new(local: Local) -> Self {
        let node = Node::new();
        let mixer = UdpSocket::bind((MIXER, 0)).unwrap();
        mixer.set_read_timeout(Some(PATIENCE)).unwrap();
        node.memory.config().set_mixer(1, 1, MIXER, &[mixer.local_addr().unwrap().port()], 0);
        let (a, b) = node.relay(local, local);
        node.set(&a, &b, |rule| rule.divert = true);
        Self { node, a, b, mixer }
    }

    /// The mixer lives, and will for longer than any test takes.
    fn beat(&self) {
        self.node.engine.beat(monotonic_ns() + PATIENCE.as_nanos() as u64);
    }

    /// The mixer's last beat is long ago.
    fn die(&self) {
        self.node.engine.beat(monotonic_ns() - (HEARTBEAT_STALE_MS + 1) * 1_000_000);
    }
}

#[test]
fn a_diverted_packet_goes_through_the_mixer_and_on_to_its_party() {
    for (local, alias) in [(V4, ALIAS), (V6, Ipv4Addr::new(127, 64, 64, 17))] {
        let diverted = Diverted::new(local);
        let Diverted { node, a, b, mixer } = &diverted;
        diverted.beat();
        for sequence in 0..20 {
            a.say(&rtp(sequence));
            let (payload, from) = receive(mixer);
            assert_eq!((payload, from), (rtp(sequence), (alias, a.row.port()).into()));
            b.hears_nothing();
            let mut mixed = rtp(sequence);
            mixed[20] ^= 0xff;
            mixer.send_to(&mixed, from).unwrap();
            b.hears(&mixed);
        }
        // The other direction never left the fast path.
        b.say(&rtp(7));
        a.hears(&rtp(7));
        node.wait_for(Reason::Forwarded, 1);
        assert_eq!(node.counted(), [(Reason::Forwarded, 1), (Reason::Diverted, 20), (Reason::Mixed, 20)]);
        assert_eq!(node.statistics(a).packets, 20, "what the mixer sends is not the party's");
    }
}

#[test]
fn the_sequence_offset_is_added_before_the_mixer_and_not_behind_it() {
    let diverted = Diverted::new(V4);
    let Diverted { node, a, b, mixer } = &diverted;
    diverted.beat();
    node.change(a, b, |rule| (rule.divert, rule.sequence_offset) = (true, 2));
    a.say(&rtp(5));
    let (payload, alias) = receive(mixer);
    assert_eq!(payload[2..4], 7_u16.to_be_bytes());
    mixer.send_to(&payload, alias).unwrap();
    let (heard, _) = b.hear();
    assert_eq!(heard[2..4], 7_u16.to_be_bytes());
}

#[test]
fn a_dead_mixer_costs_no_packet() {
    let diverted = Diverted::new(V4);
    let Diverted { node, a, b, mixer } = &diverted;
    a.say(&rtp(1));
    b.hears(&rtp(1));
    node.wait_for(Reason::FailedToWire, 1);
    diverted.beat();
    a.say(&rtp(2));
    assert_eq!(receive(mixer).0, rtp(2));
    b.hears_nothing();
    diverted.die();
    a.say(&rtp(3));
    b.hears(&rtp(3));
    diverted.beat();
    a.say(&rtp(4));
    assert_eq!(receive(mixer).0, rtp(4));
    node.wait_for(Reason::Diverted, 2);
    assert_eq!(node.counted(), [(Reason::Diverted, 2), (Reason::FailedToWire, 2)]);
}

#[test]
fn the_wire_takes_over_when_beats_stop() {
    let diverted = Diverted::new(V4);
    let Diverted { node, a, b, .. } = &diverted;
    let start = Instant::now();
    node.engine.beat(monotonic_ns());
    let mut sequence = 0;
    b.party.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    until(
        || {
            a.say(&rtp(sequence));
            sequence += 1;
            b.party.recv_from(&mut [0; 256]).is_ok()
        },
        || "nothing came".into(),
    );
    assert!(start.elapsed() >= Duration::from_millis(HEARTBEAT_STALE_MS), "the mixer was alive until then");
}

#[test]
fn only_the_mixer_speaks_through_an_alias() {
    let diverted = Diverted::new(V4);
    let Diverted { node, a, b, mixer } = &diverted;
    node.engine.open_alias(a.row).unwrap();
    let alias = SocketAddr::from((ALIAS, a.row.port()));
    socket(V4).send_to(&rtp(1), alias).unwrap();
    node.wait_for(Reason::MixerStray, 1);
    node.change(a, b, |rule| rule.forward = false);
    mixer.send_to(&rtp(2), alias).unwrap();
    node.wait_for(Reason::MixerStray, 2);
    b.hears_nothing();
}

#[test]
fn a_divert_without_an_alias_fails_to_wire_until_there_is_one() {
    let diverted = Diverted::new(V4);
    let Diverted { node, a, b, mixer } = &diverted;
    diverted.beat();
    let taken = UdpSocket::bind((ALIAS, a.row.port())).unwrap();
    for sequence in 0..3 {
        a.say(&rtp(sequence));
        b.hears(&rtp(sequence));
    }
    node.wait_for(Reason::FailedToWire, 3);
    let error = node.engine.open_alias(a.row).unwrap_err();
    assert!(matches!(error, EngineError::PortInUse { port } if port == taken.local_addr().unwrap()), "{error}");
    drop(taken);
    let mut sequence = 3;
    until(
        || {
            a.say(&rtp(sequence));
            sequence += 1;
            node.engine.settle();
            node.count(Reason::Diverted) > 0
        },
        || "the alias is not tried again".into(),
    );
    assert_eq!(receive(mixer).0, rtp(sequence - 1));
}
