//! Opening and closing media ports.

use undertone_abi::Reason;

use super::*;

#[test]
fn a_closed_port_is_free_at_once_and_can_be_opened_again() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    node.memory.config().set_mixer(1, 1, MIXER, &[9], 0);
    for round in 0..20 {
        node.engine.open_alias(a.row).unwrap();
        a.say(&rtp(round));
        b.hears(&rtp(round));
        node.engine.close(a.row);
        drop(UdpSocket::bind(a.media).unwrap());
        drop(UdpSocket::bind((ALIAS, a.row.port())).unwrap());
        b.say(&rtp(round));
        node.wait_for(Reason::NoHop, u64::from(round) + 1);
        node.engine.open(a.row).unwrap();
    }
}

#[test]
fn an_engine_that_ends_leaves_no_port_in_use() {
    let node = Node::new();
    let legs: Vec<_> = (0..50).map(|_| node.leg(V4)).collect();
    drop(node);
    for leg in &legs {
        drop(UdpSocket::bind(leg.media).unwrap());
    }
}

#[test]
fn an_engine_whose_thread_has_ended_says_so() {
    let node = Node::new();
    node.leg(V4);
    assert_eq!(node.engine.ended(), None);
    node.engine.commands.send(crate::sockets::Command::Stop).unwrap();
    node.engine.bell.write(1).unwrap();
    until(|| node.engine.ended().is_some(), || "the thread goes on".into());
    let told = node.engine.ended().unwrap();
    assert_eq!(told, "the io_uring engine has stopped: its thread has ended");
    assert_eq!(node.engine.open(RowIndex::new(V4, 40_000)).unwrap_err().to_string(), told);
}

#[test]
fn opening_and_closing_twice_is_once() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    node.engine.open(a.row).unwrap();
    a.say(&rtp(1));
    b.hears(&rtp(1));
    node.engine.close(a.row);
    node.engine.close(a.row);
    node.engine.close(RowIndex::new(V4, 1));
}

#[test]
fn a_port_of_another_process_is_an_error_that_names_it() {
    let node = Node::new();
    let row = node.open(V4);
    node.engine.close(row);
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, row.port())).unwrap();
    let error = node.engine.open(row).unwrap_err();
    assert!(matches!(error, EngineError::PortInUse { port } if port == taken.local_addr().unwrap()), "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{}", row.port())), "{error}");
    drop(taken);
    node.engine.open(row).unwrap();
}

#[test]
fn an_address_of_another_host_is_an_error_that_names_it() {
    let node = Node::new();
    let error = node.engine.open(RowIndex::new(ELSEWHERE, 12_000)).unwrap_err();
    assert!(matches!(error, EngineError::AddressNotHere { .. }), "{error}");
    assert!(error.to_string().starts_with("192.0.2.1 is no address of this host"), "{error}");
}

#[test]
fn a_row_that_is_no_media_port_is_refused() {
    let node = Node::new();
    for row in [RowIndex::new(UNUSED, 12_000), RowIndex::new(Local(200), 12_000), RowIndex::new(V4, 0)] {
        assert!(matches!(node.engine.open(row), Err(EngineError::NoSuchPort { row: named }) if named == row));
    }
    assert!(matches!(node.engine.open_alias(RowIndex::new(V4, 12_000)), Err(EngineError::NoSuchPort { .. })));
}

#[test]
fn a_full_engine_refuses_one_more_and_harms_nothing() {
    let node = Node::with(Options { sockets_max: 4, ..Options::default() });
    let legs: Vec<_> = (0..4).map(|_| node.leg(V4)).collect();
    let error = loop {
        match node.engine.open(RowIndex::new(V4, next_port())) {
            Err(EngineError::PortInUse { .. }) => {}
            Err(error) => break error,
            Ok(()) => panic!("a fifth of four"),
        }
    };
    assert!(matches!(error, EngineError::Full { sockets: 4 }), "{error}");
    node.set(&legs[0], &legs[1], |_| {});
    node.set(&legs[1], &legs[0], |_| {});
    legs[0].say(&rtp(1));
    legs[1].hears(&rtp(1));
    node.engine.close(legs[3].row);
    node.leg(V4);
}

#[test]
fn a_thousand_ports_work_side_by_side() {
    let node = Node::new();
    let relays: Vec<_> = (0..500).map(|_| node.relay(V4, V4)).collect();
    for (index, (a, b)) in relays.iter().enumerate() {
        let sequence = index as u16;
        a.say(&rtp(sequence));
        b.say(&rtp(sequence + 1000));
    }
    for (index, (a, b)) in relays.iter().enumerate() {
        let sequence = index as u16;
        b.hears(&rtp(sequence));
        a.hears(&rtp(sequence + 1000));
    }
    node.wait_for(Reason::Forwarded, 1000);
    for (a, b) in &relays {
        node.engine.close(a.row);
        node.engine.close(b.row);
    }
    for (a, _) in relays.iter().take(20) {
        drop(UdpSocket::bind(a.media).unwrap());
    }
}

#[test]
fn settling_waits_for_what_came_before() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    for sequence in 0..200 {
        a.say(&rtp(sequence));
        b.hears(&rtp(sequence));
        node.engine.settle();
        assert_eq!(node.count(Reason::Forwarded), u64::from(sequence) + 1);
    }
}

#[test]
fn running_out_of_buffers_loses_nothing() {
    let node = Node::with(Options { buffers: 2, ..Options::default() });
    let relays: Vec<_> = (0..40).map(|_| node.relay(V4, V4)).collect();
    for round in 0..20 {
        for (a, _) in &relays {
            a.say(&rtp(round));
            a.say(&rtp(round + 1000));
        }
        for (_, b) in &relays {
            b.hears(&rtp(round));
            b.hears(&rtp(round + 1000));
        }
    }
    node.wait_for(Reason::Forwarded, 40 * 20 * 2);
    assert_ne!(node.engine.buffers_ran_dry(), 0);
}
