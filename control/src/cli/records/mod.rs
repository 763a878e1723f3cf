//! `undertone records`.

mod form;

use std::{io::stdout, path::PathBuf};

use clap::ValueEnum;
use jiff::Timestamp;

use super::{export, run::CONFIG_DEFAULT};
use crate::{
    daemon::read_config,
    failure::Failure,
    storage::{Filter, Reader},
    when::time,
};

/// Calls that the table shows unless another number is given.
const TABLE_LIMIT: usize = 50;

/// Show the records of calls that are over, the newest first, or export them
///
/// They are read from the database file, whether or not a daemon is running. TALK is the time from the answer to the end;
/// MOS is the worst of the call's streams, by ITU-T G.107.
///
/// CSV is RFC 4180 with a line of headings, the streams of each party taken together: sums of packets, and the worst
/// jitter and MOS. A text that a spreadsheet would take for a formula has ' in front. JSON Lines has an object for each
/// call, with all its streams. Times are RFC 3339 in UTC; durations are milliseconds after the call began.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone records --since 2h
  undertone records --number 4711 --since 2026-11-01 --until 2026-12-01 --format csv | gzip > november.csv.gz
  undertone records --peer carrier --format jsonl | jq 'select(.status >= 500)'")]
pub(super) struct Args {
    /// Calls that began then or later: 2026-11-26, 2026-11-26T08:00:00Z, or how long ago: 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Calls that began earlier
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    /// Calls in which this number or extension called, was dialled, or was reached
    #[arg(long)]
    number: Option<String>,

    /// Calls with a party at this peer
    #[arg(long)]
    peer: Option<String>,

    /// At most so many [default: 50 in the table, all in the other formats]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// How they are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// The configuration that names the database
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,

    /// The database, instead of the one that the configuration names
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    database: Option<PathBuf>,
}

/// How records are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// Comma-separated values
    Csv,
    /// A JSON object a line
    Jsonl,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let database = match &args.database {
        Some(database) => database.clone(),
        None => read_config(&args.config)?.storage.path,
    };
    let limit = args.limit.or((args.format == Format::Table).then_some(TABLE_LIMIT));
    let filter =
        Filter { since: args.since, until: args.until, number: args.number.clone(), peer: args.peer.clone(), limit };
    let reader = Reader::open(&database)?;
    let calls = reader.calls(filter);
    let out = stdout().lock();
    match args.format {
        Format::Table => form::table(calls, out),
        Format::Csv => form::csv(calls, out),
        Format::Jsonl => export::jsonl(calls, out),
    }
}
