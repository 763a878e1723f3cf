//! `cargo xtask fuzz`: the fuzz targets of tests/fuzz, each for a bounded time.
//!
//! Inputs worth keeping are in tests/fuzz/seeds, a folder for each target, and those that made one fail once in
//! tests/fuzz/regressions. What a run finds beside them goes below target/, so that a run changes nothing that is under
//! version control.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::command;
use crate::project::{Project, find_program};
use crate::report::{Outcome, Summary};
use crate::setup;

/// Look for inputs that make a fuzz target fail, from another random seed each time.
///
/// What one run finds of interest is where the next one begins, below target/fuzz/corpus. A failure names the input.
#[derive(Args)]
pub(crate) struct Options {
    /// How long each target is run.
    #[arg(long, default_value_t = 60)]
    seconds: u32,

    /// Run only these; all, when none is named.
    targets: Vec<String>,
}

/// How a target is run.
#[derive(Clone, Copy)]
struct Run {
    seconds: u32,
    /// Where chance begins; `None` for anywhere.
    seed: Option<u32>,
}

/// What is part of every test: a run that goes the same way each time, so that it tells the same of the same code.
const CHECK: Run = Run { seconds: 10, seed: Some(1) };

pub(crate) fn run(options: &Options, project: &Project) -> Result<()> {
    setup::prepare(&setup::Need::test(), project)?;
    let mut summary = Summary::new("fuzz");
    each(&mut summary, project, &options.targets, Run { seconds: options.seconds, seed: None });
    summary.finish()
}

/// Every target for a short time, each a line of `summary`.
pub(crate) fn check(summary: &mut Summary, project: &Project) {
    each(summary, project, &[], CHECK);
}

fn each(summary: &mut Summary, project: &Project, wanted: &[String], run: Run) {
    if project.fuzz_manifest().is_none() {
        return;
    }
    if find_program("cargo-fuzz").is_none() {
        summary.not_run("fuzz targets", "cargo-fuzz is not installed: run `cargo xtask setup`");
        return;
    }
    let mut targets = Vec::new();
    summary.step("build of the fuzz targets", || {
        command::run(&mut cargo_fuzz(project, "build"))?;
        let list = command::read(&mut cargo_fuzz_list(project))?;
        targets = list.lines().map(String::from).collect();
        if let Some(unknown) = wanted.iter().find(|name| !targets.contains(name)) {
            bail!("there is no fuzz target {unknown}: take one of {}", targets.join(", "));
        }
        targets.retain(|name| wanted.is_empty() || wanted.contains(name));
        Ok(Outcome::Done)
    });
    for target in targets {
        summary.step(&format!("fuzz {target}"), || fuzz(&target, project, run));
    }
}

fn fuzz(target: &str, project: &Project, Run { seconds, seed }: Run) -> Result<Outcome> {
    let found = project.path("target/fuzz").join(if seed.is_some() { "checked" } else { "corpus" }).join(target);
    if seed.is_some() && found.exists() {
        fs::remove_dir_all(&found).with_context(|| format!("cannot remove {}", found.display()))?;
    }
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let seeds = project.path("tests/fuzz/seeds").join(target);

    let mut fuzz = cargo_fuzz(project, "run");
    fuzz.arg(target).arg(&found);
    fuzz.args(seeds.exists().then_some(&seeds));
    fuzz.arg("--").arg(format!("-max_total_time={seconds}"));
    fuzz.args(seed.map(|seed| format!("-seed={seed}")));
    let output = command::run_quietly(project, &mut fuzz).with_context(|| {
        format!("{target} fails on an input: keep it in tests/fuzz/regressions/{target} and mend the code")
    })?;
    if let Some(line) = last_word(&output) {
        eprintln!("  {line}");
    }
    Ok(Outcome::Done)
}

/// A cargo-fuzz command that compiles. The sanitizer is unstable, so a stable compiler must be told to allow it.
fn cargo_fuzz(project: &Project, verb: &str) -> Command {
    let mut fuzz = project.cargo();
    fuzz.env("RUSTC_BOOTSTRAP", "1").args(["fuzz", verb, "--fuzz-dir"]);
    fuzz.arg(project.path("tests/fuzz"));
    fuzz.arg("--target-dir").arg(project.path("target/fuzz"));
    fuzz
}

fn cargo_fuzz_list(project: &Project) -> Command {
    let mut list = project.cargo();
    list.args(["fuzz", "list", "--fuzz-dir"]).arg(project.path("tests/fuzz"));
    list
}

/// The line in which libFuzzer says how many inputs it tried.
fn last_word(output: &str) -> Option<&str> {
    output.lines().find(|line| line.starts_with("Done "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_inputs_is_found_in_libfuzzers_output() {
        let output = "#2\tINITED cov: 16\n#1720797\tDONE   cov: 16\nDone 1720797 runs in 10 second(s)\n";
        assert_eq!(last_word(output), Some("Done 1720797 runs in 10 second(s)"));
        assert_eq!(last_word(""), None);
    }
}
