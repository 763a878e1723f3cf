//! Log lines, on standard error.

use std::{env, io};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line of text each, without time under systemd, whose journal has its own.
    #[default]
    Text,
    /// A JSON object each.
    Json,
}

/// The environment variable that says what is logged, as `tracing_subscriber::EnvFilter` reads it.
const FILTER: &str = "UNDERTONE_LOG";

/// Begins to log.
pub(super) fn start(format: Format) {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        Format::Json => lines.json().flatten_event(true).init(),
        Format::Text if env::var_os("JOURNAL_STREAM").is_some() => lines.with_ansi(false).without_time().init(),
        Format::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
    }
}
