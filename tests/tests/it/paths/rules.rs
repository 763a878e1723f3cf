//! Rules that change while packets flow.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use undertone_dataplane::PathChoice;
use undertone_tests::{
    Result,
    lab::Family,
    rtp::{Packet, Stream},
};

use super::{
    bed::{Bed, SOON, bind},
    on_every_path,
};

on_every_path!(a_rule_is_never_seen_half_written);

/// How often the rule is written.
const WRITES: usize = 100_000;

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
