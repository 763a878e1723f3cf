//! `cargo xtask portal`: builds the supervisors' page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::command;
use crate::project::{Project, find_program};
use crate::report::step;

/// What the page is made of, below `control/portal`.
const SOURCES: [&str; 7] =
    ["index.html", "package.json", "package-lock.json", "public", "src", "tsconfig.json", "vite.config.ts"];

/// Build the supervisors' page into target/portal/, and test its parts.
///
/// The daemon's build embeds the page, so run this after a change in control/portal/ and before `cargo build`. `demo`, `test` and
/// `bench` do it by themselves.
#[derive(Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options, project: &Project) -> Result<()> {
    build(project)
}

/// Builds the page if there is something to build it with. Where there is nothing, returns why.
///
/// The daemon then builds without a page, and says so to whoever asks for it.
pub(crate) fn build_if_possible(project: &Project) -> Result<Option<String>> {
    if find_program("npm").is_none() {
        return Ok(Some("there is no npm; run `cargo xtask setup` as root".into()));
    }
    build(project).map(|()| None)
}

fn build(project: &Project) -> Result<()> {
    let (source, page) = (project.root.join("control/portal"), project.root.join("target/portal"));
    if is_fresh(&source, &page)? {
        return Ok(());
    }
    step("portal, by Vite", || {
        npm(project, &source, &["ci", "--no-audit", "--no-fund"])?;
        npm(project, &source, &["run", "check"])?;
        npm(project, &source, &["test"])?;
        npm(project, &source, &["run", "build", "--", "--outDir", "../../target/portal", "--emptyOutDir"])
    })
}

fn npm(project: &Project, folder: &Path, arguments: &[&str]) -> Result<()> {
    command::run_quietly(project, Command::new("npm").current_dir(folder).args(arguments))?;
    Ok(())
}

/// Whether the page is younger than all that it is made of.
fn is_fresh(source: &Path, page: &Path) -> Result<bool> {
    let Ok(built) = fs::metadata(page.join("index.html")).and_then(|document| document.modified()) else {
        return Ok(false);
    };
    let mut newest = SystemTime::UNIX_EPOCH;
    for name in SOURCES {
        newest = newest.max(newest_in(source.join(name)).with_context(|| format!("control/portal/{name}"))?);
    }
    Ok(newest < built)
}

fn newest_in(path: PathBuf) -> Result<SystemTime> {
    let about = fs::metadata(&path)?;
    let mut newest = about.modified()?;
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            newest = newest.max(newest_in(entry?.path())?);
        }
    }
    Ok(newest)
}
