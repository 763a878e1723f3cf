//! Removing what a killed test run left behind.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::namespace::DIRECTORY;
use super::tool::ip;
use crate::error::Doing;
use crate::{Error, Result};

/// Removes the namespaces of dead owners, with their links and the processes that still run in them.
///
/// A namespace's name carries the process id of its owner. Nothing but what the lab started runs in one, so a process
/// in a namespace whose owner is dead is an orphan of that run. Gives the names it removed.
pub fn remove_stale() -> Result<Vec<String>> {
    remove_where(|owner| !is_alive(owner))
}

/// Does so before this process makes its first namespace. At that time one that bears its own id is stale, too.
pub(super) fn remove_stale_once() -> Result<()> {
    static DONE: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let own = std::process::id();
    let remove = || remove_where(|owner| owner == own || !is_alive(owner)).map(drop);
    DONE.get_or_init(|| remove().map_err(|error| error.to_string())).clone().map_err(Error::Invalid)
}

fn remove_where(is_stale: impl Fn(u32) -> bool) -> Result<Vec<String>> {
    let stale: Vec<_> = namespaces()?.into_iter().filter(|name| owner_of(name).is_some_and(&is_stale)).collect();
    stale.iter().try_for_each(|name| remove(name))?;
    Ok(stale)
}

fn namespaces() -> Result<Vec<String>> {
    if !Path::new(DIRECTORY).exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(DIRECTORY).doing(|| format!("listing {DIRECTORY}"))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// The process id in a name of ours, `ut<pid>-<n>-<label>`.
fn owner_of(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix("ut")?.split_once('-')?;
    let (count, _label) = rest.split_once('-')?;
    count.parse::<u32>().ok()?;
    pid.parse().ok()
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Removes one; another run that sweeps at the same time may be faster, which is as good.
fn remove(name: &str) -> Result<()> {
    let removed = end_processes(name).and_then(|()| ip(&format!("netns del {name}")));
    match removed {
        Err(_) if !Path::new(DIRECTORY).join(name).exists() => Ok(()),
        other => other.map(drop),
    }
}

fn end_processes(name: &str) -> Result<()> {
    let pids = ip(&format!("netns pids {name}"))?;
    for pid in pids.lines().filter_map(|line| line.trim().parse().ok()) {
        // It may have ended by itself since it was listed.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_have_an_owner() {
        assert_eq!(owner_of("ut4711-0-caller"), Some(4711));
        assert_eq!(owner_of("ut4711-12-far-agent"), Some(4711));
        for foreign in ["utopia", "ut-0-x", "ut12", "ut12-x", "ut12-x-y", "utx-a", "caller"] {
            assert_eq!(owner_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn this_process_is_alive() {
        assert!(is_alive(std::process::id()));
        assert!(!is_alive(u32::MAX));
    }
}
