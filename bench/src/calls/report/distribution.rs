//! A histogram in the numbers that people ask for.

use serde::Serialize;

use crate::calls::tally::Times;

/// Bins of a chart in each power of ten.
const BINS_PER_DECADE: f64 = 20.0;

/// How times are distributed, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(in crate::calls) struct Distribution {
    /// How many there are.
    pub(in crate::calls) count: u64,
    /// The least.
    pub(in crate::calls) min: f64,
    /// Their mean.
    pub(in crate::calls) mean: f64,
    /// Half are not above.
    pub(in crate::calls) p50: f64,
    /// Nine in ten are not above.
    pub(in crate::calls) p90: f64,
    /// 99 in 100 are not above.
    pub(in crate::calls) p99: f64,
    /// 999 in 1,000 are not above.
    pub(in crate::calls) p999: f64,
    /// The most.
    pub(in crate::calls) max: f64,
    /// How many there are between times, on a logarithmic scale; empty ones are left out.
    pub(in crate::calls) bins: Vec<Bin>,
}

/// Times of about the same size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(in crate::calls) struct Bin {
    /// From this one on.
    pub(in crate::calls) from: f64,
    /// Up to this one.
    pub(in crate::calls) to: f64,
    /// How many.
    pub(in crate::calls) count: u64,
}

impl Distribution {
    /// Of a histogram; `None` of an empty one.
    pub(in crate::calls) fn of(times: &Times) -> Option<Self> {
        let at = |quantile| times.quantile_ms(quantile);
        Some(Self {
            count: times.0.len(),
            min: times.0.min() as f64 / 1e3,
            mean: times.0.mean() / 1e3,
            p50: at(0.5)?,
            p90: at(0.9)?,
            p99: at(0.99)?,
            p999: at(0.999)?,
            max: times.0.max() as f64 / 1e3,
            bins: bins(times),
        })
    }
}

fn bins(times: &Times) -> Vec<Bin> {
    let edge = |index: i32| 10_f64.powf(f64::from(index) / BINS_PER_DECADE) / 1e3;
    let mut bins: Vec<(i32, u64)> = Vec::new();
    for value in times.0.iter_recorded() {
        let microseconds = value.value_iterated_to().max(1) as f64;
        let index = (microseconds.log10() * BINS_PER_DECADE).floor() as i32;
        match bins.last_mut().filter(|(last, _)| *last == index) {
            Some((_, count)) => *count += value.count_at_value(),
            None => bins.push((index, value.count_at_value())),
        }
    }
    bins.into_iter().map(|(index, count)| Bin { from: edge(index), to: edge(index + 1), count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_time_is_in_its_bin() {
        let mut times = Times::default();
        assert!(Distribution::of(&times).is_none());
        for ms in 1..=100 {
            times.record(Duration::from_millis(ms));
        }
        let distribution = Distribution::of(&times).unwrap();
        assert!((distribution.p50 - 50.0).abs() < 0.1 && (distribution.max - 100.0).abs() < 0.1, "{distribution:?}");
        assert_eq!(distribution.bins.iter().map(|bin| bin.count).sum::<u64>(), 100);
        let first = distribution.bins[0];
        assert!(first.from <= 1.0 && 1.0 < first.to && first.count == 1, "{first:?}");
    }
}
