//! Cargo subcommands that the tests and checks use. None needs root.

use std::fmt;

use anyhow::{Context as _, Result};

use crate::command;
use crate::project::{Project, find_program, has_component};
use crate::report::step;

const CARGO_FUZZ_VERSION: &str = "0.13.2";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Rustfmt,
    Clippy,
    CargoFuzz,
}

/// Those that are there, and those that are not.
pub(super) fn survey() -> (Vec<Tool>, Vec<Tool>) {
    let tools = [Tool::Rustfmt, Tool::Clippy, Tool::CargoFuzz];
    tools.into_iter().partition(|tool| tool.is_there())
}

impl Tool {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Rustfmt => "`lint` checks the code's format",
            Self::Clippy => "`lint` checks the code",
            Self::CargoFuzz => "builds and runs the fuzz targets (cargo install)",
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Rustfmt => has_component("cargo-fmt"),
            Self::Clippy => has_component("cargo-clippy"),
            Self::CargoFuzz => find_program("cargo-fuzz").is_some(),
        }
    }

    pub(super) fn install(self, project: &Project) -> Result<()> {
        match self {
            Self::Rustfmt => add_component("rustfmt", project),
            Self::Clippy => add_component("clippy", project),
            Self::CargoFuzz => install_cargo_fuzz(project),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
            Self::CargoFuzz => "cargo-fuzz",
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

fn install_cargo_fuzz(project: &Project) -> Result<()> {
    step(format!("cargo install cargo-fuzz {CARGO_FUZZ_VERSION}"), || {
        let mut install = project.cargo();
        install.args(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ_VERSION]);
        command::run_quietly(project, &mut install)
            .context("cargo-fuzz could not be built: if crates could not be downloaded, check this machine's network")
    })
    .map(drop)
}
