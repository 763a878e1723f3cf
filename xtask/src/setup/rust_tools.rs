//! Cargo subcommands that the tests and checks use. None needs root.

use std::fmt;

use anyhow::{Context as _, Result};

use crate::command;
use crate::project::{Project, find_program, has_component};
use crate::report::step;

const CARGO_FUZZ_VERSION: &str = "0.13.2";
const CARGO_DENY_VERSION: &str = "0.20.2";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Rustfmt,
    Clippy,
    CargoFuzz,
    CargoDeny,
}

/// Those that are there, and those that are not.
pub(super) fn survey() -> (Vec<Tool>, Vec<Tool>) {
    let tools = [Tool::Rustfmt, Tool::Clippy, Tool::CargoFuzz, Tool::CargoDeny];
    tools.into_iter().partition(|tool| tool.is_there())
}

impl Tool {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Rustfmt => "`lint` checks the code's format",
            Self::Clippy => "`lint` checks the code",
            Self::CargoFuzz => "builds and runs the fuzz targets (cargo install)",
            Self::CargoDeny => "`lint` checks licences and advisories (cargo install, takes some minutes)",
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Rustfmt => has_component("cargo-fmt"),
            Self::Clippy => has_component("cargo-clippy"),
            Self::CargoFuzz => find_program("cargo-fuzz").is_some(),
            Self::CargoDeny => find_program("cargo-deny").is_some(),
        }
    }

    pub(super) fn install(self, project: &Project) -> Result<()> {
        match self {
            Self::Rustfmt => add_component("rustfmt", project),
            Self::Clippy => add_component("clippy", project),
            Self::CargoFuzz => install("cargo-fuzz", CARGO_FUZZ_VERSION, project),
            Self::CargoDeny => install("cargo-deny", CARGO_DENY_VERSION, project),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
            Self::CargoFuzz => "cargo-fuzz",
            Self::CargoDeny => "cargo-deny",
        })
    }
}

fn add_component(name: &str, project: &Project) -> Result<()> {
    let Some(rustup) = find_program("rustup") else {
        eprintln!("  {name} is part of Rust, but there is no rustup to add it: `lint` will go without");
        return Ok(());
    };
    step(format!("rustup component add {name}"), || {
        let mut add = std::process::Command::new(rustup);
        add.current_dir(&project.root).args(["component", "add", name]);
        command::run_quietly(project, &mut add).context("check this machine's network")
    })
    .map(drop)
}

fn install(name: &str, version: &str, project: &Project) -> Result<()> {
    step(format!("cargo install {name} {version}"), || {
        let mut install = project.cargo();
        install.args(["install", name, "--locked", "--version", version]);
        command::run_quietly(project, &mut install).with_context(|| {
            format!("{name} could not be built: if crates could not be downloaded, check this machine's network")
        })
    })
    .map(drop)
}
