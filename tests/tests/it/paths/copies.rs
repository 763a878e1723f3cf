//! Streams with copies.

use std::{net::SocketAddr, time::Duration};

use undertone_dataplane::{Clock, Dscp, Kind, MonitorPort, PathChoice, Reason, Relay};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    rtp::{Endpoint, Packet, Stream},
};

use super::{
    bed::{Bed, SOON, bind, bytes, end},
    on_every_path,
};

on_every_path!(
    copies_arrive_beside_the_stream,
    a_copied_stream_and_each_of_its_copies_are_counted,
    a_copied_stream_has_its_partys_code_point_or_keeps_its_own,
    a_held_stream_is_still_copied,
    a_copied_stream_reaches_a_party_without_a_next_hop,
);

fn copies_arrive_beside_the_stream(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call(family, port)?;
        let at = call.relay.a.local;
        let mut monitors: Vec<Endpoint> = Vec::new();
        for count in [1, 2, 4, 8] {
            while monitors.len() < count {
                let family = if monitors.len() % 3 == 2 { other(family) } else { family };
                monitors.push(bed.monitor(family, at)?);
            }
            let packets = Stream::pcmu(count as u32).numbered(100);
            let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
            // Behind the driver, copies are made by a process that wants its turn.
            call.caller.send_paced(&packets, Duration::from_micros(200), at)?;
            assert_eq!(bytes(&call.agent.wait_for_packets(100, SOON)?), sent, "the stream beside {count} copies");
            call.agent.take_received();
            for (index, monitor) in monitors.iter().enumerate() {
                let received = monitor.wait_for_packets(100, SOON)?;
                assert_eq!(bytes(&received), sent, "copy {index} of {count} over {}", path_name(path));
                let from = source_of_copies(&bed, at, monitor);
                assert!(received.iter().all(|packet| packet.from.ip() == from.ip()), "from {from}");
                // Over sockets, a copy of the other IP version has no socket of the stream's port to leave from.
                if path != PathChoice::Sockets || monitor.local().is_ipv4() == at.is_ipv4() {
                    assert!(received.iter().all(|packet| packet.from.port() == from.port()), "from {from}");
                }
                monitor.take_received();
            }
        }
        bed.drive(|plane| plane.remove(at))?;
    }
    Ok(())
}

fn a_copied_stream_and_each_of_its_copies_are_counted(path: PathChoice) -> Result<()> {
    const PACKETS: usize = 50;
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call(family, port)?;
        let at = call.relay.a.local;
        let monitors = [bed.monitor(family, at)?, bed.monitor(other(family), at)?, bed.monitor(family, at)?];
        let counted = || [Reason::Copied, Reason::CopySent].map(|reason| bed.reason(reason));
        let before = counted();
        let packets = Stream::pcmu(1).numbered(PACKETS);
        call.caller.send_paced(&packets, Duration::from_micros(200), at)?;
        call.agent.wait_for_packets(PACKETS, SOON)?;
        for monitor in &monitors {
            monitor.wait_for_packets(PACKETS, SOON)?;
        }
        let expected = [before[0] + PACKETS as u64, before[1] + (PACKETS * monitors.len()) as u64];
        wait_for("packets and copies to be counted", SOON, || (counted() == expected).then_some(()))?;
        let report = bed.wait_for_count(at, PACKETS as u64)?;
        let bytes: usize = packets.iter().map(|packet| packet.to_bytes().len()).sum();
        assert_eq!((report.statistics.packets, report.statistics.bytes), (PACKETS as u64, bytes as u64));
        assert_eq!((report.statistics.lost, report.statistics.duplicates, report.statistics.reordered), (0, 0, 0));
        let to: Vec<_> = report.copies.iter().map(|(_, port)| *port).collect();
        assert_eq!(to, monitors.each_ref().map(|monitor| MonitorPort::Network(monitor.local())));
        // Nobody heard anything twice meanwhile.
        assert!([&call.agent].into_iter().chain(&monitors).all(|endpoint| endpoint.received().len() == PACKETS));
    }
    Ok(())
}

