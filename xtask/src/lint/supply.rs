//! What we depend on: its licences, where it comes from, what is known against it. By cargo-deny.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::{self, Failure};
use crate::project::{Project, find_program};
use crate::report::Outcome;

/// Licences, banned crates and sources, for the workspace and for ebpf/.
pub(super) fn licences(project: &Project) -> Result<Outcome> {
    check(project, &["licenses", "bans", "sources"], |failure| Err(failure.into()))
}

/// Known vulnerabilities. The database comes from the network, and not every machine may reach it.
pub(super) fn advisories(project: &Project) -> Result<Outcome> {
    check(project, &["advisories"], |failure| {
        if is_unreachable_database(&failure.output) {
            return Ok(Outcome::NotRun("the advisory database cannot be fetched from here".into()));
        }
        Err(failure.into())
    })
}

fn check(project: &Project, checks: &[&str], judge: impl Fn(Failure) -> Result<Outcome>) -> Result<Outcome> {
    if find_program("cargo-deny").is_none() {
        return Ok(Outcome::NotRun("cargo-deny is not installed: `cargo install --locked cargo-deny`".into()));
    }
    for manifest in project.manifests() {
        if let Err(failure) = command::read(&mut deny(project, &manifest, checks)) {
            return judge(failure);
        }
    }
    Ok(Outcome::Done)
}

fn deny(project: &Project, manifest: &Path, checks: &[&str]) -> Command {
    let mut deny = project.cargo();
    deny.args(["deny", "--color=never", "--manifest-path"])
        .arg(manifest)
        .arg("--config")
        .arg(project.path("deny.toml"))
        .arg("check")
        .args(checks);
    deny
}

fn is_unreachable_database(output: &str) -> bool {
    output.contains("failed to fetch advisory database")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_database_is_told_from_a_vulnerable_crate() {
        assert!(is_unreachable_database(
            "[ERROR] failed to fetch advisory database https://example.org/db with cli: failed to clone"
        ));
        assert!(!is_unreachable_database("error[vulnerability]: buffer overflow in tuba"));
    }
}
