//! Taking the numbers: every row once in each round.

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Outcome, Outcomes, Unit};

/// One line of a benchmark.
pub(crate) struct Row {
    /// Its name in every output.
    pub(crate) name: &'static str,
    /// What its numbers count.
    pub(crate) unit: Unit,
    /// The row that its numbers are divided by.
    pub(crate) ratio_to: Option<&'static str>,
    /// What is measured.
    pub(crate) measured: Box<dyn Measured>,
}

/// What a row measures.
pub(crate) trait Measured {
    /// Takes the number once. An error means that the number would have been wrong.
    fn run(&mut self) -> Result<f64>;

    /// Looks at what can be seen only at the end. An error means that some number was wrong.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Takes every row's number `rounds` times, in turn.
pub(crate) fn measure(rows: &mut [Row], rounds: usize) -> Result<Outcomes> {
    let progress = bar(rounds * rows.len())?;
    let mut numbers = vec![Vec::with_capacity(rounds); rows.len()];
    for round in 1..=rounds {
        for (row, numbers) in rows.iter_mut().zip(&mut numbers) {
            progress.set_message(format!("round {round} of {rounds}: {}", row.name));
            numbers.push(row.measured.run().with_context(|| format!("row {}", row.name))?);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let mut outcomes = Vec::new();
    for (row, rounds) in rows.iter_mut().zip(numbers) {
        row.measured.finish().with_context(|| format!("row {}", row.name))?;
        outcomes.push(Outcome { name: row.name, unit: row.unit, rounds, ratio_to: row.ratio_to });
    }
    Ok(Outcomes(outcomes))
}

/// A progress bar on the terminal, if there is one.
pub(crate) fn bar(steps: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
    Ok(ProgressBar::new(steps as u64).with_style(style))
}
