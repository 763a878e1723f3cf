//! How much of a core's time is somebody else's: a hypervisor's, or the firmware's.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// A step of an empty loop takes some ten nanoseconds. One that takes longer than this did not run.
const STEP_MAX: Duration = Duration::from_micros(100);

/// What an empty loop has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standstill {
    lasted: Duration,
    stood: Duration,
    longest: Duration,
}

impl Standstill {
    /// Looks at the calling thread's core for so long.
    pub(crate) fn look(duration: Duration) -> Self {
        let start = Instant::now();
        let times = std::iter::repeat_with(|| start.elapsed());
        Self::of(times.take_while(|at| *at < duration))
    }

    fn of(times: impl Iterator<Item = Duration>) -> Self {
        times.fold(Self::default(), |seen, at| {
            let step = at.saturating_sub(seen.lasted);
            let stood = if step > STEP_MAX { step } else { Duration::ZERO };
            Self { lasted: at, stood: seen.stood + stood, longest: seen.longest.max(stood) }
        })
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.stood.as_secs_f64() / self.lasted.as_secs_f64().max(f64::MIN_POSITIVE);
        write!(
            f,
            "an empty loop on this core stood still for {:.2} % of its time, {:.1} ms at the longest: whoever measures \
             delays finds that in them",
            part * 100.0,
            self.longest.as_secs_f64() * 1e3
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_take_too_long_are_added_up() {
        let times = [0, 50, 90, 1_090, 1_100, 3_100, 10_000].map(Duration::from_micros);
        let seen = Standstill::of(times.into_iter());
        assert_eq!(seen.stood, Duration::from_micros(1_000 + 2_000 + 6_900));
        assert_eq!(seen.longest, Duration::from_micros(6_900));
        assert_eq!(
            seen.to_string(),
            "an empty loop on this core stood still for 99.00 % of its time, 6.9 ms at the longest: whoever measures \
             delays finds that in them"
        );
    }
}
