//! What came out, and its forms: a table, JSON lines and a chart.

mod chart;
mod json;
mod spread;
mod table;
mod target;

pub(crate) use chart::chart;
pub(crate) use json::json_lines;
pub(crate) use spread::Spread;
pub(crate) use table::table;
pub(crate) use target::{Target, Verdict};

/// What a row's numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Packets through one core; more is better.
    PacketsPerSecond,
    /// Nanoseconds for one of something; less is better.
    Nanoseconds,
    /// Microseconds for one of something; less is better.
    Microseconds,
    /// Milliseconds; less is better.
    Milliseconds,
    /// Calls set up in a second; more is better.
    CallsPerSecond,
    /// Mebibytes; less is better.
    Mebibytes,
    /// Sessions at once; more is better.
    Sessions,
    /// One thing divided by another; less is better.
    Ratio,
    /// Allocations for one packet; less is better.
    Allocations,
}

impl Unit {
    /// Its name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PacketsPerSecond => "packets/s",
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::CallsPerSecond => "calls/s",
            Self::Mebibytes => "MiB",
            Self::Sessions => "sessions",
            Self::Ratio => "ratio",
            Self::Allocations => "allocations/packet",
        }
    }

    /// A number of this unit for people: three digits that count.
    pub(crate) fn show(self, number: f64) -> String {
        match self {
            Self::PacketsPerSecond if number < 999_500.0 => format!("{:.0} kpps", number / 1e3),
            Self::PacketsPerSecond => format!("{:.2} Mpps", number / 1e6),
            Self::Nanoseconds => format!("{number:.0} ns"),
            Self::Microseconds => format!("{number:.0} µs"),
            Self::Milliseconds => format!("{number:.2} ms"),
            Self::CallsPerSecond => format!("{number:.0} calls/s"),
            Self::Mebibytes => format!("{number:.1} MiB"),
            Self::Sessions => format!("{number:.0} sessions"),
            Self::Ratio => format!("{number:.2}"),
            Self::Allocations => format!("{number:.6}"),
        }
    }
}

/// One row's numbers.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The row.
    pub(crate) name: &'static str,
    /// What the numbers count.
    pub(crate) unit: Unit,
    /// One number of each round.
    pub(crate) rounds: Vec<f64>,
    /// The row that they are divided by.
    pub(crate) ratio_to: Option<&'static str>,
}

impl Outcome {
    /// The numbers' median and extremes.
    pub(crate) fn spread(&self) -> Spread {
        Spread::of(self.rounds.iter().copied())
    }
}

/// All rows of a benchmark.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes(pub(crate) Vec<Outcome>);

impl Outcomes {
    /// The row `name`, if it was measured.
    pub(crate) fn row(&self, name: &str) -> Option<&Outcome> {
        self.0.iter().find(|outcome| outcome.name == name)
    }

    /// Row `name` divided by row `by`, round by round.
    pub(crate) fn ratio(&self, name: &str, by: &str) -> Option<Spread> {
        let (above, below) = (self.row(name)?, self.row(by)?);
        Some(Spread::of(above.rounds.iter().zip(&below.rounds).map(|(above, below)| above / below)))
    }

    /// A row divided by the one it is compared with.
    pub(crate) fn ratio_of(&self, outcome: &Outcome) -> Option<Spread> {
        self.ratio(outcome.name, outcome.ratio_to?)
    }
}

#[cfg(test)]
pub(crate) mod example {
    use super::{Outcome, Outcomes, Unit};

    /// Two rows of three rounds, of which the second round was disturbed, and one in another unit.
    pub(crate) fn outcomes() -> Outcomes {
        let row = |name, unit, rounds: [f64; 3], ratio_to| Outcome { name, unit, rounds: rounds.to_vec(), ratio_to };
        Outcomes(vec![
            row("limit", Unit::PacketsPerSecond, [8e6, 4e6, 8e6], None),
            row("product", Unit::PacketsPerSecond, [6e6, 3e6, 5.6e6], Some("limit")),
            row("write", Unit::Nanoseconds, [120.0, 130.0, 110.0], None),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let outcomes = example::outcomes();
        let ratio = outcomes.ratio("product", "limit").unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (0.75, 0.7, 0.75));
        assert!(outcomes.ratio("product", "nothing").is_none());
    }

    #[test]
    fn numbers_are_shown_with_a_fitting_scale() {
        assert_eq!(Unit::PacketsPerSecond.show(7_654_321.0), "7.65 Mpps");
        assert_eq!(Unit::PacketsPerSecond.show(312_345.0), "312 kpps");
        assert_eq!(Unit::Nanoseconds.show(123.4), "123 ns");
        assert_eq!(Unit::Milliseconds.show(0.456), "0.46 ms");
    }
}
