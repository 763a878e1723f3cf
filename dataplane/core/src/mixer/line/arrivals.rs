//! When packets came, and what they were for.

/// Arrivals that are remembered: more than come between two reads.
const REMEMBERED: u64 = 8;

/// A packet that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrival {
    /// The number of its first sample.
    pub(super) position: u64,
    pub(super) at_ns: u64,
}

/// The last arrivals.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    last: [Arrival; REMEMBERED as usize],
    count: u64,
}

impl Arrivals {
    pub(super) fn note(&mut self, position: u64, at_ns: u64) {
        if let Some(place) = self.last.get_mut((self.count % REMEMBERED) as usize) {
            *place = Arrival { position, at_ns };
        }
        self.count += 1;
    }

    /// How many there ever were.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Those after the first `count`, as far as they are remembered.
    pub(super) fn since(&self, count: u64) -> impl Iterator<Item = &Arrival> {
        let first = count.max(self.count.saturating_sub(REMEMBERED));
        (first..self.count).filter_map(|number| self.last.get((number % REMEMBERED) as usize))
    }

    pub(super) fn latest(&self) -> Option<&Arrival> {
        self.since(self.count.saturating_sub(1)).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_remembered_in_their_order() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.latest(), None);
        for number in 0..20 {
            arrivals.note(number, number);
        }
        let since = |count| arrivals.since(count).map(|arrival| arrival.position).collect::<Vec<_>>();
        assert_eq!(since(18), [18, 19]);
        assert_eq!(since(0), [12, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(since(20), [0_u64; 0]);
        assert_eq!(arrivals.latest().map(|arrival| arrival.position), Some(19));
    }
}
