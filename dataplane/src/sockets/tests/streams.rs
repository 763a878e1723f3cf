//! Streams between two parties.

use std::sync::mpsc;

use nix::sys::socket::{setsockopt, sockopt};
use undertone_abi::{Dscp, Kind, Policy, Reason};

use super::*;
use crate::{monotonic_ns, sockets::Passed};

#[test]
fn parties_hear_each_other_byte_for_byte() {
    for (a, b) in [(V4, V4), (V6, V6), (V4, V6)] {
        let node = Node::new();
        let (a, b) = node.relay(a, b);
        for sequence in 0..50 {
            a.say(&rtp(sequence));
            b.hears(&rtp(sequence));
            b.say(&rtp(1000 + sequence));
            a.hears(&rtp(1000 + sequence));
        }
        node.wait_for(Reason::Forwarded, 100);
        assert_eq!(node.counted(), [(Reason::Forwarded, 100)]);
        let statistics = node.statistics(&a);
        assert_eq!((statistics.packets, statistics.bytes, statistics.lost), (50, 50 * 172, 0));
        assert_eq!(statistics.source, Some(a.party.local_addr().unwrap().into()));
        assert!(statistics.idle_ns(monotonic_ns()).unwrap() < PATIENCE.as_nanos() as u64);
    }
}

#[test]
fn nothing_is_lost_at_a_steady_rate() {
    const STREAMS: usize = 20;
    const ROUNDS: u16 = 300;
    let node = Node::new();
    let relays: Vec<_> = (0..STREAMS).map(|index| node.relay(V4, if index % 2 == 0 { V4 } else { V6 })).collect();
    for sequence in 0..ROUNDS {
        for (a, b) in &relays {
            a.say(&rtp(sequence));
            b.say(&rtp(sequence));
        }
        for (a, b) in &relays {
            b.hears(&rtp(sequence));
            a.hears(&rtp(sequence));
        }
    }
    let sent = STREAMS as u64 * u64::from(ROUNDS) * 2;
    node.wait_for(Reason::Forwarded, sent);
    assert_eq!(node.counted(), [(Reason::Forwarded, sent)]);
    for (a, b) in &relays {
        for leg in [a, b] {
            let statistics = node.statistics(leg);
            assert_eq!((statistics.packets, statistics.lost, statistics.reordered), (ROUNDS.into(), 0, 0));
        }
    }
}

#[test]
fn a_source_is_learned_as_the_policy_says() {
    let table = [(Policy::Strict, false, false), (Policy::SameHost, true, false), (Policy::Latch, true, true)];
    for (policy, other_port, other_host) in table {
        for (is_other_host, is_learned) in [(false, other_port), (true, other_host)] {
            let node = Node::new();
            let (a, b) = node.relay(V4, V4);
            node.set(&a, &b, |rule| rule.policy = policy);
            let host = if is_other_host { Ipv4Addr::new(127, 0, 0, 9) } else { Ipv4Addr::LOCALHOST };
            let moved = UdpSocket::bind((host, 0)).unwrap();
            moved.set_read_timeout(Some(PATIENCE)).unwrap();
            moved.send_to(&rtp(1), a.media).unwrap();
            let reason = if is_learned { Reason::Forwarded } else { Reason::Stranger };
            node.wait_for(reason, 1);
            b.say(&rtp(7));
            node.wait_for(Reason::Forwarded, 1 + u64::from(is_learned));
            let (hears, quiet) = if is_learned { (&moved, &a.party) } else { (&a.party, &moved) };
            assert_eq!(receive(hears), (rtp(7), a.media), "{policy:?} {host}");
            assert_is_quiet(quiet);
        }
    }
}

#[test]
fn strangers_are_dropped_and_counted() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    node.set(&a, &b, |rule| rule.policy = Policy::Latch);
    a.say(&rtp(1));
    b.hears(&rtp(1));
    let stranger = socket(V4);
    for sequence in 0..100 {
        stranger.send_to(&rtp(sequence), a.media).unwrap();
    }
    node.wait_for(Reason::Stranger, 100);
    b.hears_nothing();
    assert_eq!((node.statistics(&a).strangers, node.statistics(&a).packets), (100, 1));
    b.say(&rtp(5));
    a.hears(&rtp(5));
}

#[test]
fn rtcp_goes_where_the_kind_of_the_port_lets_it() {
    for (kind, rtp_passes, rtcp_passes) in
        [(Kind::Rtp, true, false), (Kind::Rtcp, false, true), (Kind::RtpMux, true, true)]
    {
        let node = Node::new();
        let (a, b) = node.relay(V4, V4);
        node.set(&a, &b, |rule| rule.kind = kind);
        a.say(&rtp(1));
        a.say(&RTCP);
        let passed = u64::from(rtp_passes) + u64::from(rtcp_passes);
        node.wait_for(Reason::Forwarded, passed);
        node.wait_for(Reason::WrongKind, 2 - passed);
        if rtp_passes {
            b.hears(&rtp(1));
        }
        if rtcp_passes {
            b.hears(&RTCP);
        }
        b.hears_nothing();
    }
}

