//! Running the system's own tools, with errors that name the tool, its package and what it said.

use std::io;
use std::process::{Command, Output};

use crate::{Error, Result};

/// Runs `ip` with these arguments, split at spaces.
pub(super) fn ip(arguments: &str) -> Result<String> {
    run_tool(Command::new("ip").args(arguments.split(' ')))
}

/// Runs a command to its end and gives what it wrote to its standard output.
pub(crate) fn run_tool(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| not_started(command, error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command { line: line_of(command), status: output.status, output: last_words(&output) })
}

/// The error of a command that did not even start.
pub(super) fn not_started(command: &Command, error: io::Error) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    // A user who may not read every directory of PATH is told EACCES rather than ENOENT.
    let is_missing = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
    if is_missing && !program.contains('/') {
        return Error::MissingTool { package: package_of(&program).to_owned(), program };
    }
    Error::Io { doing: format!("starting `{}`", line_of(command)), source: error }
}

/// The command line, for messages.
pub(super) fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn last_words(output: &Output) -> String {
    let text = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// The Debian package of a program; most are named like it.
fn package_of(program: &str) -> &str {
    match program {
        "ip" | "tc" | "ss" => "iproute2",
        "nsenter" | "setpriv" => "util-linux",
        "baresip" => "baresip-core",
        "sipp" => "sip-tester",
        "dnsmasq" => "dnsmasq-base",
        "chromedriver" => "chromium-driver",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let error = not_started(&Command::new("tc"), io::ErrorKind::NotFound.into()).to_string();
        assert!(error.contains("`tc`") && error.contains("iproute2"), "{error}");
    }

    #[test]
    fn a_failed_command_says_what_it_said() {
        let error = run_tool(Command::new("sh").args(["-c", "echo no luck >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("no luck") && error.contains("exit status: 3"), "{error}");
    }
}
