//! The project's own programs.

use std::env;
use std::path::PathBuf;

use crate::{Error, Result};

/// A program of this workspace, built beside the tests that run.
pub fn program(name: &str) -> Result<PathBuf> {
    let tests = env::current_exe().map_err(|source| Error::Io { doing: "finding this program".into(), source })?;
    // Test binaries stand in `deps/`, one below the programs.
    tests
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| Error::Other(format!("the program `{name}` is not built: `cargo build --workspace --bins`")))
}
