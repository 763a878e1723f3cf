//! A small disk of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run_tool;
use crate::{Error, Result};

/// A mounted file system in memory. What is on it goes when it is dropped.
#[derive(Debug)]
pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts one that holds this much at `path`, a folder that it makes.
    pub fn mount(path: &Path, size_kib: u32) -> Result<Self> {
        fs::create_dir_all(path).map_err(|source| Error::Io { doing: format!("making {}", path.display()), source })?;
        run_tool(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size_kib}k"), "tmpfs"]).arg(path))?;
        Ok(Self { path: path.into() })
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Also while something is still open there.
        if let Err(error) = run_tool(Command::new("umount").arg("--lazy").arg(&self.path)) {
            eprintln!("{error}");
        }
    }
}
