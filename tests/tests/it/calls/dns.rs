//! A DNS server of a test's own: dnsmasq, which knows what the test says and asks nobody else.

use std::{fs, net::SocketAddr, path::PathBuf};

use nix::sys::signal::Signal;
use undertone_tests::{Result, lab::Process};

use super::ground::{Ground, Who};
use crate::daemon::operator::{SOON, other};

/// A DNS server.
pub(super) struct Dns {
    process: Process,
    hosts: PathBuf,
    _folder: tempfile::TempDir,
}

impl Dns {
    /// Starts one, where strangers are, that knows of `.test` what these say: lines of dnsmasq's configuration, and of a file
    /// of hosts.
    pub(super) fn start(ground: &Ground, at: SocketAddr, records: &str, hosts: &str) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(other)?;
        let [config, file] = ["dnsmasq.conf", "hosts"].map(|name| folder.path().join(name));
        fs::write(&file, hosts).map_err(other)?;
        // Started by another user than root, it stays that one whatever is said of users.
        let text = format!(
            "no-resolv\nno-hosts\nno-poll\nlocal=/test/\nlocal-ttl=0\nbind-interfaces\nlisten-address={}\nport={}\n\
             addn-hosts={}\npid-file\nlog-facility=-\nuser=root\n{records}\n",
            at.ip(),
            at.port(),
            file.display()
        );
        fs::write(&config, text).map_err(other)?;
        let mut command = ground.command(Who::Stranger, "dnsmasq");
        command.arg("--keep-in-foreground").arg(format!("--conf-file={}", config.display()));
        let mut process = Process::spawn("dnsmasq", command)?;
        process.wait_for_line("started", SOON)?;
        Ok(Self { process, hosts: file, _folder: folder })
    }

    /// Has it know other hosts from now on.
    pub(super) fn set_hosts(&mut self, hosts: &str) -> Result<()> {
        fs::write(&self.hosts, hosts).map_err(other)?;
        self.process.signal(Signal::SIGHUP)
    }
}
