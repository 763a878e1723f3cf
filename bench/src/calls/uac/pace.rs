//! When the next call is due.

use std::time::{Duration, Instant};

/// How many calls there are to be.
#[derive(Clone, Copy, Debug)]
pub(in crate::calls) enum Extent {
    /// So many.
    Calls(u64),
    /// As many as fit into this time.
    Time(Duration),
}

/// Calls at a steady rate.
#[derive(Debug)]
pub(in crate::calls) struct Pace {
    interval: Duration,
    extent: Extent,
    start: Instant,
    next: Instant,
    placed: u64,
    stopped: bool,
    held: bool,
}

impl Pace {
    /// `rate` calls a second from `start` on.
    pub(in crate::calls) fn new(rate: f64, extent: Extent, start: Instant) -> Self {
        let interval = Duration::from_secs_f64(1.0 / rate);
        Self { interval, extent, start, next: start, placed: 0, stopped: false, held: false }
    }

    /// Whether no more calls are to come.
    pub(in crate::calls) fn is_over(&self) -> bool {
        self.stopped
            || match self.extent {
                Extent::Calls(calls) => self.placed >= calls,
                // An interval is not always a whole number of nanoseconds.
                Extent::Time(time) => self.next + self.interval / 1000 >= self.start + time,
            }
    }

    /// Lets no more calls come.
    pub(in crate::calls) fn stop(&mut self) {
        self.stopped = true;
    }

    /// When the next call is due; `None` when none is.
    pub(in crate::calls) fn deadline(&self) -> Option<Instant> {
        (!self.is_over() && !self.held).then_some(self.next)
    }

    /// Takes the next call if it is due and there is room for it. True once a call that is due finds no room.
    pub(in crate::calls) fn take(&mut self, now: Instant, has_room: bool) -> Due {
        if self.is_over() || now < self.next {
            return Due::Not;
        }
        if !has_room {
            return if std::mem::replace(&mut self.held, true) { Due::Not } else { Due::Held };
        }
        if std::mem::take(&mut self.held) {
            // What could not be placed is not made up for: the rate is what was asked for at most.
            self.next = now;
        }
        self.next += self.interval;
        self.placed += 1;
        Due::Now
    }
}

/// Whether a call is to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calls) enum Due {
    /// Now.
    Now,
    /// It would be time, but there are enough: told once.
    Held,
    /// Not yet, or not any more.
    Not,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_turns_are_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0, Extent::Calls(4), start);
        let now = start + Duration::from_millis(250);
        let due: Vec<_> = (0..4).map(|_| pace.take(now, true)).collect();
        assert_eq!(due, [Due::Now, Due::Now, Due::Now, Due::Not]);
        assert_eq!(pace.deadline(), Some(start + Duration::from_millis(300)));
        assert_eq!(pace.take(start + Duration::from_millis(300), true), Due::Now);
        assert!(pace.is_over() && pace.deadline().is_none());
    }

    #[test]
    fn a_time_has_room_for_its_calls() {
        let start = Instant::now();
        let mut pace = Pace::new(30.0, Extent::Time(Duration::from_secs(6)), start);
        let placed = std::iter::repeat_with(|| pace.take(start + Duration::from_secs(6), true));
        assert_eq!(placed.take_while(|due| *due == Due::Now).count(), 180);
    }

    #[test]
    fn what_is_held_back_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0, Extent::Time(Duration::from_secs(10)), start);
        assert_eq!([pace.take(start, false), pace.take(start, false)], [Due::Held, Due::Not]);
        assert_eq!(pace.deadline(), None);
        let later = start + Duration::from_secs(5);
        assert_eq!([pace.take(later, true), pace.take(later, true)], [Due::Now, Due::Not]);
        assert!(!pace.is_over());
    }
}
