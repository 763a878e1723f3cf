//! How long packets took, as a histogram.

use std::time::Duration;

use crate::findings::Latencies;

/// Where the first bucket ends, in microseconds; each further one ends at twice as much, and the last one never.
const FIRST_US: u128 = 16;
const BUCKETS: usize = 10;
/// Columns of the longest bar.
const BAR: usize = 40;

/// Some packets, by how long they took.
pub(crate) struct Histogram {
    /// What they are.
    pub(crate) name: &'static str,
    pub(crate) counts: [usize; BUCKETS],
    /// Of all of them: half, and all but a hundredth, took at most so long.
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

impl Histogram {
    /// One of the packets that went straight on, and one of those that went through the mixer.
    pub(crate) fn all(latencies: &Latencies) -> [Self; 2] {
        [Self::of("straight on", &latencies.forwarded), Self::of("through the mixer", &latencies.mixed)]
    }

    fn of(name: &'static str, sorted: &[Duration]) -> Self {
        let mut counts = [0; BUCKETS];
        for took in sorted {
            let doublings = (took.as_micros() / FIRST_US).checked_ilog2().map_or(0, |it| it as usize + 1);
            counts[doublings.min(BUCKETS - 1)] += 1;
        }
        let quantile = |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)));
        let [median, p99] = [50, 99].map(|percent| quantile(percent).copied().unwrap_or_default());
        Self { name, counts, median, p99 }
    }

    /// How many packets there are.
    pub(crate) fn count(&self) -> usize {
        self.counts.iter().sum()
    }

    /// What is in a bucket.
    pub(crate) fn bucket(index: usize) -> String {
        let end = FIRST_US << index;
        if index + 1 == BUCKETS { format!("≥ {} µs", end / 2) } else { format!("< {end} µs") }
    }

    /// The buckets between the first and the last one that have anything, as people read them.
    pub(crate) fn text(&self) -> String {
        let title = format!("{}: {} packets, {}", self.name, self.count(), self.figures());
        let most = self.counts.iter().max().copied().unwrap_or(0).max(1);
        let filled = |index: &usize| self.counts[*index] > 0;
        let first = (0..BUCKETS).find(filled).unwrap_or(0);
        let last = (0..BUCKETS).rfind(filled).unwrap_or(0);
        let bars = (first..=last).map(|index| {
            let count = self.counts[index];
            let bar = "█".repeat((count * BAR).div_ceil(most));
            format!("  {:>9} {count:>6} {bar}", Self::bucket(index))
        });
        std::iter::once(title).chain(bars).collect::<Vec<_>>().join("\n")
    }

    /// Median and 99th percentile.
    pub(crate) fn figures(&self) -> String {
        format!("median {} µs, 99th percentile {} µs", self.median.as_micros(), self.p99.as_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_in_the_first_bucket_that_ends_above_it() {
        let sorted: Vec<_> = [0, 15, 16, 31, 32, 4_095, 4_096, 1_000_000].map(Duration::from_micros).to_vec();
        let histogram = Histogram::of("some", &sorted);
        assert_eq!(histogram.counts, [2, 2, 1, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!([1, 8, 9].map(Histogram::bucket), ["< 32 µs", "< 4096 µs", "≥ 4096 µs"]);
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        let histogram = Histogram::of("some", &sorted);
        assert_eq!([histogram.median, histogram.p99].map(|it| it.as_micros()), [101, 199]);
        assert_eq!(Histogram::of("none", &[]).count(), 0);
    }
}
