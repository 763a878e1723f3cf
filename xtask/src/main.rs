//! `cargo xtask`: the project's build commands. One file per verb.

#![forbid(unsafe_code)]

mod bench;
mod bpf_toolchain;
mod command;
mod demo;
mod ebpf;
mod fuzz;
mod lint;
mod metadata;
mod portal;
mod project;
mod report;
mod setup;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::project::Project;

/// Undertone's build commands. Each does its own set-up: start with `demo` or `test`.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    /// Show the output of apt-get, cargo install and the fuzzers too.
    #[arg(short, long, global = true)]
    verbose: bool,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Setup(setup::Options),
    Ebpf(ebpf::Options),
    Portal(portal::Options),
    Demo(demo::Options),
    Test(test::Options),
    Fuzz(fuzz::Options),
    Lint(lint::Options),
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", report::causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(Cli { verbose, verb }: Cli) -> Result<()> {
    let project = Project::new(verbose)?;
    match verb {
        Verb::Setup(options) => setup::run(&options, &project),
        Verb::Ebpf(options) => ebpf::run(&options, &project),
        Verb::Portal(options) => portal::run(&options, &project),
        Verb::Demo(options) => demo::run(&options, &project),
        Verb::Test(options) => test::run(&options, &project),
        Verb::Fuzz(options) => fuzz::run(&options, &project),
        Verb::Lint(options) => lint::run(&options, &project),
        Verb::Bench(options) => bench::run(&options, &project),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_a_bench_name_is_kept_for_the_bench() {
        let cli = Cli::parse_from(["xtask", "bench", "dataplane", "--json", "out", "--runs", "9"]);
        let Verb::Bench(options) = cli.verb else {
            panic!("parsed as another verb");
        };
        assert_eq!(options.arguments(), ["dataplane", "--json", "out", "--runs", "9"]);
    }

    #[test]
    fn a_test_filter_may_look_like_a_flag() {
        let cli = Cli::parse_from(["xtask", "test", "--no-lint", "latch", "--no-capture"]);
        let Verb::Test(options) = cli.verb else {
            panic!("parsed as another verb");
        };
        assert!(options.no_lint);
        assert_eq!(options.args, ["latch", "--no-capture"]);
    }
}
