//! How many a second.

use std::time::Duration;

use crate::time::Nanos;

/// Lets so many through in a second, and as many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// When the next one may come, were there no second's worth of patience.
    next: Nanos,
}

impl Rate {
    /// One that has let none through.
    pub const fn new() -> Self {
        Self { next: Nanos(0) }
    }

    /// Whether one more may pass at `now`, of `per_second` (at least 1).
    pub fn take(&mut self, now: Nanos, per_second: u32) -> bool {
        let after = self.next.max(now) + Duration::from_secs(1) / per_second.max(1);
        let may = after - now <= Duration::from_secs(1);
        if may {
            self.next = after;
        }
        may
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lets_as_many_through_as_it_should_also_at_once() {
        let mut rate = Rate::new();
        let start = Nanos(5_000_000_000);
        assert_eq!((0..100).filter(|_| rate.take(start, 10)).count(), 10);
        let later = |ms| start + Duration::from_millis(ms);
        assert!(!rate.take(later(99), 10));
        assert!(rate.take(later(100), 10));
        assert!(!rate.take(later(199), 10));
        assert_eq!(
            (0..=1000).filter(|step| rate.take(later(1200 + step), 10)).count(),
            20,
            "ten at once, ten over time"
        );
    }
}
