//! `sip`: what a call costs an element, in time on a core, in memory and in delay.
//!
//! The product and its peer (Kamailio with rtpengine) stand each between the same two parties, in networks of their own
//! that look the same, and are measured in turn. The load and the element share the machine's cores. Calls have no
//! sound: the product forwards it in XDP, whose time is no process's. Load and elements have the highest of the ordinary
//! priorities, so that little of what else the machine does falls on them.

mod element;
mod load;
mod rows;
mod scene;
mod targets;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::rows::{Elements, Extent};
use crate::{
    machine, report,
    rounds::{self, Row},
};

/// Files that a process may have open, if the system grants them.
const FILES: u64 = 100_000;

/// Measure signalling: what a call costs, beside what it costs Kamailio with rtpengine.
///
/// Calls are INVITE, 180, 200, ACK, BYE, with media anchored and no sound. `cpu-per-call` is the time that all threads
/// and processes of an element run, over calls placed at 200 a second. `setups-per-second` is the highest rate at which
/// no call fails and nothing has to be sent again. `setup-delay-p99` is the 99th percentile of INVITE to 200 at 100
/// calls a second, less what it is without an element. `memory-10k-calls` is what 10,000 calls that are up add to the
/// resident memory of an element that was just started; a page that several processes share counts once. Where the
/// system grants fewer files than rtpengine needs for them, its number is taken from fewer calls.
#[derive(Args)]
pub(crate) struct Options {
    /// Also write the rows to FILE, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Measure only these rows; a ratio needs both of its rows.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    rows: Vec<String>,

    /// Rounds: how often each row is measured.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Calls of one measurement of time.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    calls: u64,

    /// Calls at once in one measurement of memory, up to 15,000; the number is for 10,000.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=15_000))]
    concurrent: u64,

    /// How long a rate has to be sustained, in seconds.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS")]
    seconds: f64,

    /// Take turns with whatever else the machine does, instead of running before it: the numbers are then of both.
    #[arg(long)]
    polite: bool,
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !(options.seconds > 0.0 && options.seconds <= 60.0) {
        bail!("--seconds takes more than 0, up to 60");
    }
    let _first = if options.polite { None } else { Some(machine::go_before_others()?) };
    println!("{}", machine::facts());
    let mut rows = prepare(options)?;
    let (outcomes, failures) = rounds::measure(&mut rows, options.runs.into())?;
    println!("{}", report::table(&outcomes));
    for verdict in targets::verdicts(&outcomes) {
        println!("{verdict}");
    }
    println!("{}", machine::facts());
    if let Some(path) = &options.json {
        let lines = report::json_lines("sip", &outcomes)?;
        fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))?;
    }
    failures.check()
}

fn prepare(options: &Options) -> Result<Vec<Row>> {
    let Options { calls, concurrent, seconds, .. } = *options;
    let extent = Extent { calls, concurrent, files: files()?, seconds };
    let mut elements = Elements::default();
    rounds::prepare(rows::ALL, &options.rows, |plan| plan.prepare(&mut elements, extent))
}

/// How many files a process that is started from here may have open: as many as can be had.
fn files() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // More than the system's bound takes a privilege of its own, which containers may lack.
    if hard < FILES && setrlimit(Resource::RLIMIT_NOFILE, FILES, FILES).is_ok() {
        return Ok(FILES);
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}
