//! Network namespaces that remove themselves.

use std::fs::{self, File};
use std::panic;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::privilege::require_privilege;
use super::stale;
use super::tool::{ip, run_tool};
use crate::error::Doing;
use crate::{Error, Result};

/// Where `ip netns` keeps its namespaces.
pub(super) const DIRECTORY: &str = "/run/netns";

/// Settings of every namespace: interfaces are usable the moment they are up, and nothing speaks unasked, so that
/// counters show what a test sent.
const QUIET: [(&str, &str); 8] = [
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/all/router_solicitations", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
];

/// A network namespace of its own; clones are handles to the same one, and it is deleted with the last of them.
///
/// Only the network is separate. Mounts stay those of the host, so what is pinned under `/sys/fs/bpf` is visible.
#[derive(Clone, Debug)]
pub struct Namespace(Arc<Owned>);

impl Namespace {
    /// Makes a namespace named after this process and `label`, its loopback interface up.
    ///
    /// The label is up to 32 lower-case letters, digits and hyphens. The first call of a process removes what dead
    /// processes left behind.
    pub fn create(label: &str) -> Result<Self> {
        require_privilege("making a network namespace")?;
        stale::remove_stale_once()?;
        let name = unique_name(label)?;
        ip(&format!("netns add {name}"))?;
        let namespace = Self(Arc::new(Owned { name }));
        namespace.configure(&QUIET)?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name by which `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The file that stands for it, as `nsenter --net=` takes it.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(DIRECTORY).join(self.name())
    }

    /// Runs a closure on a fresh thread inside the namespace and gives its result; a panic of it goes on here.
    ///
    /// Sockets it opens, and threads and programs it starts, stay in the namespace. `/proc/sys/net` and
    /// `/proc/thread-self/net` show it; `/proc/net` shows that of the process.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T> {
        let path = self.path();
        let file = File::open(&path).doing(|| format!("opening {}", path.display()))?;
        let entered_and_run = || setns(&file, CloneFlags::CLONE_NEWNET).map(|()| inside());
        let outcome = thread::scope(|scope| scope.spawn(entered_and_run).join());
        match outcome {
            Ok(result) => result.doing(|| format!("entering {}", self.name())),
            Err(panic) => panic::resume_unwind(panic),
        }
    }

    /// A command that will run `program` inside the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// Lets the namespace forward between its interfaces, IPv4 and IPv6.
    pub fn forward(&self) -> Result<()> {
        self.configure(&[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")])
    }

    /// Runs a tool of the system inside, its arguments split at spaces, and gives what it wrote.
    pub fn tool(&self, program: &str, arguments: &str) -> Result<String> {
        self.run(|| run_tool(Command::new(program).args(arguments.split(' '))))?
    }

    /// Runs `ip` inside, its arguments split at spaces.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        self.tool("ip", arguments)
    }

    /// Writes settings below `/proc/sys/net`, which shows each thread its own namespace.
    fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.run(|| {
            settings.iter().try_for_each(|(name, value)| {
                let path = format!("/proc/sys/net/{name}");
                fs::write(&path, value).doing(|| format!("writing {value} to {path}"))
            })
        })?
    }
}

/// The one owner of a namespace's name.
#[derive(Debug)]
struct Owned {
    name: String,
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Err(error) = ip(&format!("netns del {}", self.name)) {
            eprintln!("the lab could not clean up: {error}");
        }
    }
}

/// What identifies something of this process among all that run: `ut<pid>-<n>`.
pub(super) fn unique_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("ut{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn unique_name(label: &str) -> Result<String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if label.is_empty() || label.len() > 32 || !label.bytes().all(fits) {
        return Err(Error::Invalid(format!("`{label}` is no label for a namespace: 1 to 32 of a-z, 0-9 and hyphen")));
    }
    Ok(format!("{}-{label}", unique_id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_carry_the_owner() {
        let (one, other) = (unique_name("caller").unwrap(), unique_name("caller").unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with(&format!("ut{}-", std::process::id())) && one.ends_with("-caller"));
    }

    #[test]
    fn a_label_that_would_not_do_for_a_file_is_refused() {
        for label in ["", "../caller", "Caller", "a caller", "a-label-of-more-than-thirty-two-characters"] {
            assert!(unique_name(label).is_err(), "{label}");
        }
    }
}
