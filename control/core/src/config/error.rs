//! What is wrong with a configuration.

use std::fmt;

/// Problems shown before the rest is only counted.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Why a text is no configuration: at least one [`Problem`], in the order of lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line it stands in, from 1.
    pub line: usize,
    /// The key, with the sections it stands in: `media.ports`. Empty when the text is no TOML.
    pub key: String,
    /// What is there, and what was expected.
    pub wrong: String,
    /// The way out.
    pub way_out: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.complaint(), self.way_out)
    }
}

impl Problem {
    /// Where it is and what is wrong, without the way out.
    pub fn complaint(&self) -> String {
        match self.key.as_str() {
            "" => format!("line {}: {}", self.line, self.wrong),
            key => format!("line {}, `{key}`: {}", self.line, self.wrong),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{problem}")?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(formatter, "\nand {more} more"),
        }
    }
}
