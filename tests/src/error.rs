//! What can go wrong in a lab, told so that the reader of a failed test knows what to do.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the lab could not do what a test asked of it.
#[derive(thiserror::Error)]
pub enum Error {
    /// The process lacks capabilities; root has them.
    #[error("{what} needs {capabilities}: run as root, or leave out the tests under `privileged`")]
    NotPermitted {
        /// What was to be done.
        what: String,
        /// The capabilities that are missing.
        capabilities: String,
    },
    /// A program of the system is not installed.
    #[error("`{program}` is not installed: it comes with the package {package}")]
    MissingTool {
        /// The program.
        program: String,
        /// The Debian package that brings it.
        package: String,
    },
    /// A program ran and reported failure.
    #[error("`{line}` failed ({status}): {output}")]
    Command {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote, errors first.
        output: String,
    },
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The refusal.
        source: io::Error,
    },
    /// A condition did not come true in time.
    #[error("waited {waited:?} in vain for {what}{seen}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// What was there instead, or nothing.
        seen: String,
    },
    /// What a test tried out said no.
    #[error("{0}")]
    Other(String),
    /// A program ended while something was still expected of it.
    #[error("{process} ended ({status}) before {expected}{output}")]
    Ended {
        /// The program's label.
        process: String,
        /// How it ended.
        status: ExitStatus,
        /// What was expected.
        expected: String,
        /// Its last lines.
        output: String,
    },
    /// The test asked for something that cannot be.
    #[error("{0}")]
    Invalid(String),
}

/// A test that returns an error prints it with `Debug`, so that is the sentence too.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Names what was being done when the operating system refused.
pub(crate) trait Doing<T> {
    /// Turns a refusal into [`Error::Io`]; the text is made only then.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { doing: what(), source: error.into() })
    }
}
