//! Programs under test: started, listened to, and ended.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::tool::not_started;
use super::wait::wait_for;
use crate::error::Doing;
use crate::{Error, Result};

/// How long a program may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// How long to wait for the last output of a program that has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How many lines of output an error quotes.
const QUOTED_LINES: usize = 20;

/// A running program whose output is captured line by line; dropped, it is ended with all it started.
///
/// What it wrote is printed when it is dropped, which the test harness shows only if the test fails.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    status: Option<ExitStatus>,
    output: Arc<Output>,
    /// How many lines [`Process::wait_for_line`] has gone past.
    heard: usize,
    /// Whether what it wrote is not printed.
    is_quiet: bool,
}

impl Process {
    /// Starts a command, such as [`super::Namespace::command`] gives, in a process group of its own; `label` names it
    /// in messages.
    pub fn spawn(label: &str, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| not_started(&command, error))?;
        let output = Arc::new(Output::default());
        capture(child.stdout.take(), &output);
        capture(child.stderr.take(), &output);
        Ok(Self { label: label.to_owned(), child, status: None, output, heard: 0, is_quiet: false })
    }

    /// What it wrote is not printed when it is dropped.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has written so far, standard output and standard error as they came.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().lines.clone()
    }

    /// Waits for a line that contains `pattern` and gives it.
    ///
    /// Each line is looked at once: the next call goes on behind the line that was found. Fails at once when the
    /// program ends without having written it.
    pub fn wait_for_line(&mut self, pattern: &str, timeout: Duration) -> Result<String> {
        let deadline = Instant::now() + timeout;
        let output = Arc::clone(&self.output);
        let mut state = output.lock();
        loop {
            let unheard = state.lines.iter().enumerate().skip(self.heard);
            if let Some((at, line)) = unheard.into_iter().find(|(_, line)| line.contains(pattern)) {
                self.heard = at + 1;
                return Ok(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.open == 0 || left.is_zero() {
                drop(state);
                return Err(self.unheard(pattern, timeout));
            }
            state = output.wait(state, left);
        }
    }

    /// How it ended, if it has; what it started and left behind in its process group is killed then.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() && self.has_ended()? {
            // Its id stands for the group, and for no other process, until it has been waited for.
            let _ = killpg(self.group(), Signal::SIGKILL);
            self.status = Some(self.child.wait().doing(|| format!("asking after {}", self.label))?);
            let is_empty = || killpg(self.group(), None).is_err().then_some(());
            let _ = wait_for("the process group to be empty", LAST_WORDS, is_empty);
        }
        Ok(self.status)
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.label);
        wait_for(&what, timeout, || self.exit_status().transpose())?
    }

    /// Kills it as a crash would (SIGKILL), with all it started, and waits until it is gone.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGKILL)?;
        self.wait(GRACE)
    }

    /// Asks it to end (SIGTERM), kills it if it does not, and gives how it ended.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(GRACE).or_else(|_| self.kill9())
    }

    /// Sends a signal to it and all it started; one that has ended is left alone, for its id may be another's.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.exit_status()?.is_some() {
            return Ok(());
        }
        killpg(self.group(), signal).doing(|| format!("sending {signal} to {}", self.label))
    }

    fn has_ended(&self) -> Result<bool> {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let state = waitid(Id::Pid(self.group()), look).doing(|| format!("asking after {}", self.label))?;
        Ok(state != WaitStatus::StillAlive)
    }

    /// The process group it leads, which bears its id.
    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn unheard(&mut self, pattern: &str, waited: Duration) -> Error {
        let expected = format!("a line with `{pattern}` from {}", self.label);
        // Its output closes a moment before it can be asked how it ended.
        let ended = self.output.lock().open == 0;
        match ended.then(|| self.wait(LAST_WORDS)) {
            Some(Ok(status)) => Error::Ended { process: self.label.clone(), status, expected, output: self.quote() },
            _ => Error::TimedOut { what: expected, waited, seen: self.quote() },
        }
    }

    /// Its last lines, set off for a message.
    fn quote(&self) -> String {
        let lines = self.lines();
        if lines.is_empty() {
            return "; it wrote nothing".to_owned();
        }
        let last = &lines[lines.len().saturating_sub(QUOTED_LINES)..];
        last.iter().fold("; its last lines:".to_owned(), |mut text, line| {
            let _ = write!(text, "\n  | {line}");
            text
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.terminate() {
            eprintln!("the lab could not end {}: {error}", self.label);
        }
        self.output.wait_for_end(LAST_WORDS);
        let told = if self.is_quiet { Vec::new() } else { self.lines() };
        for line in told {
            println!("{} | {line}", self.label);
        }
    }
}

/// What a program has written, shared with the threads that read it.
#[derive(Debug, Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    /// How many of its streams may still bring lines.
    open: usize,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'state>(&self, state: MutexGuard<'state, State>, timeout: Duration) -> MutexGuard<'state, State> {
        self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Bounded, because a program may have handed its output on to one that outlives it.
    fn wait_for_end(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while state.open > 0 && Instant::now() < deadline {
            state = self.wait(state, deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Reads one of a program's streams on a thread of its own until it ends.
fn capture(stream: Option<impl Read + Send + 'static>, output: &Arc<Output>) {
    let Some(stream) = stream else { return };
    output.change(|state| state.open += 1);
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            output.change(|state| state.lines.push(text));
            line.clear();
        }
        output.change(|state| state.open -= 1);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("the shell", command).unwrap()
    }

    #[test]
    fn lines_are_heard_once_and_in_order() {
        let mut process = shell("echo ready 1; echo ready 2 >&1; sleep 60");
        assert_eq!(process.wait_for_line("ready", SOON).unwrap(), "ready 1");
        assert_eq!(process.wait_for_line("ready", SOON).unwrap(), "ready 2");
        let error = process.wait_for_line("ready", Duration::from_millis(10)).unwrap_err().to_string();
        assert!(error.contains("`ready`") && error.contains("| ready 2"), "{error}");
    }

    #[test]
    fn an_early_end_is_told_with_its_last_words() {
        let mut process = shell("echo no configuration >&2; exit 7");
        let error = process.wait_for_line("ready", SOON).unwrap_err().to_string();
        assert!(error.contains("exit status: 7") && error.contains("| no configuration"), "{error}");
    }

    #[test]
    fn kill9_ends_what_it_started_too() {
        let mut process = shell("sleep 60 & echo $!; wait");
        let child = process.wait_for_line("", SOON).unwrap();
        process.kill9().unwrap();
        assert!(is_gone(&child));
    }

    #[test]
    fn what_it_leaves_behind_ends_with_it() {
        let mut process = shell("sleep 60 & echo $!");
        let child = process.wait_for_line("", SOON).unwrap();
        assert!(process.wait(SOON).unwrap().success());
        assert!(is_gone(&child));
    }

    #[test]
    fn one_that_ignores_sigterm_is_killed_in_the_end() {
        let mut process = shell("trap '' TERM; echo deaf; while :; do sleep 0.1; done");
        process.wait_for_line("deaf", SOON).unwrap();
        let status = process.terminate().unwrap();
        assert!(!status.success());
    }

    #[test]
    fn dropping_ends_it() {
        let process = shell("sleep 60");
        let pid = process.pid().to_string();
        drop(process);
        assert!(is_gone(&pid));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Process::spawn("x", Command::new("sipp-that-is-not-there")).unwrap_err().to_string();
        assert!(error.contains("`sipp-that-is-not-there` is not installed"), "{error}");
    }

    /// Gone, or dead and only waiting to be noticed by whoever inherits orphans.
    fn is_gone(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    }
}
