//! How evenly a sender's packets come.

/// More than this is not the network, in nanoseconds.
const LATE_NS_MAX: u64 = 40_000_000;
/// A packet that is later than this was not sent when its timestamp says.
const STOPPED_NS: u64 = 200_000_000;
/// A pause beyond this says nothing of the two clocks.
const PAUSE_NS_MAX: u64 = 10_000_000_000;
/// What a packet's time may be.
const SPAN_NS_MAX: u64 = 120_000_000;

/// What is known of when packets come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    last: Option<Last>,
    /// How late they are at most, lately, after the quickest.
    late_ns: u64,
    /// How much sound is in one; 0 where that is not known.
    span_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    /// When it would have come over a quick network.
    due_ns: u64,
}

impl Pace {
    /// A packet has come, with a clock of `hz`. `is_next`: none is missing before it. Gives the moment that the timestamp
    /// stands for: when the packet would have come at the latest.
    pub(super) fn note(&mut self, now_ns: u64, timestamp: u32, hz: u32, is_next: bool) -> u64 {
        let mut due_ns = now_ns;
        if let Some(last) = self.last {
            let ticks = timestamp.wrapping_sub(last.timestamp).cast_signed().max(0).unsigned_abs();
            let passed_ns = u64::from(ticks) * 1_000_000_000 / u64::from(hz);
            if is_next && (1..=SPAN_NS_MAX).contains(&passed_ns) {
                self.span_ns = passed_ns;
            }
            // A little more than the other clock can be slower.
            let expected_ns = last.due_ns + passed_ns + passed_ns / 2048;
            let late_ns = now_ns.saturating_sub(expected_ns);
            if late_ns < STOPPED_NS && passed_ns > 0 && passed_ns < PAUSE_NS_MAX {
                due_ns = expected_ns.min(now_ns);
                self.late_ns = (self.late_ns - self.late_ns / 256).max(late_ns.min(LATE_NS_MAX));
            }
        }
        self.last = Some(Last { timestamp, due_ns });
        due_ns + self.late_ns
    }

    /// How much sound is in a packet, in nanoseconds; `otherwise` where that is not known.
    pub(super) const fn span_ns(&self, otherwise: u64) -> u64 {
        if self.span_ns > 0 { self.span_ns } else { otherwise }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_comes_evenly_stands_for_the_moment_it_comes() {
        let mut pace = Pace::default();
        for number in 0..1_000_u32 {
            let now_ns = u64::from(number) * 30 * MS;
            assert_eq!(pace.note(now_ns, number.wrapping_mul(240).wrapping_sub(9_000), 8_000, true), now_ns);
        }
        assert_eq!(pace.span_ns(0), 30 * MS);
    }

    #[test]
    fn what_comes_unevenly_stands_for_the_moment_of_the_latest() {
        let mut pace = Pace::default();
        for number in 0..1_000_u64 {
            let late_ns = number * 7 % 16 * MS;
            let at_ns = pace.note(number * 20 * MS + late_ns, number as u32 * 160, 8_000, true);
            if number > 20 {
                assert!((at_ns - number * 20 * MS).abs_diff(15 * MS) < MS, "{at_ns}");
            }
        }
    }

    #[test]
    fn a_clock_that_stands_still_is_not_a_slow_network() {
        let mut pace = Pace::default();
        for number in 0..10_u64 {
            let now_ns = number * 20 * MS + if number >= 5 { 3_000 * MS } else { 0 };
            assert_eq!(pace.note(now_ns, number as u32 * 160, 8_000, true), now_ns);
        }
    }
}
