//! Telling the user what happens: steps with their times, and a summary of many.

use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};

/// Says what starts, does it, and says how long it took.
pub(crate) fn step<T>(what: impl Display, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("→ {what}");
    let start = Instant::now();
    let result = work();
    let mark = if result.is_ok() { "✓" } else { "✗" };
    eprintln!("{mark} {what} ({})", Seconds(start.elapsed()));
    result
}

/// An error and its causes, one below the other.
pub(crate) fn causes(error: &Error) -> String {
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    causes.join("\n  because: ")
}

/// Steps that are all tried, whatever becomes of the others, and told together at the end.
pub(crate) struct Summary {
    title: &'static str,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    outcome: Outcome,
    time: Duration,
}

/// What became of a step.
pub(crate) enum Outcome {
    Done,
    /// It could not run here, and why.
    NotRun(String),
    Failed,
}

impl Summary {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, lines: Vec::new() }
    }

    /// Tries one step; its error is shown at once and kept as [`Outcome::Failed`].
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Outcome>) {
        eprintln!("→ {name}");
        let start = Instant::now();
        let outcome = work().unwrap_or_else(|error| {
            eprintln!("{}", causes(&error));
            Outcome::Failed
        });
        let line = Line { name: name.into(), outcome, time: start.elapsed() };
        eprintln!("{line}");
        self.lines.push(line);
    }

    /// Notes a step that cannot even be tried.
    pub(crate) fn not_run(&mut self, name: &str, reason: impl Into<String>) {
        self.lines.push(Line { name: name.into(), outcome: Outcome::NotRun(reason.into()), time: Duration::ZERO });
    }

    /// Prints the table; an error if a step failed.
    pub(crate) fn finish(self) -> Result<()> {
        eprint!("\n{self}");
        let failed = self.failed();
        if !failed.is_empty() {
            bail!("{} failed: {}", self.title, failed.join(", "));
        }
        Ok(())
    }

    fn failed(&self) -> Vec<&str> {
        let failed = |line: &&Line| matches!(line.outcome, Outcome::Failed);
        let lines = self.lines.iter().filter(failed);
        lines.map(|line| line.name.as_str()).collect()
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.title)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, outcome, time } = self;
        let time = Seconds(*time);
        match outcome {
            Outcome::Done => write!(f, "✓ {name} ({time})"),
            Outcome::NotRun(reason) => write!(f, "– {name}: not run: {reason}"),
            Outcome::Failed => write!(f, "✗ {name} ({time}): FAILED"),
        }
    }
}

struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failed_step_does_not_stop_the_next_and_is_named_at_the_end() {
        let mut summary = Summary::new("lint");
        summary.step("first", || Err(anyhow!("out of tune")));
        summary.step("second", || Ok(Outcome::Done));
        summary.not_run("third", "no instrument");
        let error = summary.finish().expect_err("the first step failed");
        assert_eq!(error.to_string(), "lint failed: first");
    }

    #[test]
    fn what_could_not_run_is_told_with_its_reason_and_is_no_failure() {
        let mut summary = Summary::new("lint");
        summary.not_run("advisories", "no network");
        summary.step("format", || Ok(Outcome::Done));
        assert_eq!(summary.to_string(), "lint:\n  – advisories: not run: no network\n  ✓ format (0.0 s)\n");
        assert!(summary.finish().is_ok());
    }

    #[test]
    fn causes_stand_below_the_error() {
        let error = anyhow!("no route").context("cannot call");
        assert_eq!(causes(&error), "cannot call\n  because: no route");
    }
}