#[test]
fn a_party_on_hold_is_not_heard() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    node.set(&a, &b, |rule| rule.forward = false);
    a.say(&rtp(1));
    node.wait_for(Reason::Held, 1);
    b.hears_nothing();
    assert_eq!(node.statistics(&a).packets, 1);
    node.change(&a, &b, |_| {});
    a.say(&rtp(2));
    b.hears(&rtp(2));
}

#[test]
fn the_sequence_offset_is_added() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    node.set(&a, &b, |rule| rule.sequence_offset = 10);
    for (sent, heard) in [(1, 11), (65_530, 4)] {
        a.say(&rtp(sent));
        let mut expected = rtp(sent);
        expected[2..4].copy_from_slice(&u16::to_be_bytes(heard));
        b.hears(&expected);
    }
    a.say(&RTCP);
    b.hears(&RTCP);
}

#[test]
fn a_rule_without_a_stream_drops() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    node.set(&a, &b, |rule| *rule = Rule::default());
    a.say(&rtp(1));
    node.wait_for(Reason::NoStream, 1);
    b.hears_nothing();
}

#[test]
fn what_is_not_media_is_handed_over() {
    let (passed, inbox) = mpsc::sync_channel(1);
    let node = Node::with(Options { passed: Some(passed), ..Options::default() });
    let (a, b) = node.relay(V4, V4);
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    for _ in 0..3 {
        a.say(&stun);
    }
    node.wait_for(Reason::NotRtp, 3);
    let source = a.party.local_addr().unwrap();
    assert_eq!(inbox.recv_timeout(PATIENCE), Ok(Passed { row: a.row, source, payload: stun.into() }));
    assert!(inbox.try_recv().is_err(), "what nobody takes is lost");
    b.hears_nothing();
}

#[test]
fn empty_and_huge_datagrams_do_not_stop_a_port() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V6);
    for round in 1..=20 {
        a.say(&[]);
        a.say(&[0x80; 3000]);
        a.say(&rtp(round as u16));
        b.hears(&rtp(round as u16));
        node.wait_for(Reason::BadRtp, round);
        node.wait_for(Reason::TooBig, round);
    }
}

#[test]
fn a_send_that_the_kernel_refuses_counts_for_that() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    // A broadcast needs a permission that no media port has.
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
    node.copies(&a, &[everybody]);
    node.set(&a, &b, |rule| (rule.to, rule.group) = (everybody.into(), 1));
    for sequence in 0..10 {
        a.say(&rtp(sequence));
    }
    node.wait_for(Reason::NoHop, 10);
    node.wait_for(Reason::CopyNoHop, 10);
    assert_eq!(node.counted(), [(Reason::NoHop, 10), (Reason::CopyNoHop, 10)]);
}

#[test]
fn the_code_point_is_the_rules_or_the_packets_own() {
    for local in [V4, V6] {
        let node = Node::new();
        let (a, b) = node.relay(local, local);
        let hears = |expected: u8| {
            let mut control = nix::cmsg_space!(i32);
            let mut buffer = [0; 256];
            let mut into = [std::io::IoSliceMut::new(&mut buffer)];
            let message = nix::sys::socket::recvmsg::<()>(
                std::os::fd::AsRawFd::as_raw_fd(&b.party),
                &mut into,
                Some(&mut control),
                nix::sys::socket::MsgFlags::empty(),
            )
            .unwrap();
            let class = message.cmsgs().unwrap().find_map(|message| match message {
                nix::sys::socket::ControlMessageOwned::Ipv4Tos(class) => Some(class),
                nix::sys::socket::ControlMessageOwned::Ipv6TClass(class) => Some(class as u8),
                _ => None,
            });
            assert_eq!(class, Some(expected << 2));
        };
        let (receives, sends) = (&b.party, &a.party);
        if local == V4 {
            setsockopt(receives, sockopt::IpRecvTos, &true).unwrap();
            setsockopt(sends, sockopt::Ipv4Tos, &(34 << 2)).unwrap();
        } else {
            setsockopt(receives, sockopt::Ipv6RecvTClass, &true).unwrap();
            setsockopt(sends, sockopt::Ipv6TClass, &(34 << 2)).unwrap();
        }
        for (dscp, expected) in [(None, 34), (Dscp::new(46), 46), (Dscp::new(0), 0), (None, 34)] {
            node.change(&a, &b, |rule| rule.dscp = dscp);
            a.say(&rtp(1));
            hears(expected);
        }
    }
}