fn a_copied_stream_has_its_partys_code_point_or_keeps_its_own(path: PathChoice) -> Result<()> {
    const OWN: u8 = 34;
    const PARTYS: u8 = 46;
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let mut call = bed.call(family, port)?;
        let at = call.relay.a.local;
        let monitor = bed.monitor(family, at)?;
        call.caller.set_dscp(OWN)?;
        let packets = Stream::pcmu(1).numbered(20);
        for (dscp, expected) in [(None, OWN), (Dscp::new(PARTYS), PARTYS)] {
            call.relay.b.dscp = dscp;
            bed.drive(|plane| plane.change(&call.relay))?;
            call.caller.send_paced(&packets, Duration::from_micros(200), at)?;
            let (received, copies) = (call.agent.wait_for_packets(20, SOON)?, monitor.wait_for_packets(20, SOON)?);
            assert!(received.iter().all(|packet| packet.dscp == expected), "{dscp:?}: {}", received[0].dscp);
            // The kernel copies what leaves for the party; where copies are made in user space, they have no code point.
            let copied = if path == PathChoice::Native { expected } else { 0 };
            assert!(copies.iter().all(|packet| packet.dscp == copied), "{dscp:?}, the copy: {}", copies[0].dscp);
            call.agent.take_received();
            monitor.take_received();
        }
    }
    Ok(())
}

fn a_held_stream_is_still_copied(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let call = bed.call(Family::V4, 20_000)?;
    let monitor = bed.monitor(Family::V4, call.relay.a.local)?;
    let mut relay = call.relay;
    relay.a.sends = false;
    bed.drive(|plane| plane.change(&relay))?;
    let packets = Stream::pcmu(1).numbered(50);
    call.caller.send_at_full_rate(&packets, call.relay.a.local)?;
    monitor.wait_for_packets(50, SOON)?;
    bed.wait_for_reason(Reason::CopiedOnly, 50)?;
    assert!(call.agent.received().is_empty());
    Ok(())
}

/// The kernel finds the way where the tables have none, as to a party on the appliance itself, copied or not.
fn a_copied_stream_reaches_a_party_without_a_next_hop(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    bed.lab.appliance.ip("address add 10.99.0.1/32 dev lo")?;
    let agent = Endpoint::bind(&bed.lab.appliance, (std::net::Ipv4Addr::new(10, 99, 0, 1), 0))?;
    let caller = bind(&bed.lab.caller, Family::V4)?;
    let at = SocketAddr::new(bed.lab.caller.facing_address(Family::V4), 20_000);
    let from = SocketAddr::new(bed.lab.agent.facing_address(Family::V4), 20_002);
    let (a, b) = (end(at, caller.local()), end(from, agent.local()));
    bed.drive(|plane| plane.add(&Relay { a, b, kind: Kind::Rtp, clock: Clock::Hz8000 }))?;
    let monitor = bind(&bed.lab.monitor, Family::V4)?;
    bed.drive(|plane| plane.add_copy(at, MonitorPort::Network(monitor.local())))?;
    wait_for("the next hops to the caller and the monitor", SOON, || {
        (bed.plane.capacity().destinations_resolved >= 2).then_some(())
    })?;
    let packets = Stream::pcmu(1).numbered(50);
    let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
    caller.send_paced(&packets, Duration::from_millis(1), at)?;
    assert_eq!(bytes(&monitor.wait_for_packets(50, SOON)?), sent, "the copy");
    assert_eq!(bytes(&agent.wait_for_packets(50, SOON)?), sent, "the stream");
    Ok(())
}

/// Where copies for `monitor` come from: the stream's own port, or the same of the first media address that fits.
fn source_of_copies(bed: &Bed, at: SocketAddr, monitor: &Endpoint) -> SocketAddr {
    let ip = match (monitor.local().is_ipv4(), at.is_ipv4()) {
        (true, false) => bed.lab.caller.facing_address(Family::V4),
        (false, true) => bed.lab.caller.facing_address(Family::V6),
        _ => at.ip(),
    };
    SocketAddr::new(ip, at.port())
}

fn other(family: Family) -> Family {
    if family == Family::V4 { Family::V6 } else { Family::V4 }
}

fn path_name(path: PathChoice) -> &'static str {
    match path {
        PathChoice::Generic => "generic XDP",
        PathChoice::Sockets => "io_uring",
        _ => "native XDP",
    }
}
