//! `cargo xtask lint`: everything that is checked without running the product.

mod arrows;
mod doors;
mod supply;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::command;
use crate::ebpf;
use crate::metadata;
use crate::portal;
use crate::project::{Project, has_component};
use crate::report::{Outcome, Summary};

/// Check format, clippy, docs, crate arrows, unsafe doors, licences and advisories.
///
/// All checks are tried; the summary names those that failed and those that could not run here.
#[derive(Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options, project: &Project) -> Result<()> {
    let mut summary = Summary::new("lint");
    if let Some(missing) = ebpf::build_if_possible(project)? {
        summary.not_run("XDP programs", missing);
    }
    if let Some(missing) = portal::build_if_possible(project)? {
        summary.not_run("the portal's page", missing);
    }
    check(&mut summary, project);
    summary.finish()
}

/// All checks, each a line of `summary`. The data plane's build must find the eBPF objects it is to embed.
pub(crate) fn check(summary: &mut Summary, project: &Project) {
    summary.step("format", || format(project));
    summary.step("clippy", || clippy(project));
    // Debian's eBPF compiler has no clippy, and the host's has no `core` for that target: checked as if for the host.
    summary.step("clippy of ebpf/", || clippy_beside(project, project.ebpf_manifest(), "ebpf-clippy"));
    summary.step("clippy of tests/fuzz/", || clippy_beside(project, project.fuzz_manifest(), "fuzz-clippy"));
    summary.step("docs", || docs(project));
    summary.step("crate arrows", || arrows::check(&metadata::all_packages(project)?).map(|()| Outcome::Done));
    summary.step("unsafe doors", || doors::check(&metadata::all_packages(project)?).map(|()| Outcome::Done));
    summary.step("licences, bans and sources", || supply::licences(project));
    summary.step("advisories", || supply::advisories(project));
}

fn format(project: &Project) -> Result<Outcome> {
    if !has_component("cargo-fmt") {
        return Ok(Outcome::NotRun("rustfmt is not installed: `rustup component add rustfmt`".into()));
    }
    for manifest in project.manifests() {
        let shown = manifest.strip_prefix(&project.root).unwrap_or(&manifest);
        let mut fmt = project.cargo();
        fmt.args(["fmt", "--all", "--check", "--manifest-path"]).arg(&manifest);
        command::run(&mut fmt).with_context(|| format!("run `cargo fmt --all --manifest-path {}`", shown.display()))?;
    }
    Ok(Outcome::Done)
}

fn clippy(project: &Project) -> Result<Outcome> {
    if let Some(missing) = missing_clippy() {
        return Ok(missing);
    }
    let mut clippy = project.cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    command::run(&mut clippy).map(|()| Outcome::Done)
}

/// Checks a crate that is no member of the workspace, in a target folder of its own. Optimised, because only that
/// profile of the eBPF crate aborts on panic, which it relies on.
fn clippy_beside(project: &Project, manifest: Option<PathBuf>, folder: &str) -> Result<Outcome> {
    let Some(manifest) = manifest else { return Ok(Outcome::NotRun("it is not there".into())) };
    if let Some(missing) = missing_clippy() {
        return Ok(missing);
    }
    let mut clippy = project.cargo();
    clippy
        .args(["clippy", "--release", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(project.path("target").join(folder))
        .args(["--", "-D", "warnings"]);
    command::run(&mut clippy).map(|()| Outcome::Done)
}

fn missing_clippy() -> Option<Outcome> {
    (!has_component("cargo-clippy"))
        .then(|| Outcome::NotRun("clippy is not installed: `rustup component add clippy`".into()))
}

fn docs(project: &Project) -> Result<Outcome> {
    let mut doc = project.cargo();
    doc.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    command::run(&mut doc).map(|()| Outcome::Done)
}
