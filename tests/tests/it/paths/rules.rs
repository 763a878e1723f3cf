//! Rules and copies that change while packets flow.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use undertone_dataplane::{MonitorPort, PathChoice, Reason};
use undertone_tests::{
    Result,
    lab::{Family, Site},
    rtp::{Endpoint, Packet, Received, Stream},
};

use super::{
    bed::{Bed, Call, SOON, bind},
    on_every_path,
};

on_every_path!(a_rule_is_never_seen_half_written, copies_come_and_go_and_no_packet_is_mixed_up);

/// How often the rule is written.
const WRITES: usize = 100_000;

/// How often the copies are changed.
const CHANGES: usize = 10_000;

/// How many packets are under way at a time: so few that none is lost for want of room.
const FLIGHT: u32 = 32;

/// The rule goes to and fro between two destinations that differ in every part: the host, the port, and with them the
/// hop. A packet that saw half of each would go to a destination that is neither.
fn a_rule_is_never_seen_half_written(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let call = bed.call(Family::V4, 20_000)?;
    let elsewhere = bind(&bed.lab.monitor, Family::V4)?;
    let mut other = call.relay;
    other.b.peer = elsewhere.local();
    // Keep the ways to both destinations known while the rule is elsewhere.
    let watches = [bed.call_to(&elsewhere, 20_010)?, bed.call(Family::V4, 20_020)?];
    let done = AtomicBool::new(false);
    let packets: Vec<_> = Stream::pcmu(7).numbered(1).iter().map(Packet::to_bytes).collect();
    let sent = thread::scope(|scope| -> Result<u64> {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                call.caller.send(&packets[0], call.relay.a.local)?;
                sent += 1;
            }
            Ok(sent)
        });
        let written = bed.drive(|plane| {
            (0..WRITES).try_for_each(|turn| plane.change(if turn % 2 == 0 { &other } else { &call.relay }))
        });
        done.store(true, Ordering::Relaxed);
        let sent = sender.join().expect("a sender");
        written?;
        sent
    })?;
    // In the kernel nothing is lost; a socket that is flooded overflows before the engine sees it.
    if path != PathChoice::Sockets {
        bed.wait_for_count(call.relay.a.local, sent)?;
    }
    let (agent, monitor) = (call.agent.wait_for_silence(SOON / 20), elsewhere.wait_for_silence(SOON / 20));
    let lost = u64::from(call.agent.overflowed() + elsewhere.overflowed());
    let counted = bed.wait_for_count(call.relay.a.local, 1)?.statistics.packets;
    let arrived = agent.len() as u64 + monitor.len() as u64;
    assert_eq!(arrived + lost, counted, "every packet went to one of the two");
    assert!(!agent.is_empty() && !monitor.is_empty(), "{} and {} packets", agent.len(), monitor.len());
    drop(watches);
    Ok(())
}

/// The stream has no copies, one, another and both, by turns: each is another group, of another shape. A packet that saw
/// half of each would be a copy to one monitor's host at the other's port, or one too many, or none to its party.
fn copies_come_and_go_and_no_packet_is_mixed_up(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let call = bed.call(Family::V4, 20_000)?;
    let at = call.relay.a.local;
    let bind_at = |site: &Site, port| Endpoint::bind(site.namespace(), SocketAddr::new(site.address(Family::V4), port));
    let (one, other) = (bind_at(&bed.lab.monitor, 0)?, bind_at(&bed.lab.agent, 0)?);
    let mixed = [bind_at(&bed.lab.monitor, other.local().port())?, bind_at(&bed.lab.agent, one.local().port())?];
    // Keeps the way to a copy known while there is none.
    let watch = bed.call_to(&one, 20_010)?;
    let done = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let sender = scope.spawn(|| send_flights(&call, &done));
        let changed = bed.drive(|plane| {
            for _ in 0..CHANGES / 4 {
                let first = plane.add_copy(at, MonitorPort::Network(one.local()))?;
                let second = plane.add_copy(at, MonitorPort::Network(other.local()))?;
                plane.remove_copy(at, first)?;
                plane.remove_copy(at, second)?;
            }
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        let sent = sender.join().expect("a sender");
        changed.and(sent)
    })?;
    for endpoint in [&one, &other] {
        let copies = endpoint.wait_for_silence(SOON / 20);
        let numbers: HashSet<_> = copies.iter().map(number).collect();
        assert!(!copies.is_empty() && numbers.len() == copies.len(), "{} of {} copies", numbers.len(), copies.len());
        assert!(numbers.iter().all(|number| *number < sent), "copies of packets that were sent");
    }
    for endpoint in mixed {
        assert!(endpoint.received().is_empty(), "a copy of both at {}", endpoint.local());
    }
    assert!(call.agent.received().is_empty(), "a packet too many");
    assert_eq!((bed.reason(Reason::CopyStray), bed.reason(Reason::CopyNoHop)), (0, 0));
    drop(watch);
    Ok(())
}

/// Sends packets until `done`, each flight when every packet of the last has arrived, once. Returns how many.
fn send_flights(call: &Call, done: &AtomicBool) -> Result<u32> {
    let mut sent = 0;
    while !done.load(Ordering::Relaxed) {
        let flight = sent..sent + FLIGHT;
        flight.clone().try_for_each(|number| call.caller.send(&numbered(number), call.relay.a.local))?;
        call.agent.wait_for_packets(FLIGHT as usize, SOON)?;
        let mut arrived: Vec<_> = call.agent.take_received().iter().map(number).collect();
        arrived.sort_unstable();
        assert!(arrived.iter().copied().eq(flight.clone()), "{arrived:?} instead of {flight:?}");
        sent = flight.end;
    }
    Ok(sent)
}

/// A packet that says in all of its payload which one it is.
fn numbered(number: u32) -> Vec<u8> {
    let first = Stream::pcmu(7).packets(&[0; 160]).remove(0);
    Packet { sequence: number as u16, payload: number.to_be_bytes().repeat(40), ..first }.to_bytes()
}

/// Which packet it is, whole and unchanged.
fn number(received: &Received) -> u32 {
    let number = received.bytes.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    assert_eq!(received.bytes, numbered(number), "a packet as it was sent");
    number
}
