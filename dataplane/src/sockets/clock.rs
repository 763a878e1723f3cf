//! When a datagram came.
//!
//! The kernel stamps a datagram when it comes in, long before a busy engine gets to see it, but with
//! `CLOCK_REALTIME`. Both clocks run at the same rate, also while NTP steers it; only a step of the wall clock moves
//! one against the other. So the difference is measured again and again, and changed only when it is seen to have
//! moved: a stream's jitter has no noise of ours in it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::door::monotonic_ns;

/// `CLOCK_MONOTONIC`, and how far `CLOCK_REALTIME` is ahead of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    now_ns: u64,
    ahead_ns: u64,
}

/// A difference below this is how long reading two clocks takes.
const NOISE_NS: u64 = 1_000;

/// A datagram that waited longer than this, or came longer than this after the turn began, was stamped by a wall clock
/// that has been set since.
const AGE_NS_MAX: i64 = 1_000_000_000;
const LEAD_NS_MAX: i64 = 10_000_000;

impl Clock {
    pub(super) fn new() -> Self {
        let (now_ns, realtime_ns, _) = read();
        Self { now_ns, ahead_ns: realtime_ns.wrapping_sub(now_ns) }
    }

    /// Looks at both clocks.
    pub(super) fn look(&mut self) {
        let (now_ns, realtime_ns, took_ns) = read();
        self.observe(now_ns, realtime_ns, took_ns);
    }

    /// When something came that the kernel stamped so.
    pub(super) fn came_at(&self, realtime_ns: Option<u64>) -> u64 {
        let Some(realtime_ns) = realtime_ns else { return self.now_ns };
        let came_ns = realtime_ns.wrapping_sub(self.ahead_ns);
        let age_ns = self.now_ns.wrapping_sub(came_ns) as i64;
        if (-LEAD_NS_MAX..AGE_NS_MAX).contains(&age_ns) { came_ns } else { self.now_ns }
    }

    fn observe(&mut self, now_ns: u64, realtime_ns: u64, took_ns: u64) {
        self.now_ns = now_ns;
        let ahead_ns = realtime_ns.wrapping_sub(now_ns);
        // Somebody else may have run between the two readings: then they say nothing.
        if took_ns < NOISE_NS && (ahead_ns.wrapping_sub(self.ahead_ns) as i64).unsigned_abs() >= NOISE_NS {
            self.ahead_ns = ahead_ns;
        }
    }
}

/// Both clocks, and how long reading took.
fn read() -> (u64, u64, u64) {
    let now_ns = monotonic_ns();
    let realtime_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    (now_ns, realtime_ns, monotonic_ns().wrapping_sub(now_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Clock = Clock { now_ns: 5_000_000_000, ahead_ns: 1_000_000_000_000 };

    #[test]
    fn noise_does_not_move_a_stamp_and_a_step_does() {
        let mut clock = START;
        let stamp = Some(1_005_000_000_000);
        assert_eq!(clock.came_at(stamp), 5_000_000_000);
        clock.observe(5_000_100_000, 1_005_000_100_900, 80);
        assert_eq!(clock.came_at(stamp), 5_000_000_000);
        clock.observe(5_000_200_000, 1_005_700_200_000, 80);
        assert_eq!(clock.came_at(Some(1_005_700_200_000)), 5_000_200_000);
    }

    #[test]
    fn a_reading_that_was_interrupted_says_nothing() {
        let mut clock = START;
        clock.observe(5_000_100_000, 1_005_020_100_000, 20_000_000);
        assert_eq!(clock.came_at(Some(1_005_000_000_000)), 5_000_000_000);
    }

    #[test]
    fn without_a_sane_stamp_it_came_now() {
        assert_eq!(START.came_at(None), START.now_ns);
        assert_eq!(START.came_at(Some(900_000_000_000)), START.now_ns);
        assert_eq!(START.came_at(Some(1_005_000_000_700)), START.now_ns + 700, "since the turn began");
        assert_eq!(START.came_at(Some(1_005_100_000_000)), START.now_ns, "the wall clock was set back");
    }

    #[test]
    fn the_kernels_stamps_are_near() {
        let mut clock = Clock::new();
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        clock.look();
        assert!(clock.came_at(Some(stamp)) <= monotonic_ns());
    }
}
