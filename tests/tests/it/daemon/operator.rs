//! Somebody with a configuration file, a control socket, and the program.

use std::{fs, net::SocketAddr, os::unix::fs::chown, path::PathBuf, process::Command, time::Duration};

use serde_json::Value;
use undertone_tests::{
    Error, Result,
    lab::{Namespace, Process, wait_for},
};

use super::program::{Said, undertone};

/// Long enough for anything that happens at all.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Long enough for a daemon to start, also where the kernel verifies programs for others at the same time.
pub(crate) const START: Duration = Duration::from_mins(1);

/// An operator; the files go with them.
pub(crate) struct Operator {
    folder: tempfile::TempDir,
    /// Where the daemon runs, if not here.
    namespace: Option<Namespace>,
    /// Whom it runs as, if not as this process, and with which capabilities.
    service: Option<(u32, Vec<String>)>,
}

impl Operator {
    pub(crate) fn new(namespace: Option<Namespace>) -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir().map_err(other)?, namespace, service: None })
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.file("undertone.toml")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.file("undertone.sock")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The daemon runs as another user from now on, whose all files are, with nothing but these capabilities.
    pub(crate) fn serve_as(&mut self, user: u32, capabilities: Vec<String>) -> Result<()> {
        // Where the program was built, another user may not come.
        fs::copy(undertone()?, self.file("undertone")).map_err(other)?;
        let files = fs::read_dir(self.folder.path()).map_err(other)?.flatten().map(|entry| entry.path());
        for path in files.chain([self.folder.path().to_owned()]) {
            chown(path, Some(user), Some(user)).map_err(other)?;
        }
        self.service = Some((user, capabilities));
        Ok(())
    }

    /// Writes the configuration.
    pub(crate) fn write_config(&self, text: &str) -> Result<()> {
        fs::write(self.config(), text).map_err(other)
    }

    /// The program, told where the control socket is.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(undertone()?);
        command.args(arguments).env("UNDERTONE_SOCKET", self.socket());
        Ok(command)
    }

    /// Runs a command to its end.
    pub(crate) fn say(&self, arguments: &[&str]) -> Result<Said> {
        Said::of(&mut self.command(arguments)?)
    }

    /// Runs a command for its JSON.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let out = self.say(&[arguments, &["--json"]].concat())?.done()?;
        serde_json::from_str(&out).map_err(other)
    }

    /// The stream at a media port, as `undertone streams` has it.
    pub(crate) fn stream(&self, at: SocketAddr) -> Result<Value> {
        let streams = self.ask(&["streams", &at.to_string()])?;
        Ok(streams[0].clone())
    }

    /// Waits until the stream at `at` fulfils a condition.
    pub(crate) fn wait_for_stream(&self, at: SocketAddr, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(what, SOON, || self.stream(at).ok().filter(&is))
    }

    /// Starts a capture and waits until it has its copy.
    pub(crate) fn capture(&self, at: SocketAddr, arguments: &[&str]) -> Result<Process> {
        let command = self.command(&[&["capture", &at.to_string()], arguments].concat())?;
        let process = Process::spawn("capture", command)?;
        self.wait_for_stream(at, "the capture's copy", has_copy)?;
        Ok(process)
    }

    /// What starts a daemon.
    pub(crate) fn run_command(&self, arguments: &[&str]) -> Result<Command> {
        let config = self.config();
        let config = config.to_string_lossy();
        let arguments = [&["run", "--config", &*config], arguments].concat();
        let Some(namespace) = &self.namespace else { return self.command(&arguments) };
        let mut command = match &self.service {
            None => namespace.command(undertone()?),
            Some((user, capabilities)) => {
                let set = |sign| capabilities.iter().map(|it| format!(",{sign}{it}")).collect::<String>();
                let mut command = namespace.command("setpriv");
                command.args(["--reuid", &user.to_string(), "--regid", &user.to_string(), "--clear-groups"]);
                command.arg(format!("--bounding-set=-all{}", set('+'))).arg(format!("--inh-caps=-all{}", set('+')));
                command
                    .arg(format!("--ambient-caps=-all{}", set('+')))
                    .arg("--no-new-privs")
                    .arg(self.file("undertone"));
                command
            }
        };
        command.args(arguments).env("UNDERTONE_SOCKET", self.socket());
        Ok(command)
    }

    /// Starts a daemon.
    pub(crate) fn run(&self) -> Result<Process> {
        start(self.run_command(&[])?)
    }
}

/// Starts a daemon, as a command that may have been told more.
pub(crate) fn start(command: Command) -> Result<Process> {
    let mut daemon = Process::spawn("undertone", command)?;
    daemon.wait_for_line(" ready", START)?;
    Ok(daemon)
}

/// Whether a stream has copies.
pub(crate) fn has_copy(stream: &Value) -> bool {
    stream["copies"].as_array().is_some_and(|copies| !copies.is_empty())
}

/// An error of anything as one of the lab.
pub(crate) fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}
