//! The network changes under a stream.

use std::time::{Duration, Instant};

use undertone_dataplane::PathChoice;
use undertone_tests::{
    Result,
    lab::{Family, Mac, Namespace, Site, wait_for},
    rtp::{Packet, Stream},
};

use super::{
    bed::{Bed, Call, SOON, bind, bytes},
    on_every_path,
};

on_every_path!(
    a_neighbours_new_mac_is_followed,
    a_monitors_new_mac_is_followed_by_copies,
    a_route_over_another_interface_is_followed,
);

/// Within which a stream follows, once the kernel knows.
const FOLLOWS: Duration = Duration::from_millis(100);

fn a_neighbours_new_mac_is_followed(path: PathChoice) -> Result<()> {
    for family in Family::ALL {
        let mut bed = Bed::new(path)?;
        let call = bed.call(family, 20_000)?;
        let sent = speak(&call)?;
        replace(&mut bed.lab.agent, &bed.lab.appliance, family)?;
        follows("the stream", || {
            call.caller.send(&sent, call.relay.a.local).ok()?;
            (!call.agent.received().is_empty()).then_some(())
        })?;
    }
    Ok(())
}

fn a_monitors_new_mac_is_followed_by_copies(path: PathChoice) -> Result<()> {
    for family in Family::ALL {
        let mut bed = Bed::new(path)?;
        let call = bed.call(family, 20_000)?;
        let monitor = bed.monitor(family, call.relay.a.local)?;
        let sent = speak(&call)?;
        monitor.wait_for_packets(PACKETS, SOON)?;
        monitor.take_received();
        replace(&mut bed.lab.monitor, &bed.lab.appliance, family)?;
        let mut number = 0;
        follows("the copy", || {
            call.caller.send(&sent, call.relay.a.local).ok()?;
            number += 1;
            (!monitor.received().is_empty()).then_some(())
        })?;
        // The stream itself never missed a packet.
        call.agent.wait_for_packets(number, SOON)?;
    }
    Ok(())
}

/// How many packets a stream begins with.
const PACKETS: usize = 20;

/// The caller is heard by the agent. Returns one packet of what was said.
fn speak(call: &Call) -> Result<Vec<u8>> {
    let packets = Stream::pcmu(7).numbered(PACKETS);
    let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
    call.caller.send_paced(&packets, Duration::from_micros(500), call.relay.a.local)?;
    assert_eq!(bytes(&call.agent.wait_for_packets(PACKETS, SOON)?), sent);
    call.agent.take_received();
    Ok(sent[0].clone())
}

/// The machine at a site is exchanged for one with another MAC address, and the appliance's kernel hears of it.
fn replace(site: &mut Site, appliance: &Namespace, family: Family) -> Result<()> {
    let mac = Mac([2, 0x75, 0x74, 0, 0x77, 0x77]);
    site.set_mac(mac)?;
    let (address, interface) = (site.address(family), site.facing().name());
    appliance.ip(&format!("neigh replace {address} lladdr {mac} dev {interface} nud reachable")).map(drop)
}

/// Packets are sent until one arrives; it has to be soon.
fn follows(what: &str, arrives: impl FnMut() -> Option<()>) -> Result<()> {
    let changed = Instant::now();
    wait_for(&format!("{what} to follow"), SOON, arrives)?;
    let took = changed.elapsed();
    assert!(took < FOLLOWS, "{what} followed after {took:?}");
    Ok(())
}

fn a_route_over_another_interface_is_followed(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let (first, second) = (bed.lab.attach_gateway("first")?, bed.lab.attach_gateway("second")?);
    let far = bed.lab.attach_behind(&first, "far")?;
    let _beside = bed.lab.join(&second, &far)?;
    let listener = bind(&far, Family::V4)?;
    let mut call = bed.call(Family::V4, 20_000)?;
    call.relay.b.peer = listener.local();
    bed.drive(|plane| plane.change(&call.relay))?;
    bed.wait_for_ways(&[])?;
    let packet = Stream::pcmu(7).numbered(1)[0].to_bytes();
    call.caller.send(&packet, call.relay.a.local)?;
    listener.wait_for_packets(1, SOON)?;

    bed.lab.route_through(&second, &far)?;
    // The first gateway is cut off, so that only the new way leads there.
    first.facing().down()?;
    listener.take_received();
    follows("the stream", || {
        call.caller.send(&packet, call.relay.a.local).ok()?;
        (!listener.received().is_empty()).then_some(())
    })
}
