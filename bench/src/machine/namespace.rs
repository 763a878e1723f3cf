//! A network of our own.

use std::{fs::File, thread};

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace without a name: it ends with the process, however that ends.
pub(crate) struct Namespace {
    file: File,
}

/// Interfaces are silent: every frame is one that the benchmark sent.
const QUIET: [&str; 2] = ["/proc/sys/net/ipv6/conf/all/disable_ipv6", "/proc/sys/net/ipv6/conf/default/disable_ipv6"];

impl Namespace {
    /// Makes one in which nothing speaks unasked.
    pub(crate) fn quiet() -> Result<Self> {
        let namespace = Self::new()?;
        namespace.run(|| {
            for path in QUIET {
                // A kernel without IPv6 has no such file, and is as quiet.
                if std::path::Path::new(path).exists() {
                    std::fs::write(path, "1").with_context(|| format!("cannot write {path}"))?;
                }
            }
            Ok(())
        })?;
        Ok(namespace)
    }

    /// Makes one.
    pub(crate) fn new() -> Result<Self> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace; run as root")?;
            current()
        });
        let file = made.join().map_err(|_| anyhow!("the thread that makes a namespace panicked"))??;
        Ok(Self { file })
    }

    /// Runs `inside` with the calling thread in the namespace. Programs that it starts stay there.
    pub(crate) fn run<T>(&self, inside: impl FnOnce() -> Result<T>) -> Result<T> {
        let _outside = Outside(current()?);
        setns(&self.file, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")?;
        inside()
    }

    /// A path that names it, for as long as it is there.
    pub(crate) fn path(&self) -> String {
        use std::os::fd::AsRawFd as _;
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

/// The calling thread's namespace.
fn current() -> Result<File> {
    File::open("/proc/thread-self/ns/net").context("cannot open this thread's network namespace")
}

/// Where a thread came from, and goes back to at the end.
struct Outside(File);

impl Drop for Outside {
    fn drop(&mut self) {
        // It was there a moment ago, and we hold it open.
        let _ = setns(&self.0, CloneFlags::CLONE_NEWNET);
    }
}
