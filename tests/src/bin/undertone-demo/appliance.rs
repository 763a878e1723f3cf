//! The appliance: `undertone run`, and the commands that an operator speaks with it.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use undertone_core::mixer::Person;
use undertone_tests::lab::{Process, wait_for};

use super::{
    arguments::Path,
    configuration::{self, Cast},
    interrupt::heeding,
    network::Network,
    report::tell,
};

/// Long enough for the kernel to verify the programs, on a slow machine.
const START: Duration = Duration::from_secs(30);

/// Long enough for anything else.
const SOON: Duration = Duration::from_secs(10);

/// A daemon that runs; dropped, it ends.
pub(crate) struct Appliance {
    program: PathBuf,
    folder: TempDir,
    config: String,
    _daemon: Process,
}

/// The figures of a stream in a call's record.
pub(crate) struct Measured {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) jitter_ms: f64,
    /// None when too little came to tell.
    pub(crate) mos: Option<f64>,
}

impl Appliance {
    /// Starts the daemon with a configuration, which is shown.
    pub(crate) fn start(network: &Network, path: Path, cast: &Cast) -> Result<Self> {
        let program = program()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("undertone.toml");
        let config = file.display().to_string();
        let text = configuration::write(network, path, folder.path(), cast);
        fs::write(&file, &text)?;
        tell(&format!("$ cat {config}"), &text);
        tell(&format!("$ undertone run --config {config}"), "");
        let mut command = network.appliance().map_or_else(|| Command::new(&program), |it| it.command(&program));
        command.args(["run", "--config", &config]).env_remove("UNDERTONE_SOCKET");
        let mut daemon = heeding(|| Process::spawn("undertone", command))??.quiet();
        daemon.wait_for_line(" ready", START).context("the appliance does not start")?;
        Ok(Self { program, folder, config, _daemon: daemon })
    }

    /// Where the demo's files go.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Runs a command and shows what it says.
    pub(crate) fn show(&self, arguments: &[&str]) -> Result<()> {
        let said = self.say(arguments)?;
        tell(&format!("$ undertone {}", arguments.join(" ")), &said);
        Ok(())
    }

    /// Waits until the one call is up, with both of its streams, and gives its id.
    pub(crate) fn wait_for_call(&self) -> Result<String> {
        let call = wait_for("the call to be up", SOON, || {
            let calls = self.ask(&["calls"]).ok()?;
            let is_up = |call: &&Value| call["phase"] == "up" && call["streams"].as_array().map(Vec::len) == Some(2);
            calls.as_array()?.iter().find(is_up).cloned()
        })?;
        call["id"].as_str().map(str::to_owned).with_context(|| format!("a call without an id: {call}"))
    }

    /// Whether there are calls.
    pub(crate) fn has_calls(&self) -> Result<bool> {
        Ok(self.ask(&["calls"])?.as_array().is_some_and(|calls| !calls.is_empty()))
    }

    /// The path of an interface, as configuration and metrics name it.
    pub(crate) fn path(&self, interface: &str) -> Result<String> {
        let status = self.status()?;
        let all = status["interfaces"].as_array().map(Vec::as_slice).unwrap_or_default();
        let taken = all.iter().find(|it| it["interface"] == interface).or(all.first());
        taken.and_then(|it| it["path"].as_str()).map(str::to_owned).context("the appliance takes no path")
    }

    /// Everything that `undertone status` tells.
    pub(crate) fn status(&self) -> Result<Value> {
        self.ask(&["status"])
    }

    /// The record of a call that is over: how the caller's and the agent's stream arrived, and what is wrong with it.
    pub(crate) fn record(&self, id: &str) -> Result<([Measured; 2], Vec<String>)> {
        let record = wait_for("the call's record", SOON, || {
            let text = self.say(&self.records(&["--format", "jsonl"])).ok()?;
            let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            records.into_iter().find(|record| record["id"] == id)
        })?;
        let mut problems = Vec::new();
        if record["status"] != 200 || record["ended_by"] != role(Person::Caller) {
            problems.push(format!("the record tells of another end than the caller's: {record}"));
        }
        let measured = |party| {
            let streams = record["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
            let stream = streams.iter().find(|it| it["from"] == role(party));
            Measured::of(stream.with_context(|| format!("the record lacks a stream: {record}"))?)
        };
        Ok(([measured(Person::Caller)?, measured(Person::Agent)?], problems))
    }

    /// Shows the record of the call, and what the audit says of its supervisor.
    pub(crate) fn show_records(&self) -> Result<()> {
        self.show(&self.records(&[]))?;
        self.show(&["audit", "list", "--config", &self.config])
    }

    fn records<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["records", "--config", self.config.as_str()], more].concat()
    }

    /// Runs a command for its JSON.
    fn ask(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.say(&[arguments, &["--json"]].concat())?)?)
    }

    /// Runs a command, and gives what it says.
    fn say(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("UNDERTONE_SOCKET", self.folder().join("undertone.sock"));
        let output = command.output().with_context(|| format!("cannot start {}", self.program.display()))?;
        if !output.status.success() {
            let words = arguments.join(" ");
            bail!("`undertone {words}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Measured {
    /// Packets lost on the way to the appliance, of all that should have come: 0 to 1.
    pub(crate) fn loss(&self) -> f64 {
        if self.lost > 0 { self.lost as f64 / (self.packets + self.lost) as f64 } else { 0.0 }
    }

    /// Reads a stream of a record in JSON.
    fn of(stream: &Value) -> Result<Self> {
        let read = || {
            Some(Self {
                packets: stream["packets"].as_u64()?,
                lost: stream["lost"].as_u64()?,
                jitter_ms: stream["jitter_ms"].as_f64()?,
                mos: stream["mos"].as_f64(),
            })
        };
        read().with_context(|| format!("no stream of a record: {stream}"))
    }
}

/// The program, beside this one.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("undertone");
    if !program.exists() {
        bail!("{} is not there: `cargo build --release --bin undertone` makes it", program.display());
    }
    Ok(program)
}

/// What stands in the configuration for a password.
pub(crate) fn hash(password: &str) -> Result<String> {
    let mut command = Command::new(program()?);
    command.arg("password").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot make the hash of a password")?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{password}")?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`undertone password` failed");
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What a person is in calls and records.
const fn role(person: Person) -> &'static str {
    match person {
        Person::Caller => "caller",
        Person::Agent => "callee",
        Person::Supervisor => "supervisor",
    }
}
