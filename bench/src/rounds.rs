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
    /// The row that its numbers are divided by.
    fn ratio_to(&self) -> Option<&'static str>;
    /// Why the row cannot be measured here, if so.
    fn obstacle(&self) -> Option<String>;
}

/// Builds what the `wanted` of `all` rows need; what cannot be measured here is left out, unless it was asked for by name.
pub(crate) fn prepare<P: Plan>(
    all: &[P],
    wanted: &[String],
    mut start: impl FnMut(&P) -> Result<(Unit, Box<dyn Measured>)>,
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
        let (unit, measured) = start(plan).with_context(|| format!("row {}", plan.name()))?;
        rows.push(Row { name: plan.name(), unit, ratio_to: plan.ratio_to(), measured });
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(rows)
}

/// Rows that failed, and why.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<String>);

impl Failures {
    /// An error that tells them all, when the rest has been told.
    pub(crate) fn check(self) -> Result<()> {
        if !self.0.is_empty() {
            bail!("rows are missing:\n{}", self.0.join("\n"));
        }
        Ok(())
    }
}

/// Takes every row's number `rounds` times, in turn. A row that fails once is left out from then on: the others' numbers are as
/// good without it.
pub(crate) fn measure(rows: &mut [Row], rounds: usize) -> Result<(Outcomes, Failures)> {
    let progress = bar(rounds * rows.len())?;
    let mut numbers: Vec<_> = rows.iter().map(|_| Ok(Vec::with_capacity(rounds))).collect();
    for round in 1..=rounds {
        for (row, numbers) in rows.iter_mut().zip(&mut numbers) {
            progress.set_message(format!("round {round} of {rounds}: {}", row.name));
            if let Ok(taken) = numbers {
                match row.measured.run() {
                    Ok(number) => taken.push(number),
                    Err(error) => *numbers = Err(error.context(format!("round {round}"))),
                }
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let (mut outcomes, mut failures) = (Vec::new(), Failures::default());
    for (row, numbers) in rows.iter_mut().zip(numbers) {
        match numbers.and_then(|numbers| row.measured.finish().map(|()| numbers)) {
            Ok(rounds) => outcomes.push(Outcome { name: row.name, unit: row.unit, rounds, ratio_to: row.ratio_to }),
            Err(error) => failures.0.push(format!("{}: {error:#}", row.name)),
        }
    }
    Ok((Outcomes(outcomes), failures))
}

/// A search for the highest number that can be carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// What it begins with where there is no guess.
    pub(crate) first: f64,
    /// What it goes up to.
    pub(crate) most: f64,
    /// It ends when what was carried and what was not are as close as this.
    pub(crate) close: f64,
}

impl Search {
    /// The highest number that `carries` says yes to, if there is one: by strides up or down, then by bisection. `near` is
    /// a guess.
    pub(crate) fn highest(
        self,
        near: Option<f64>,
        mut carries: impl FnMut(f64) -> Result<bool>,
    ) -> Result<Option<f64>> {
        let (least, most) = (1.0, self.most);
        let (mut number, mut step) = near.map_or((self.first, 2.0), |near| (near, 1.2));
        let (mut carried, mut refused) = (None, None);
        while carried.is_none() || refused.is_none() && number <= most {
            if number < least {
                return Ok(None);
            }
            if carries(number)? {
                carried = Some(number);
                number *= step;
            } else {
                refused = Some(number);
                number /= step;
            }
            // A guess that was far off is left behind with ever longer strides.
            step = (step * step).min(2.0);
        }
        let (mut carried, mut refused) = (carried.unwrap_or(least), refused.unwrap_or(most));
        while refused / carried > self.close {
            let number = (carried * refused).sqrt();
            if carries(number)? {
                carried = number;
            } else {
                refused = number;
            }
        }
        Ok(Some(carried))
    }
}

/// A progress bar on the terminal, if there is one.
pub(crate) fn bar(steps: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
    Ok(ProgressBar::new(steps as u64).with_style(style))
}

/// Ratios are taken within a round: of two rows, the one that the other is divided by stands first.
#[cfg(test)]
pub(crate) fn assert_every_ratio_is_to_a_row_before<P: Plan>(all: &[P]) {
    for (index, plan) in all.iter().enumerate() {
        let (name, earlier) = (plan.name(), &all[..index]);
        if let Some(to) = plan.ratio_to() {
            assert!(earlier.iter().any(|plan| plan.name() == to), "{name} is divided by {to}, which is not before it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives numbers until there are no more, and fails then.
    struct Numbers(Vec<f64>);

    impl Measured for Numbers {
        fn run(&mut self) -> Result<f64> {
            self.0.pop().context("no packet came")
        }
    }

    #[test]
    fn a_row_that_fails_takes_no_other_with_it() {
        let row = |name, numbers: &[f64]| Row {
            name,
            unit: Unit::Nanoseconds,
            ratio_to: None,
            measured: Box::new(Numbers(numbers.to_vec())),
        };
        let mut rows = [row("bad", &[1.0]), row("good", &[2.0, 3.0])];
        let (outcomes, failures) = measure(&mut rows, 2).expect("a progress bar");
        let told: Vec<_> = outcomes.0.iter().map(|outcome| (outcome.name, outcome.rounds.as_slice())).collect();
        assert_eq!(told, [("good", &[3.0, 2.0][..])]);
        let error = failures.check().expect_err("one row failed");
        assert_eq!(error.to_string(), "rows are missing:\nbad: round 2: no packet came");
        Failures::default().check().expect("none failed");
    }

    #[test]
    fn the_highest_number_is_found_from_any_start() {
        let search = Search { first: 500.0, most: 16_000.0, close: 1.07 };
        for limit in [3.0, 480.0, 777.0, 2_345.0, 9_000.0, 50_000.0] {
            for near in [None, Some(300.0), Some(3_000.0)] {
                let mut tries = 0;
                let found = search.highest(near, |number| {
                    tries += 1;
                    Ok(number <= limit)
                });
                let (found, wanted) = (found.expect("no error").expect("a number"), limit.min(search.most));
                assert!(found <= limit && found * search.close * 2.0 >= wanted, "{found} of {limit} from {near:?}");
                assert!(limit > search.most || found * search.close >= limit, "{found} of {limit} from {near:?}");
                assert!(tries < 40, "{tries} tries for {limit} from {near:?}");
            }
        }
        assert_eq!(search.highest(None, |_| Ok(false)).expect("no error"), None);
    }
}
