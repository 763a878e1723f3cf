//! Taking the numbers: every row once in each round.

use anyhow::{Context as _, Result, bail};
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

/// A row that can be measured, if nothing is missing for it.
pub(crate) trait Plan {
    /// The row's name.
    fn name(&self) -> &'static str;
    /// Why the row cannot be measured here, if so.
    fn obstacle(&self) -> Option<String>;
}

/// Builds what the `wanted` of `all` rows need; what cannot be measured here is left out, unless it was asked for by name.
pub(crate) fn prepare<P: Plan>(
    all: &[P],
    wanted: &[String],
    mut start: impl FnMut(&P) -> Result<Row>,
) -> Result<Vec<Row>> {
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|plan| plan.name() == name.as_str())) {
        let names: Vec<_> = all.iter().map(Plan::name).collect();
        bail!("there is no row `{unknown}`; the rows are {}", names.join(", "));
    }
    let is_wanted = |plan: &&P| wanted.is_empty() || wanted.iter().any(|name| name == plan.name());
    let mut plans: Vec<_> = all.iter().filter(is_wanted).collect();
    let mut obstacles = Vec::new();
    plans.retain(|plan| {
        let obstacle = plan.obstacle();
        obstacles.extend(obstacle.iter().map(|obstacle| format!("row {} is not measured: {obstacle}", plan.name())));
        obstacle.is_none()
    });
    if !wanted.is_empty() && !obstacles.is_empty() {
        bail!("{}", obstacles.join("; "));
    }
    for obstacle in obstacles {
        eprintln!("{obstacle}");
    }
    let progress = bar(plans.len())?;
    let mut rows = Vec::new();
    for plan in plans {
        progress.set_message(format!("preparing {}", plan.name()));
        rows.push(start(plan).with_context(|| format!("row {}", plan.name()))?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(rows)
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
