//! What is counted of a stream that a network has spoiled.

use std::time::Duration;

use undertone_dataplane::PathChoice;
use undertone_tests::{
    Result,
    lab::Family,
    rtp::{
        Stream,
        netem::{Impairment, Jitter, Pick},
    },
};

use super::{bed::Bed, on_every_path};

on_every_path!(loss_order_and_duplicates_are_counted_exactly, jitter_is_measured_as_it_was);

fn loss_order_and_duplicates_are_counted_exactly(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for seed in 1..=3_u64 {
        let call = bed.call(Family::V4, 20_000 + 10 * seed as u16)?;
        let stream = Stream::pcmu(7).starting_at(65_000, 0);
        let impairment = Impairment {
            loss: Pick::Chance(0.1),
            duplicate: Pick::Chance(0.05),
            duplicate_distance: 4,
            reorder: Pick::Chance(0.1),
            reorder_distance: 8,
            jitter: Jitter::None,
        };
        let impaired = impairment.apply(&stream, &stream.numbered(1000), seed)?;
        let (truth, at) = (impaired.truth, call.relay.a.local);
        // No more at once than a socket holds: what is lost on the way to the appliance is no loss of the stream's.
        for (index, (_, packet)) in impaired.schedule.iter().enumerate() {
            call.caller.send(packet, at)?;
            if index % 50 == 49 {
                bed.wait_for_count(at, index as u64 + 1)?;
            }
        }
        let counted = bed.wait_for_count(at, impaired.schedule.len() as u64)?.statistics;
        assert_eq!(
            (counted.lost as u64, counted.duplicates as u64, counted.reordered as u64),
            (truth.lost, truth.duplicates, truth.reordered),
            "seed {seed}"
        );
        bed.drive(|plane| plane.remove(call.relay.a.local))?;
    }
    Ok(())
}

fn jitter_is_measured_as_it_was(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let call = bed.call(Family::V4, 20_000)?;
    let stream = Stream::pcmu(7);
    let impairment = Impairment { jitter: Jitter::Uniform(Duration::from_millis(12)), ..Impairment::default() };
    let impaired = impairment.apply(&stream, &stream.numbered(150), 42)?;
    let times = call.caller.send_schedule(&impaired.schedule, call.relay.a.local)?;
    let counted = bed.wait_for_count(call.relay.a.local, times.len() as u64)?.statistics;
    let sent = impaired.truth_as_sent(&times).jitter.as_secs_f64();
    let measured = Duration::from_nanos(u64::from(counted.jitter_ns)).as_secs_f64();
    assert!((measured / sent - 1.0).abs() < 0.05, "measured {measured}, sent {sent}");
    Ok(())
}
