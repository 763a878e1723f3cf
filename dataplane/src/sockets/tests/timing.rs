//! When packets came, as statistics have it.

use undertone_abi::Clock;

use super::*;
use crate::monotonic_ns;

/// A packet that left between two times, with its RTP timestamp.
struct Sent {
    after_ns: f64,
    before_ns: f64,
    timestamp: u32,
}

impl Sent {
    /// How late it left, up to a constant, at the least and at the most.
    fn transit_ns(&self, clock: Clock) -> (f64, f64) {
        let due_ns = f64::from(self.timestamp) * 1e9 / f64::from(clock.hz());
        (self.after_ns - due_ns, self.before_ns - due_ns)
    }
}

/// The least and the greatest that RFC 3550, A.8 can make of packets, in nanoseconds.
fn jitter_ns(sent: &[Sent], clock: Clock) -> (f64, f64) {
    let step = |jitter: f64, by: f64| jitter + (by - jitter) / 16.0;
    sent.windows(2).fold((0.0, 0.0), |(least, greatest), pair| {
        let (first, second) = (pair[0].transit_ns(clock), pair[1].transit_ns(clock));
        let (low, high) = (second.0 - first.1, second.1 - first.0);
        let near = if low <= 0.0 && high >= 0.0 { 0.0 } else { low.abs().min(high.abs()) };
        (step(least, near), step(greatest, low.abs().max(high.abs())))
    })
}

#[test]
fn jitter_is_the_networks_and_not_the_engines() {
    let node = Node::new();
    let (a, b) = node.relay(V4, V4);
    let clock = Clock::Hz48000;
    node.set(&a, &b, |rule| rule.clock = clock);
    let mut sent = Vec::new();
    for sequence in 0..200_u16 {
        let after_ns = monotonic_ns();
        a.say(&rtp(sequence));
        let before_ns = monotonic_ns();
        let timestamp = u32::from(sequence) * 160;
        sent.push(Sent { after_ns: after_ns as f64, before_ns: before_ns as f64, timestamp });
        // Uneven, and on average what the timestamps say.
        let pause_ns = 1_333_333 + u64::from(sequence) * 7919 % 11 * 400_000;
        while monotonic_ns() < after_ns + pause_ns {
            thread::yield_now();
        }
    }
    for sequence in 0..200 {
        b.hears(&rtp(sequence));
    }
    let (least, greatest) = jitter_ns(&sent, clock);
    let statistics = node.statistics(&a);
    let measured = f64::from(statistics.jitter_ns);
    assert_eq!((statistics.packets, statistics.lost), (200, 0));
    assert!(least * 0.97 <= measured && measured <= greatest * 1.03, "{measured} instead of {least} to {greatest}");
    assert!(statistics.longest_gap_ns < PATIENCE.as_nanos() as u64, "time never runs backwards");
}
