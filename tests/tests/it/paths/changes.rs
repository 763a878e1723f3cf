//! The network changes under a stream.

use std::time::{Duration, Instant};

use undertone_dataplane::PathChoice;
use undertone_tests::{
    Result,
    lab::{Family, Mac, wait_for},
    rtp::{Packet, Stream},
};

use super::{
    bed::{Bed, SOON, bind, bytes},
    on_every_path,
};

on_every_path!(a_neighbours_new_mac_is_followed, a_route_over_another_interface_is_followed);

/// Within which a stream follows, once the kernel knows.
const FOLLOWS: Duration = Duration::from_millis(100);

fn a_neighbours_new_mac_is_followed(path: PathChoice) -> Result<()> {
    let mut bed = Bed::new(path)?;
    let call = bed.call(Family::V4, 20_000)?;
    let packets = Stream::pcmu(7).numbered(20);
    let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
    call.caller.send_at_full_rate(&packets, call.relay.a.local)?;
    assert_eq!(bytes(&call.agent.wait_for_packets(20, SOON)?), sent);
    call.agent.take_received();

    let mac = Mac([2, 0x75, 0x74, 0, 0x77, 0x77]);
    bed.lab.agent.set_mac(mac)?;
    let address = bed.lab.agent.address(Family::V4);
    bed.lab.appliance.ip(&format!("neigh replace {address} lladdr {mac} dev agent nud reachable"))?;
    let changed = Instant::now();
    // Packets keep coming until one arrives; it has to be soon.
    wait_for("a packet to the new MAC address", SOON, || {
        call.caller.send(&sent[0], call.relay.a.local).ok()?;
        (!call.agent.received().is_empty()).then_some(())
    })?;
    let took = changed.elapsed();
    assert!(took < FOLLOWS, "the stream followed after {took:?}");
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
    let changed = Instant::now();
    listener.take_received();
    wait_for("a packet over the other interface", SOON, || {
        call.caller.send(&packet, call.relay.a.local).ok()?;
        (!listener.received().is_empty()).then_some(())
    })?;
    let took = changed.elapsed();
    assert!(took < FOLLOWS, "the stream followed after {took:?}");
    Ok(())
}
