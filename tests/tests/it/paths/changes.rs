//! The network changes under a stream.

use std::time::{Duration, Instant};

use undertone_dataplane::PathChoice;
use undertone_tests::{
    Result,
    lab::{Family, Mac, wait_for},
    rtp::{Packet, Stream},
};

use super::{
    bed::{Bed, SOON, bytes},
    on_every_path,
};

on_every_path!(a_neighbours_new_mac_is_followed);

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
