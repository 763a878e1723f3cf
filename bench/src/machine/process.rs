//! A process that is measured, with all that it has started.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use crate::machine::Namespace;

/// What the process says, in its folder.
const LOG: &str = "log";
/// How long its threads have to end before it is waited for. Whoever waits while one of them is half gone has the kernel
/// spin until it is; and one of the idle class, as rtpengine has some, hardly gets a core beside somebody who spins.
const LEAVING: Duration = Duration::from_millis(100);
/// How much of it is shown.
const LAST_LINES: usize = 10;

/// A process that ends with this, and with the benchmark however that ends.
pub(crate) struct Process {
    child: Child,
    /// What belongs to it and goes with it.
    folder: tempfile::TempDir,
}

impl Process {
    /// Starts `program` in `namespace`, on the calling thread's cores.
    pub(crate) fn start(
        namespace: &Namespace,
        program: &str,
        arguments: &[String],
        folder: tempfile::TempDir,
    ) -> Result<Self> {
        let log = File::create(folder.path().join(LOG))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]).args(arguments);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = namespace.run(|| command.spawn().context("cannot run `setpriv`, of the package util-linux"));
        let child = started.with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child, folder })
    }

    /// The last of what it said, for an error that it may explain.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// How long its threads and those of its children have run, in user space and in the kernel. Children that have
    /// ended are not counted.
    pub(crate) fn time(&self) -> Result<Duration> {
        let time = |pid| {
            let clock = ClockId::pid_cpu_clock_id(pid)?;
            clock_gettime(clock).map(Duration::from)
        };
        self.family().into_iter().map(time).sum::<Result<_, _>>().context("a process that is measured has ended")
    }

    /// Memory that it and its children have resident, in bytes: a page that several share is counted once.
    pub(crate) fn resident(&self) -> Result<u64> {
        let resident = |pid: Pid| {
            let path = format!("/proc/{pid}/smaps_rollup");
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            let kib = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
            kib.map(|kib: u64| kib << 10).with_context(|| format!("{path} does not tell the resident set"))
        };
        self.family().into_iter().map(resident).sum()
    }

    /// Whether it runs. An error tells what it said last.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it has ended ({status}); it said last:\n{}", self.last_words()),
        }
    }

    /// Asks it to end, as Ctrl-C does.
    pub(crate) fn interrupt(&self) -> Result<()> {
        kill(self.pid(), Signal::SIGINT).context("a process cannot be interrupted")
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("a process cannot be waited for")
    }

    /// The folder that belongs to it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// It and all that it has started.
    fn family(&self) -> Vec<Pid> {
        let parents = parents();
        let mut family = vec![self.child.id() as i32];
        let mut seen = 0;
        while let Some(parent) = family.get(seen).copied() {
            seen += 1;
            family.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        }
        family.into_iter().map(Pid::from_raw).collect()
    }
}

/// The program `name` that was built with this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let path = env::current_exe().context("cannot find the folder of this program")?.with_file_name(name);
    if !path.exists() {
        bail!("there is no {}: run `cargo build --release`", path.display());
    }
    Ok(path)
}

/// All processes, each with its parent.
fn parents() -> Vec<(i32, i32)> {
    let parent = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // A name may have blanks and brackets; behind it stand the state and the parent.
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // Children are not told when their parent is killed.
        let children = self.family().split_off(1);
        // It may have ended by itself.
        let _ = self.child.kill();
        thread::sleep(LEAVING);
        let _ = self.child.wait();
        for pid in children {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}
