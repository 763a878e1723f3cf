//! Taking the numbers: every row once in each round.

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Outcome, Outcomes, Unit};

/// One line of a benchmark.
pub(crate) trait Row {
    /// Its name in every output.
    fn name(&self) -> &'static str;

    /// What its numbers count.
    fn unit(&self) -> Unit;

    /// The row that its numbers are divided by.
    fn ratio_to(&self) -> Option<&'static str>;

    /// Takes the number once. An error means that the number would have been wrong.
    fn run(&mut self) -> Result<f64>;

    /// Looks at what can be seen only at the end. An error means that some number was wrong.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Takes every row's number `rounds` times, in turn.
pub(crate) fn measure(rows: &mut [Box<dyn Row>], rounds: usize) -> Result<Outcomes> {
    let progress = bar(rounds * rows.len())?;
    let mut numbers = vec![Vec::with_capacity(rounds); rows.len()];
    for round in 1..=rounds {
        for (row, numbers) in rows.iter_mut().zip(&mut numbers) {
            progress.set_message(format!("round {round} of {rounds}: {}", row.name()));
            numbers.push(row.run().with_context(|| format!("row {}", row.name()))?);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let mut outcomes = Vec::new();
    for (row, rounds) in rows.iter_mut().zip(numbers) {
        row.finish().with_context(|| format!("row {}", row.name()))?;
        outcomes.push(Outcome { name: row.name(), unit: row.unit(), rounds, ratio_to: row.ratio_to() });
    }
    Ok(Outcomes(outcomes))
}

/// A progress bar on the terminal, if there is one.
pub(crate) fn bar(steps: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
    Ok(ProgressBar::new(steps as u64).with_style(style))
}
