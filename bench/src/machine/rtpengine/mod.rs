//! Debian's rtpengine, in user space: the peer of what is measured.

mod bencode;
mod control;

use std::path::Path;

use anyhow::{Context as _, Result};

pub(crate) use self::control::Control;
use super::{Namespace, Process};

const PROGRAM: &str = "/usr/bin/rtpengine";
/// Where it is asked, on the loopback of a namespace that is ours. It stands in `kamailio.cfg` too.
pub(crate) const CONTROL_PORT: u16 = 2223;

/// How one is to run.
pub(crate) struct Rtpengine<'run> {
    pub(crate) threads: u8,
    /// The names of its two sides, and the address of each.
    pub(crate) interfaces: [(&'run str, &'run str); 2],
    /// Media ports, the first and the last.
    pub(crate) ports: (u16, u16),
    /// Whatever else it is told.
    pub(crate) more: &'run [&'run str],
}

impl Rtpengine<'_> {
    /// Why it cannot be started, if so.
    pub(crate) fn obstacle() -> Option<String> {
        (!Path::new(PROGRAM).exists()).then(|| "rtpengine is not installed: run `cargo xtask setup --peers`".into())
    }

    /// Starts it. It is there once it answers, or listens, at [`CONTROL_PORT`].
    pub(crate) fn start(&self, namespace: &Namespace) -> Result<Process> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let pid_file = folder.path().join("pid");
        let ((first, last), [a, b]) = (self.ports, self.interfaces);
        let mut arguments: Vec<_> = [
            "--config-file=none",
            "--foreground",
            "--log-stderr",
            "--log-level=4",
            // No kernel module: this is what it does in user space.
            "--table=-1",
            &format!("--num-threads={}", self.threads),
            &format!("--interface={}/{}", a.0, a.1),
            &format!("--interface={}/{}", b.0, b.1),
            &format!("--listen-ng=127.0.0.1:{CONTROL_PORT}"),
            &format!("--pidfile={}", pid_file.display()),
            &format!("--port-min={first}"),
            &format!("--port-max={last}"),
        ]
        .map(String::from)
        .into();
        arguments.extend(self.more.iter().map(|&argument| argument.into()));
        Process::start(namespace, PROGRAM, &arguments, folder)
    }
}
