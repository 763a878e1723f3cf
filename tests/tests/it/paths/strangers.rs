//! RTP injection and RTP Bleed: who is learned, and who is not.

use std::{net::SocketAddr, thread, time::Duration};

use undertone_abi::limits::LEARN_PACKETS_MAX;
use undertone_dataplane::{PathChoice, Policy};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    rtp::{Endpoint, Packet, Stream},
};

use super::{
    bed::{Bed, Call, SOON, bind, bytes},
    on_every_path,
};

on_every_path!(
    a_flood_from_strangers_never_moves_a_stream,
    a_flood_never_moves_a_stream_from_where_its_party_was_learned,
    a_party_elsewhere_is_followed_as_its_policy_allows,
);

const CALLER_SSRC: u32 = 7;
const STRANGER_SSRC: u32 = 66;
const STREAM: usize = 50;
const FLOOD: usize = 100 * STREAM;
/// The stream's pace, and the stranger's.
const PACE: Duration = Duration::from_millis(20);
const FLOOD_PACE: Duration = Duration::from_micros(200);
/// How many of the stranger's packets may be on their way: no socket's buffer is full while the machine is elsewhere.
const FLOOD_AHEAD: usize = 64;

fn a_flood_from_strangers_never_moves_a_stream(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (index, policy) in [Policy::Strict, Policy::SameHost, Policy::Latch].into_iter().enumerate() {
        let call = call_with(&bed, policy, index)?;
        flood_before_during_and_after(&bed, &call, &call.caller, STREAM)?;
        bed.drive(|plane| plane.remove(call.relay.a.local))?;
    }
    Ok(())
}

fn a_flood_never_moves_a_stream_from_where_its_party_was_learned(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    // Where the party really is, and how much of the flood comes before it. Of two strangers to the SDP the first is
    // learned; its host's other port wins against somebody else while the window is open.
    let table = [
        (Policy::SameHost, &bed.lab.caller, STREAM),
        (Policy::Latch, &bed.lab.caller, LEARN_PACKETS_MAX as usize - 1),
        (Policy::Latch, &bed.lab.agent, 0),
        (Policy::Latch, &bed.lab.monitor, 0),
    ];
    for (index, (policy, place, before)) in table.into_iter().enumerate() {
        let call = call_with(&bed, policy, index)?;
        let party = bind(place, Family::V4)?;
        flood_before_during_and_after(&bed, &call, &party, before)?;
        assert!(call.caller.received().is_empty(), "{policy:?}: the SDP's address hears nothing");
        bed.drive(|plane| plane.remove(call.relay.a.local))?;
    }
    Ok(())
}

/// A call, one of several, whose ports may learn as `policy` says.
fn call_with(bed: &Bed, policy: Policy, index: usize) -> Result<Call> {
    let mut call = bed.call(Family::V4, 20_000 + 10 * index as u16)?;
    call.relay.a.learn = policy;
    call.relay.b.learn = policy;
    bed.drive(|plane| plane.change(&call.relay))?;
    Ok(call)
}

