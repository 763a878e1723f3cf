//! Streams without copies.

use undertone_dataplane::{PathChoice, Reason};
use undertone_tests::{
    Result,
    lab::Family,
    rtp::{Packet, Stream},
};

use super::{
    bed::{Bed, Call, SOON},
    on_every_path,
};

on_every_path!(both_directions_arrive_as_they_were_sent, ip_versions_may_differ, a_packet_from_elsewhere_is_dropped,);

fn both_directions_arrive_as_they_were_sent(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call(family, port)?;
        exchange(&bed, &call)?;
    }
    Ok(())
}

fn ip_versions_may_differ(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    exchange(&bed, &bed.call_between(Family::V4, Family::V6, 20_000)?)?;
    exchange(&bed, &bed.call_between(Family::V6, Family::V4, 20_010)?)
}

/// Sends both ways, and holds what arrived and what was counted against what was sent.
fn exchange(bed: &Bed, call: &Call) -> Result<()> {
    let sent: Vec<_> = Stream::pcmu(7).numbered(200).iter().map(Packet::to_bytes).collect();
    call.exchange(&sent)?;
    for end in [&call.relay.a, &call.relay.b] {
        let statistics = bed.wait_for_count(end.local, sent.len() as u64)?.statistics;
        assert_eq!(statistics.packets, sent.len() as u64);
        assert_eq!(statistics.bytes, sent.iter().map(Vec::len).sum::<usize>() as u64);
        assert_eq!((statistics.lost, statistics.duplicates, statistics.reordered), (0, 0, 0));
        assert_eq!((statistics.ssrc, statistics.payload_type, statistics.locked), (7, Some(0), true));
    }
    Ok(())
}

fn a_packet_from_elsewhere_is_dropped(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let call = bed.call(Family::V4, 20_000)?;
    let stranger = super::bed::bind(&bed.lab.monitor, Family::V4)?;
    let packets = Stream::pcmu(7).numbered(50);
    let dropped = bed.reason(Reason::Stranger);
    call.caller.send_at_full_rate(&packets, call.relay.a.local)?;
    stranger.send_at_full_rate(&Stream::pcmu(66).numbered(50), call.relay.a.local)?;
    let received = call.agent.wait_for_packets(50, SOON)?;
    undertone_tests::lab::wait_for("strangers to be counted", SOON, || {
        (bed.reason(Reason::Stranger) == dropped + 50).then_some(())
    })?;
    assert_eq!(received.len(), call.agent.received().len(), "nothing of the stranger's passed");
    assert_eq!(bed.plane.report(call.relay.a.local).expect("a stream").statistics.strangers, 50);
    Ok(())
}
