//! sipp on the hosts of an exchange.

use std::{fs, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;
use undertone_tests::{
    Result,
    lab::{Process, wait_for},
};

use super::{
    exchange::{Exchange, Over},
    ground::Who,
};
use crate::daemon::operator::{SOON, other};

/// Lines of a file of messages that an error quotes.
const QUOTED_LINES: usize = 80;

/// Bytes that may wait for sipp while others run.
const BUFFER: &str = "4194304";

/// Calls whose messages are written down.
const TRACED_MAX: usize = 20;

/// sipp, playing one side of some calls.
pub(super) struct Sipp {
    process: Process,
    /// What it found wrong, and what it sent and received.
    files: [PathBuf; 2],
}

impl Exchange {
    /// Starts sipp as who is called, in so many calls, and waits until it can be.
    pub(super) fn callee(&self, who: Who, scenario: &str, calls: usize, more: &[&str]) -> Result<Sipp> {
        let mut sipp = self.sipp(who, scenario, calls, more)?;
        let (at, over) = (self.address_of(who), self.line(who).over);
        wait_for("sipp to listen", SOON, || {
            let is_over = sipp.process.exit_status().ok()?.is_some();
            (is_over || listens(sipp.process.pid(), at.port(), over)).then_some(())
        })?;
        Ok(sipp)
    }

    /// Starts sipp as who calls 100, so many times.
    pub(super) fn caller(&self, who: Who, scenario: &str, calls: usize, more: &[&str]) -> Result<Sipp> {
        let to = self.address_for(who).to_string();
        self.sipp(who, scenario, calls, &[more, &["-s", "100", &to]].concat())
    }

    fn sipp(&self, who: Who, scenario: &str, calls: usize, more: &[&str]) -> Result<Sipp> {
        let at = self.address_of(who);
        let file = |kind: &str| self.operator.file(&format!("{}-{scenario}.{kind}", who.name()));
        let files = [file("errors"), file("messages")];
        let transport = if self.line(who).over == Over::Udp { "u1" } else { "t1" };
        let mut command = self.ground.command(who, "sipp");
        command.arg("-sf").arg(format!("{}/sipp/{scenario}.xml", env!("CARGO_MANIFEST_DIR")));
        for (flag, value) in [("-i", at.ip().to_string()), ("-mi", at.ip().to_string()), ("-p", at.port().to_string())]
        {
            command.args([flag, &value]);
        }
        command.args(["-t", transport, "-nostdin", "-trace_err", "-m", &calls.to_string(), "-buff_size", BUFFER]);
        command.arg("-error_file").arg(&files[0]);
        if calls <= TRACED_MAX {
            command.arg("-trace_msg").arg("-message_file").arg(&files[1]);
        }
        command.args(more).env("TERM", "dumb").current_dir(std::env::temp_dir());
        Ok(Sipp { process: Process::spawn(&format!("sipp {scenario}"), command)?, files })
    }
}

impl Sipp {
    /// Has it do nothing until it is told to go on, so that its call stays as it is however long that takes. Its pauses end
    /// meanwhile.
    pub(super) fn freeze(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// Has it go on.
    pub(super) fn thaw(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Waits until all its calls went as they should.
    pub(super) fn done(mut self, timeout: Duration) -> Result<()> {
        let status = self.process.wait(timeout);
        if status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Ok(());
        }
        let read = |file: &PathBuf| {
            let text = fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&text).lines().take(QUOTED_LINES).collect::<Vec<_>>().join("\n")
        };
        let [errors, messages] = self.files.each_ref().map(read);
        Err(other(format!("sipp did not end well: {status:?}\n{errors}\n{messages}")))
    }
}

/// Whether something in the network of a process listens at a port.
fn listens(pid: u32, port: u16, over: Over) -> bool {
    let tables = if over == Over::Udp { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
    // State 0A is that of TCP listeners, and 07 that of UDP sockets without a peer.
    let state = if over == Over::Udp { "07" } else { "0A" };
    let is_it = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().unwrap_or_default();
        local.ends_with(&format!(":{port:04X}")) && fields.nth(1) == Some(state)
    };
    let read = |table: &str| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
    tables.iter().any(|table| read(table).lines().any(is_it))
}
