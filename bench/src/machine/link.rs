//! Links, by the system's own tools.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Runs `ip` on each line of `script`, in the calling thread's namespace.
pub(crate) fn ip(script: &str) -> Result<()> {
    const INSTALLED: &str = "cannot run `ip`: it comes with the package iproute2";
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context(INSTALLED)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`ip` refused: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Runs `ethtool` with `arguments`, split at blanks, in the calling thread's namespace.
pub(crate) fn ethtool(arguments: &str) -> Result<()> {
    const INSTALLED: &str = "cannot run `ethtool`: it comes with the package of that name";
    let output = Command::new("ethtool").args(arguments.split(' ')).output().context(INSTALLED)?;
    if !output.status.success() {
        bail!("`ethtool {arguments}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
