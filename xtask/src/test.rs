//! `cargo xtask test`: every check and every test.

use std::env;
use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::command;
use crate::ebpf;
use crate::fuzz;
use crate::lint;
use crate::portal;
use crate::project::{Project, find_program, is_root};
use crate::report::{Outcome, Summary};
use crate::setup;

/// The part of a test's path that says it needs root: `mod privileged`.
const PRIVILEGED: &str = "privileged::";
/// Where tests have their files, unless `TMPDIR` says otherwise. A disk that is busy, as behind a build, makes each
/// transaction of a daemon's wait for seconds.
const MEMORY: &str = "/dev/shm";

/// Run the lints and every test: unit, property, integration, documentation, fuzz targets for a bounded time.
///
/// Installs what is missing first. Without root, the tests below a `mod privileged`, which load XDP programs and build
/// networks, are left out, and that is said.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave the lints out.
    #[arg(long)]
    pub(crate) no_lint: bool,

    /// Run only these tests, by nextest (or `cargo test`): no lints, no documentation tests, no fuzz targets.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}

pub(crate) fn run(options: &Options, project: &Project) -> Result<()> {
    setup::prepare(&setup::Need::test(), project)?;
    let mut summary = Summary::new("test");
    if let Some(missing) = ebpf::build_if_possible(project)? {
        summary.not_run("XDP programs", missing);
    }
    if let Some(missing) = portal::build_if_possible(project)? {
        summary.not_run("the portal's page", missing);
    }
    if !options.args.is_empty() {
        summary.step("programs", || programs(project));
        summary.step("tests", || tests(project, &options.args));
        return summary.finish();
    }
    if !options.no_lint {
        lint::check(&mut summary, project);
    }
    summary.step("documentation tests", || {
        command::run(project.cargo().args(["test", "--workspace", "--doc"])).map(|()| Outcome::Done)
    });
    fuzz::check(&mut summary, project);
    summary.step("programs", || programs(project));
    summary.step("tests", || tests(project, &[]));
    if !is_root() {
        summary.not_run("privileged tests", "they need root: XDP in the kernel, networks of namespaces");
    }
    summary.finish()
}

/// The programs that integration tests run.
fn programs(project: &Project) -> Result<Outcome> {
    command::run(project.cargo().args(["build", "--workspace", "--bins"])).map(|()| Outcome::Done)
}

/// Unit and integration tests: by nextest, which runs each in its own process, where it is installed.
///
/// Tests that are asked for by `args` run with or without root: one that needs it fails and says so.
fn tests(project: &Project, args: &[String]) -> Result<Outcome> {
    let leave_privileged_out = args.is_empty() && !is_root();
    let mut tests = project.cargo();
    if find_program("cargo-nextest").is_some() {
        tests.args(["nextest", "run", "--workspace", "--no-fail-fast"]).args(args);
        if leave_privileged_out {
            tests.args(["--filterset", &format!("not test({PRIVILEGED})")]);
        }
    } else {
        tests.args(["test", "--workspace", "--lib", "--bins", "--tests"]).args(args);
        if leave_privileged_out {
            tests.args(["--", "--skip", PRIVILEGED]);
        }
    }
    if env::var_os("TMPDIR").is_none() && Path::new(MEMORY).is_dir() {
        tests.env("TMPDIR", MEMORY);
    }
    command::run(&mut tests).map(|()| Outcome::Done)
}
