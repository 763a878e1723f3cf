//! The fuzz targets of tests/fuzz, each for a bounded time.
//!
//! Inputs worth keeping are in tests/fuzz/seeds, a folder for each target, and those that made one fail once in
//! tests/fuzz/regressions. What a run finds beside them goes below target/, so that a run changes nothing that is under
//! version control.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command;
use crate::project::{Project, find_program};
use crate::report::{Outcome, Summary};

/// How long each target looks for a crash.
const SECONDS: u32 = 10;

pub(super) fn run(summary: &mut Summary, project: &Project) {
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
        Ok(Outcome::Done)
    });
    for target in targets {
        summary.step(&format!("fuzz {target}"), || fuzz(&target, project));
    }
}

fn fuzz(target: &str, project: &Project) -> Result<Outcome> {
    let found = project.path("target/fuzz/corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let seeds = project.path("tests/fuzz/seeds").join(target);

    let mut run = cargo_fuzz(project, "run");
    run.arg(target).arg(&found);
    run.args(seeds.exists().then_some(&seeds));
    run.arg("--").arg(format!("-max_total_time={SECONDS}"));
    let output = command::run_quietly(project, &mut run).with_context(|| {
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
