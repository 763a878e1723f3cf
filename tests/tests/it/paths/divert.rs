//! Streams that go through the mixer.

use std::time::Duration;

use undertone_dataplane::{PathChoice, Reason};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    rtp::{Packet, Stream},
};

use super::{
    bed::{Bed, SOON, bytes},
    on_every_path,
};

on_every_path!(a_diverted_stream_comes_back_from_the_mixer, a_stream_is_diverted_and_copied);

/// What the caller marks its packets with (DSCP).
const CODE_POINT: u8 = 34;

fn a_diverted_stream_comes_back_from_the_mixer(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call(family, port)?;
        bed.drive(|plane| plane.set_divert(call.relay.a.local, true))?;
        let (diverted, mixed) = (bed.reason(Reason::Diverted), bed.reason(Reason::Mixed));
        let packets = Stream::pcmu(7).numbered(100);
        let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
        call.caller.set_dscp(CODE_POINT)?;
        call.caller.send_at_full_rate(&packets, call.relay.a.local)?;
        let received = call.agent.wait_for_packets(100, SOON)?;
        assert_eq!(bytes(&received), sent);
        assert!(received.iter().all(|packet| packet.dscp == CODE_POINT), "its own code point");
        assert!(received.iter().all(|packet| packet.from == call.relay.b.local));
        wait_for("every packet to be counted twice", SOON, || {
            ((bed.reason(Reason::Diverted), bed.reason(Reason::Mixed)) == (diverted + 100, mixed + 100)).then_some(())
        })?;
        // The other direction never leaves its fast path.
        call.agent.send_at_full_rate(&packets, call.relay.b.local)?;
        assert_eq!(bytes(&call.caller.wait_for_packets(100, SOON)?), sent);
        assert_eq!(bed.reason(Reason::Diverted), diverted + 100);
    }
    Ok(())
}

fn a_stream_is_diverted_and_copied(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call(family, port)?;
        let at = call.relay.a.local;
        let monitor = bed.monitor(family, at)?;
        bed.drive(|plane| plane.set_divert(at, true))?;
        let counted = || [Reason::Diverted, Reason::Mixed, Reason::CopySent].map(|reason| bed.reason(reason));
        let before = counted();
        let packets = Stream::pcmu(7).numbered(100);
        let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
        call.caller.send_paced(&packets, Duration::from_micros(500), at)?;
        let received = call.agent.wait_for_packets(100, SOON)?;
        assert_eq!(bytes(&received), sent, "the stream");
        assert!(received.iter().all(|packet| packet.from == call.relay.b.local));
        let copies = monitor.wait_for_packets(100, SOON)?;
        assert_eq!(bytes(&copies), sent, "the copy");
        assert!(copies.iter().all(|packet| packet.from.port() == at.port()));
        wait_for("every packet to be counted on its way to the mixer and back, and its copy", SOON, || {
            (counted() == before.map(|count| count + 100)).then_some(())
        })?;
    }
    Ok(())
}
