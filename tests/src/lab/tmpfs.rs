//! A small disk of a test's own.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::run_tool;
use crate::{Error, Result};

/// A mounted file system in memory. What is on it goes when it is dropped.
#[derive(Debug)]
pub struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    /// Mounts one that holds this much, at a folder of its own.
    pub fn mount(size_kib: u32) -> Result<Self> {
        let made = tempfile::tempdir();
        let folder = made.map_err(|source| Error::Io { doing: "making a folder".into(), source })?;
        let size = format!("size={size_kib}k");
        run_tool(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()))?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no room on it.
    pub fn fill(&self) -> Result<()> {
        let fill = || -> io::Result<()> {
            let mut filler = File::create(self.filler())?;
            loop {
                match filler.write_all(&[0; 4096]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        fill().map_err(|source| Error::Io { doing: format!("filling {}", self.path().display()), source })
    }

    /// Takes away what it was filled with.
    pub fn make_room(&self) -> Result<()> {
        let doing = || format!("making room on {}", self.path().display());
        fs::remove_file(self.filler()).map_err(|source| Error::Io { doing: doing(), source })
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Also while something is still open there.
        if let Err(error) = run_tool(Command::new("umount").arg("--lazy").arg(self.path())) {
            eprintln!("{error}");
        }
    }
}
