//! `undertone audit`: what was written down of monitoring.

mod form;
mod verify;

use std::{io::stdout, path::PathBuf};

use clap::{ValueEnum, builder::PossibleValuesParser};
use jiff::Timestamp;
use undertone_control_core::audit::What;

pub(crate) use self::form::csv;
use super::{export, output::print_json, run::CONFIG_DEFAULT};
use crate::{
    daemon::read_config,
    failure::{Exit, Failure},
    storage::{AuditFilter, Reader},
    when::time,
};

/// Rows that the table shows unless another number is given.
const TABLE_LIMIT: usize = 50;

/// Show, check or export the audit: who has monitored whom, who was refused, and what was configured of it
///
/// It is read from the database file, whether or not a daemon is running. Each of its rows has a SHA-256 over the row before
/// and everything that stands in it, so that one cannot be changed, removed or moved without all later ones. `verify` says
/// whether that was done.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    List(List),
    Verify(verify::Args),
    Export(Export),
}

/// Show the newest rows, the last first
///
/// WHAT was done BY whom, and from where where no user did it; ON whom; and in a refused row the REASON why. Everything else of a
/// row, like details and its hash, is in --json.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone audit list --since 2h
  undertone audit list --extension 100 --what refused
  undertone audit list --who ann --limit 10
  undertone audit list --session 00c0ffee00c0ffee --json | jq -r '.[].mode'")]
pub(super) struct List {
    #[command(flatten)]
    which: Which,

    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Export rows, the oldest first
///
/// JSON Lines has an object for each row, with all that its hash is over: what is verified there is what was written.
/// CSV is RFC 4180 with a line of headings; a text that a spreadsheet would take for a formula has ' in front.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone audit export --format csv --since 2026-11-01 --until 2026-12-01 | gzip > november.csv.gz
  undertone audit export --format jsonl | gzip > audit.jsonl.gz")]
pub(super) struct Export {
    #[command(flatten)]
    which: Which,

    /// How they are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How rows are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values
    Csv,
    /// A JSON object a line
    #[default]
    Jsonl,
}

/// Which rows.
#[derive(Debug, clap::Args)]
struct Which {
    /// Those of then or later: 2026-11-26, 2026-11-26T08:00:00Z, or how long ago: 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Those of earlier
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    /// What a user, an extension or an address has done
    #[arg(long, value_name = "NAME|EXTENSION|ADDRESS")]
    who: Option<String>,

    /// What this user has done, or was done to them
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The same of an extension
    #[arg(long)]
    extension: Option<String>,

    /// Those of one kind
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(What::ALL.map(What::key)))]
    what: Option<String>,

    /// Those of a call: the digits of its name, or the first of them
    #[arg(long, value_name = "ID", value_parser = id)]
    call: Option<String>,

    /// Those of a monitor session, likewise
    #[arg(long, value_name = "ID", value_parser = id)]
    session: Option<String>,

    /// Those with a lower number: what goes on behind the last row that was shown
    #[arg(long, value_name = "ROW")]
    before: Option<u64>,

    /// At most so many [default: 50 in the list, all in exports]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    database: Database,
}

/// Which database.
#[derive(Debug, clap::Args)]
struct Database {
    /// The configuration that names the database
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,

    /// The database, instead of the one that the configuration names
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    database: Option<PathBuf>,
}

impl Database {
    fn open(&self) -> Result<Reader, Failure> {
        let path = match &self.database {
            Some(database) => database.clone(),
            None => read_config(&self.config)?.storage.path,
        };
        Ok(Reader::open(&path)?)
    }
}

impl Which {
    /// Whether any row can be meant at all.
    fn check(&self) -> Result<(), Failure> {
        let (Some(since), Some(until)) = (self.since, self.until) else { return Ok(()) };
        if since < until {
            return Ok(());
        }
        Err(Failure::new("--until is not later than --since, and there can be no row between them")
            .with_way_out("exchange them: --since 2h --until 1h is the hour before the last")
            .with_exit(Exit::Wrong))
    }

    fn filter(&self, oldest_first: bool, usual: Option<usize>) -> AuditFilter {
        AuditFilter {
            since: self.since,
            until: self.until,
            who: self.who.clone(),
            user: self.user.clone(),
            extension: self.extension.clone(),
            what: self.what.clone(),
            call: self.call.clone(),
            session: self.session.clone(),
            before: self.before,
            limit: self.limit.or(usual),
            oldest_first,
        }
    }
}

/// The name of a call or of a session, or the beginning of one.
fn id(text: &str) -> Result<String, String> {
    let is_id = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wrong = || "a name has 16 hexadecimal digits, of which the first are enough, like 00c0ffee".to_owned();
    if is_id { Ok(text.to_ascii_lowercase()) } else { Err(wrong()) }
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(List { which, json }) => {
            which.check()?;
            let reader = which.database.open()?;
            let rows = reader.audit(which.filter(false, Some(TABLE_LIMIT)));
            if *json {
                return print_json(&rows.collect::<Result<Vec<_>, _>>()?);
            }
            form::table(rows, stdout().lock())
        }
        Command::Verify(args) => verify::run(args),
        Command::Export(Export { which, format }) => {
            which.check()?;
            let reader = which.database.open()?;
            let rows = reader.audit(which.filter(true, None));
            match format {
                Format::Csv => csv(rows, stdout().lock()),
                Format::Jsonl => export::jsonl(rows, stdout().lock()),
            }
        }
    }
}
