//! When packets came, as statistics have it.

use super::*;
use crate::monotonic_ns;

/// RFC 3550, A.8, in nanoseconds, of packets that left when they are said to.
fn jitter_ns(sent: &[(u64, u32)]) -> f64 {
    let transit = |(at_ns, timestamp): (u64, u32)| at_ns as f64 - f64::from(timestamp) * 1e9 / 8000.0;
    sent.windows(2).fold(0.0, |jitter, pair| {
        let step = (transit(pair[1]) - transit(pair[0])).abs();
        jitter + (step - jitter) / 16.0
    })
}

/// How exactly a packet's departure has to be known.
const SPAN_NS_MAX: u64 = 100_000;

/// Sends 200 packets at uneven times, and says when each left, with its timestamp. `None` when the test did not have
/// the processor for itself while it sent, and does not know.
fn send_unevenly(leg: &Leg) -> Option<Vec<(u64, u32)>> {
    let mut sent = Some(Vec::new());
    for sequence in 0..200_u16 {
        let at_ns = monotonic_ns();
        leg.say(&rtp(sequence));
        let left_ns = monotonic_ns();
        sent = sent.filter(|_| left_ns - at_ns < SPAN_NS_MAX);
        if let Some(sent) = &mut sent {
            sent.push((at_ns.midpoint(left_ns), u32::from(sequence) * 160));
        }
        // Never the twenty milliseconds that the timestamps say.
        let pause = Duration::from_micros(500 + u64::from(sequence) * 7919 % 11 * 400);
        while monotonic_ns() < left_ns + pause.as_nanos() as u64 {
            thread::yield_now();
        }
    }
    sent
}

#[test]
fn jitter_is_the_networks_and_not_the_engines() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    let start = Instant::now();
    let sent = loop {
        let sent = send_unevenly(&a);
        for sequence in 0..200 {
            b.hears(&rtp(sequence));
        }
        if let Some(sent) = sent {
            break sent;
        }
        assert!(start.elapsed() < PATIENCE, "this machine is too busy to know when a packet leaves");
        node.set(&a, &b, |_| {});
    };
    let expected = jitter_ns(&sent);
    let statistics = node.statistics(&a);
    let measured = f64::from(statistics.jitter_ns);
    assert_eq!((statistics.packets, statistics.lost), (200, 0));
    assert!((measured / expected - 1.0).abs() < 0.02, "{measured} instead of {expected}");
    assert!(statistics.longest_gap_ns < PATIENCE.as_nanos() as u64, "time never runs backwards");
}
