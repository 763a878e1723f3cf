//! Copies to monitor ports.

use undertone_abi::Reason;

use super::*;

#[test]
fn every_monitor_gets_every_packet() {
    for (own, monitors_are_v6) in [(V4, false), (V6, true)] {
        let node = Node::new();
        let (a, b) = node.relay(own, V4);
        let monitors: Vec<_> = (0..8).map(|_| socket(if monitors_are_v6 { V6 } else { V4 })).collect();
        let addresses: Vec<_> = monitors.iter().map(|monitor| monitor.local_addr().unwrap()).collect();
        let mut copies = 0;
        for count in 1..=8_usize {
            node.copies(&a, &addresses[..count]);
            node.set(&a, &b, |rule| rule.group = 1);
            for sequence in 0..10 {
                a.say(&rtp(sequence));
                b.hears(&rtp(sequence));
                for monitor in &monitors[..count] {
                    assert_eq!(receive(monitor), (rtp(sequence), a.media), "from the port that it came to");
                }
                copies += count as u64;
            }
            monitors.iter().for_each(assert_is_quiet);
        }
        node.wait_for(Reason::CopySent, copies);
        assert_eq!(node.counted(), [(Reason::Copied, 80), (Reason::CopySent, copies)]);
        b.say(&rtp(1));
        a.hears(&rtp(1));
        node.wait_for(Reason::Forwarded, 1);
    }
}

#[test]
fn monitors_of_both_versions_get_copies_of_one_stream() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    let monitors: Vec<_> = [V4, V6, V6, V4].map(socket).into();
    let addresses: Vec<_> = monitors.iter().map(|monitor| monitor.local_addr().unwrap()).collect();
    node.copies(&a, &addresses);
    node.set(&a, &b, |rule| rule.group = 1);
    for sequence in 0..10 {
        a.say(&rtp(sequence));
        b.hears(&rtp(sequence));
        for monitor in &monitors {
            let (payload, from) = receive(monitor);
            assert_eq!(payload, rtp(sequence));
            assert_eq!(from.is_ipv4(), monitor.local_addr().unwrap().is_ipv4());
            // Where the stream has no port of that version, it is one that no stream will want.
            assert!(from == a.media || !(PORTS.0..=PORTS.1).contains(&from.port()), "{from}");
        }
    }
    node.wait_for(Reason::CopySent, 40);
}

#[test]
fn copies_leave_from_the_port_of_the_other_version_that_has_the_number() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    let same_number = RowIndex::new(V6, a.row.port());
    node.engine.open(same_number).unwrap();
    let monitor = socket(V6);
    node.copies(&a, &[monitor.local_addr().unwrap()]);
    node.set(&a, &b, |rule| rule.group = 1);
    a.say(&rtp(1));
    assert_eq!(receive(&monitor), (rtp(1), (Ipv6Addr::LOCALHOST, a.row.port()).into()));
}

#[test]
fn on_hold_only_copies_leave() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    let monitor = socket(V4);
    node.copies(&a, &[monitor.local_addr().unwrap()]);
    node.set(&a, &b, |rule| (rule.forward, rule.group) = (false, 1));
    a.say(&rtp(1));
    assert_eq!(receive(&monitor), (rtp(1), a.media));
    node.wait_for(Reason::CopiedOnly, 1);
    node.wait_for(Reason::CopySent, 1);
    b.hears_nothing();
}

#[test]
fn a_copy_without_a_way_out_does_not_hurt_the_stream() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    // Of an address that this host does not have, and of an IP version that the address does not speak.
    for (local, to) in [(ELSEWHERE, "[::1]:9"), (V4, "[::1]:9")] {
        let mut plan = GroupPlan { count: 1, ..GroupPlan::default() };
        let to = to.parse::<SocketAddr>().unwrap().into();
        plan.copies[0] = CopyRule { to, from_port: 1, via: Via { local, hop: 0 } };
        node.memory.group(1).unwrap().write(&plan);
        node.set(&a, &b, |rule| rule.group = 1);
        a.say(&rtp(1));
        b.hears(&rtp(1));
    }
    node.wait_for(Reason::CopyNoHop, 2);
    assert_eq!(node.counted(), [(Reason::Copied, 2), (Reason::CopyNoHop, 2)]);
}

#[test]
fn taps_reach_the_mixer_from_the_streams_alias() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    let tap = UdpSocket::bind((MIXER, 0)).unwrap();
    tap.set_read_timeout(Some(PATIENCE)).unwrap();
    node.memory.config().set_mixer(1, 1, MIXER, &[9], 0);
    node.copies(&a, &[tap.local_addr().unwrap()]);
    node.set(&a, &b, |rule| rule.group = 1);
    a.say(&rtp(1));
    b.hears(&rtp(1));
    assert_eq!(receive(&tap), (rtp(1), (ALIAS, a.row.port()).into()));
    node.wait_for(Reason::CopySent, 1);
}