/// The caller speaks from `party`. A stranger sends `before` packets before it, a hundred times what it sends meanwhile,
/// and more after it.
fn flood_before_during_and_after(bed: &Bed, call: &Call, party: &Endpoint, before: usize) -> Result<()> {
    let (at, policy) = (call.relay.a.local, call.relay.a.learn);
    let stranger = bind(&bed.lab.monitor, Family::V4)?;
    let flood = Stream::pcmu(STRANGER_SSRC).numbered(FLOOD);
    let stream = Stream::pcmu(CALLER_SSRC).numbered(STREAM);
    let sent: Vec<_> = stream.iter().map(Packet::to_bytes).collect();

    stranger.send_at_full_rate(&flood[..before], at)?;
    // From the caller's first packet on, nothing of the stranger's passes.
    party.send(&sent[0], at)?;
    wait_for("the caller's first packet", SOON, || position_of_caller(&call.agent))?;
    thread::scope(|scope| {
        let flooding = scope.spawn(|| send_counted(bed, &stranger, &flood, at));
        let speaking = party.send_paced(&stream[1..], PACE, at).map(drop);
        flooding.join().expect("a sender").and(speaking)
    })?;
    stranger.send_at_full_rate(&flood[..STREAM], at)?;

    let heard = wait_for("all of the caller's packets", SOON, || {
        let heard = call.agent.received();
        let caller = heard.iter().filter(|packet| ssrc(&packet.bytes) == CALLER_SSRC).count();
        (caller >= STREAM).then_some(heard)
    })?;
    let first = heard.iter().position(|packet| ssrc(&packet.bytes) == CALLER_SSRC).expect("the caller was heard");
    assert_eq!(bytes(&heard[first..]), sent, "{policy:?}: the caller alone, from its first packet on");
    let allowed = if policy == Policy::Latch { before } else { 0 };
    assert!(first <= allowed, "{policy:?}: {first} packets of a stranger's came first");
    let statistics = bed.plane.report(at).expect("a stream").statistics;
    assert_eq!(statistics.source.map(SocketAddr::from), Some(party.local()), "{policy:?}");
    assert!(statistics.locked, "{policy:?}: final");
    assert!(statistics.strangers >= FLOOD as u64, "{policy:?}: {} strangers", statistics.strangers);

    // The other direction goes to the caller, not to the stranger.
    bed.wait_for_ways(&[])?;
    call.agent.send_at_full_rate(&stream, call.relay.b.local)?;
    assert_eq!(bytes(&party.wait_for_packets(STREAM, SOON)?), sent, "{policy:?}: back");
    assert!(stranger.received().is_empty(), "{policy:?}: the stranger hears nothing");
    Ok(())
}

/// Sends a stranger's packets at their pace, as long as those before them are counted.
fn send_counted(bed: &Bed, stranger: &Endpoint, packets: &[Packet], at: SocketAddr) -> Result<()> {
    let counted = || bed.plane.report(at).map_or(0, |report| report.statistics.strangers);
    let before = counted();
    for (index, some) in packets.chunks(FLOOD_AHEAD).enumerate() {
        let sent = before + (index * FLOOD_AHEAD) as u64;
        wait_for("what the stranger has sent to be counted", SOON, || (counted() >= sent).then_some(()))?;
        stranger.send_paced(some, FLOOD_PACE, at)?;
    }
    Ok(())
}

fn position_of_caller(agent: &Endpoint) -> Option<usize> {
    agent.received().iter().position(|packet| ssrc(&packet.bytes) == CALLER_SSRC)
}

fn ssrc(packet: &[u8]) -> u32 {
    Packet::parse(packet).map_or(0, |packet| packet.ssrc)
}

fn a_party_elsewhere_is_followed_as_its_policy_allows(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    // Who speaks in the caller's place, and which policies let it.
    let same_host: fn(&Bed) -> Result<Endpoint> = |bed| bind(&bed.lab.caller, Family::V4);
    let elsewhere: fn(&Bed) -> Result<Endpoint> = |bed| bind(&bed.lab.monitor, Family::V4);
    let table = [
        (Policy::Strict, same_host, false),
        (Policy::Strict, elsewhere, false),
        (Policy::SameHost, same_host, true),
        (Policy::SameHost, elsewhere, false),
        (Policy::Latch, same_host, true),
        (Policy::Latch, elsewhere, true),
    ];
    for (index, (policy, place, follows)) in table.into_iter().enumerate() {
        let call = call_with(&bed, policy, index)?;
        let speaker = place(&bed)?;
        let packets = Stream::pcmu(CALLER_SSRC).numbered(20);
        speaker.send_at_full_rate(&packets, call.relay.a.local)?;
        if follows {
            call.agent.wait_for_packets(20, SOON)?;
            // The kernel has heard of the speaker at once; user space still finds the way to it.
            let first = packets[0].to_bytes();
            wait_for("the agent to be heard where the speaker is", SOON, || {
                call.agent.send(&first, call.relay.b.local).ok()?;
                (!speaker.received().is_empty()).then_some(())
            })?;
            speaker.take_received();
            call.caller.take_received();
            call.agent.send_at_full_rate(&packets, call.relay.b.local)?;
            speaker.wait_for_packets(20, SOON)?;
            assert!(call.caller.received().is_empty(), "{policy:?}: the SDP's address hears nothing any more");
        } else {
            wait_for("strangers to be counted", SOON, || {
                let report = bed.plane.report(call.relay.a.local).ok()?;
                (report.statistics.strangers == 20).then_some(())
            })?;
            assert!(call.agent.received().is_empty(), "{policy:?}");
        }
    }
    Ok(())
}
