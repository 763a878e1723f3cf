//! Debian's packages.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::{self, Failure};
use crate::project::Project;
use crate::report::step;

/// apt-get, which reads the archive's lists again before it is first used, and only then.
pub(super) struct Apt<'a> {
    project: &'a Project,
    lists_are_fresh: bool,
}

impl<'a> Apt<'a> {
    pub(super) fn new(project: &'a Project) -> Self {
        Self { project, lists_are_fresh: false }
    }

    /// Installs or upgrades `packages`. Never removes one to make place.
    pub(super) fn install(&mut self, packages: &[&str]) -> Result<()> {
        self.refresh();
        let names = packages.join(" ");
        step(format!("apt-get install {names}"), || {
            let mut install = apt_get("install");
            install.args(["--yes", "--no-install-recommends", "--no-remove"]);
            install.args(packages);
            command::run_quietly(self.project, &mut install)
                .map(drop)
                .map_err(explain)
                .with_context(|| format!("could not install {names}"))
        })
    }

    /// Whether the archive has `package`.
    pub(super) fn offers(&mut self, package: &str) -> bool {
        self.refresh();
        let mut show = Command::new("apt-cache");
        show.args(["show", "--quiet=2", "--no-all-versions", package]);
        command::read(&mut show).is_ok_and(|found| !found.is_empty())
    }

    fn refresh(&mut self) {
        if self.lists_are_fresh {
            return;
        }
        self.lists_are_fresh = true;
        let updated = step("apt-get update", || Ok(command::run_quietly(self.project, &mut apt_get("update"))?));
        if let Err(error) = updated {
            // One unreachable archive among many does not matter if the others have what is wanted.
            eprintln!("warning: {error}\n  going on with the package lists that are there");
        }
    }
}

fn apt_get(verb: &str) -> Command {
    let mut apt_get = Command::new("apt-get");
    apt_get
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Its messages are searched for causes.
        .env("LC_ALL", "C")
        .args(["-o", "DPkg::Lock::Timeout=300", verb]);
    apt_get
}

/// Adds the likely cause and the way out.
fn explain(failure: Failure) -> anyhow::Error {
    let way_out = way_out(&failure.output);
    match way_out {
        Some(way_out) => anyhow::Error::from(failure).context(way_out),
        None => failure.into(),
    }
}

fn way_out(output: &str) -> Option<&'static str> {
    const CAUSES: [(&str, &str); 7] = [
        (
            "Unable to locate package",
            "this machine's archives lack a package: add Debian's main and security archives to the apt sources",
        ),
        (
            "has no installation candidate",
            "this machine's archives lack a package: add Debian's main and security archives to the apt sources",
        ),
        (
            "Packages need to be removed",
            "another package is in the way and is not removed without being asked: remove it by hand",
        ),
        ("Could not get lock", "another package manager is at work: wait until it is done and run this again"),
        ("Temporary failure resolving", "the archive's name is not resolved: check this machine's network and DNS"),
        ("No space left on device", "the disk is full: make room, then run this again"),
        ("Failed to fetch", "the archive does not answer: check this machine's network, proxy and apt sources"),
    ];
    CAUSES.iter().find(|(sign, _)| output.contains(sign)).map(|(_, way_out)| *way_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_cause_comes_with_its_way_out() {
        let lacks = way_out("Reading package lists...\nE: Unable to locate package rustc-web\n");
        assert!(lacks.is_some_and(|way_out| way_out.contains("apt sources")));
        let conflict = way_out("E: Packages need to be removed but remove is disabled.");
        assert!(conflict.is_some_and(|way_out| way_out.contains("by hand")));
    }

    #[test]
    fn the_network_is_named_before_the_fetch_that_it_broke() {
        let output = "Err:1 http://archive bookworm InRelease\n  Temporary failure resolving 'archive'\n\
                      E: Failed to fetch http://archive/pool/sox.deb";
        assert!(way_out(output).is_some_and(|way_out| way_out.contains("DNS")));
    }

    #[test]
    fn an_unknown_cause_is_left_to_apts_own_words() {
        assert_eq!(way_out("E: something new"), None);
    }
}
