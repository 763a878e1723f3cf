//! A BPF file system of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run_tool;
use crate::{Error, Result};

/// A mounted BPF file system. What is pinned there goes when it is dropped.
#[derive(Debug)]
pub struct Bpffs {
    path: PathBuf,
}

impl Bpffs {
    /// Mounts one at `path`, a folder that it makes.
    pub fn mount(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|source| Error::Io { doing: format!("making {}", path.display()), source })?;
        run_tool(Command::new("mount").args(["-t", "bpf", "bpf"]).arg(path))?;
        Ok(Self { path: path.into() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        if let Err(error) = run_tool(Command::new("umount").arg(&self.path)) {
            eprintln!("{error}");
        }
    }
}
