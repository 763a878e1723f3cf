//! Running other programs: with their output passed through, kept for the case of failure, or read.

use std::error::Error;
use std::fmt;
use std::process::{Command, Output, Stdio};

use anyhow::Result;

use crate::project::Project;

/// How much of a failed program's output its error shows.
const OUTPUT_LINES_MAX: usize = 40;

/// Runs `command` with its output passed through.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|e| cannot_start(command, &e))?;
    if !status.success() {
        return Err(Failure::new(command, status.to_string(), String::new()).into());
    }
    Ok(())
}

/// Runs `command` and shows its output only if it fails, or if the user wants to see everything.
///
/// Returns what it wrote, empty when it was shown.
pub(crate) fn run_quietly(project: &Project, command: &mut Command) -> Result<String, Failure> {
    if project.verbose {
        let status = command.status().map_err(|e| cannot_start(command, &e))?;
        if status.success() {
            return Ok(String::new());
        }
        return Err(Failure::new(command, status.to_string(), String::new()));
    }
    let output = capture(command)?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(Failure::new(command, output.status.to_string(), text));
    }
    Ok(text)
}

/// What `command` writes to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String, Failure> {
    let output = capture(command)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::new(command, output.status.to_string(), text));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn capture(command: &mut Command) -> Result<Output, Failure> {
    command.stdin(Stdio::null()).output().map_err(|e| cannot_start(command, &e))
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(command, format!("cannot be started: {error}"), String::new())
}

/// A program that did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    command: String,
    reason: String,
    /// What it wrote, where that was not shown already.
    pub(crate) output: String,
}

impl Failure {
    fn new(command: &Command, reason: String, output: String) -> Self {
        Self { command: describe(command), reason, output }
    }
}

impl Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.command, self.reason)?;
        for line in last_lines(&self.output, OUTPUT_LINES_MAX) {
            write!(f, "\n  | {line}")?;
        }
        Ok(())
    }
}

/// The command as one would type it, its program without the folder.
fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str())];
    words.extend(command.get_args());
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn last_lines(text: &str, count: usize) -> impl Iterator<Item = &str> {
    let surplus = text.lines().count().saturating_sub(count);
    text.lines().skip(surplus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_command_and_shows_what_it_wrote() {
        let error = read(Command::new("/bin/sh").args(["-c", "echo no such tune >&2; exit 3"]))
            .expect_err("the command exits with 3");
        assert_eq!(error.to_string(), "`sh -c echo no such tune >&2; exit 3`: exit status: 3\n  | no such tune");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("undertone-no-such-program")).expect_err("not there");
        let text = error.to_string();
        assert!(text.starts_with("`undertone-no-such-program`: cannot be started: "), "{text}");
    }

    #[test]
    fn only_the_end_of_a_long_output_is_shown() {
        let lines: Vec<_> = last_lines("1\n2\n3\n4\n", 2).collect();
        assert_eq!(lines, ["3", "4"]);
        assert_eq!(last_lines("1\n", 2).count(), 1);
    }
}
