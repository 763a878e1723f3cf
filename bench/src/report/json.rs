//! One JSON object a line.

use serde::Serialize;

use crate::report::Outcomes;

#[derive(Serialize)]
struct Line<'a> {
    bench: &'a str,
    row: &'a str,
    unit: &'a str,
    median: f64,
    min: f64,
    max: f64,
    runs: usize,
    ratio_to: Option<&'a str>,
    /// The median of the paired ratios.
    ratio: Option<f64>,
}

/// The rows of the benchmark `bench`, a line each.
pub(crate) fn json_lines(bench: &str, outcomes: &Outcomes) -> serde_json::Result<String> {
    let mut lines = String::new();
    for outcome in &outcomes.0 {
        let spread = outcome.spread();
        let ratio = outcomes.ratio_of(outcome);
        let line = Line {
            bench,
            row: outcome.name,
            unit: outcome.unit.name(),
            median: spread.median,
            min: spread.min,
            max: spread.max,
            runs: outcome.rounds.len(),
            ratio_to: ratio.and(outcome.ratio_to),
            ratio: ratio.map(|ratio| ratio.median),
        };
        lines += &serde_json::to_string(&line)?;
        lines += "\n";
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn each_row_is_an_object_with_the_same_keys() {
        let lines = json_lines("example", &example::outcomes()).unwrap();
        let second = lines.lines().nth(1).unwrap();
        assert_eq!(
            second,
            r#"{"bench":"example","row":"product","unit":"packets/s","median":5600000.0,"min":3000000.0,"max":6000000.0,"runs":3,"ratio_to":"limit","ratio":0.75}"#
        );
        assert!(lines.lines().next().unwrap().ends_with(r#""ratio_to":null,"ratio":null}"#));
    }
}
