//! `mixer`: what a supervisor at a call costs, in time and in delay.
//!
//! The data plane runs in this process with its mixer, in a network namespace; telephones by the thousand run on another
//! core, on the far side of three links, and send real RTP: a caller, an agent and a supervisor for each call. The time of
//! threads is counted apart: of the appliance's, and of the telephones'. What the kernel does in XDP and for its sockets on
//! behalf of a packet is the time of whoever has sent it: the telephones pay for what they send, up to the mixer's sockets,
//! and the mixer for what it sends, up to the telephones'.

mod appliance;
mod network;
mod peer;
mod phones;
mod rows;
mod targets;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::rows::{Extent, Site};
use crate::{
    machine::{self, Standstill},
    report, rounds,
};

/// How long it is looked whether the core is ours.
const STANDSTILL: Duration = Duration::from_secs(2);

/// Measure the mixer: latency, sessions and time on a core, under calls in real time.
///
/// Every session is a supervisor with a call of its own, G.711 in packets of 20 ms. `whisper-latency-p50` and `-p99` are what
/// the mixer adds to a packet from the party to whom nobody whispers: from when it is sent to when the kernel takes it in at
/// the other's, less the median of what goes straight on meanwhile, the other way. `whisper-sessions-per-core` and
/// `listen-sessions-per-core` are the most sessions that one core carries while no packet is lost and, where they whisper, the
/// added p99 stays below 2 ms; where they listen, what they hear comes no more than half a packet late. The telephones have a
/// core, and may be what limits: then it is said. `listen-cpu-per-call` divides the time of the appliance's threads for a
/// listened call by that of rtpengine's for a call that it forwards. `mode-change` is the time from the only packet of the
/// shortest key (RFC 4733) to the first packet in which the agent hears the supervisor, while others whisper.
/// `allocations-per-packet` counts what the appliance's threads that packets go through ask of the allocator.
#[derive(Args)]
pub(crate) struct Options {
    /// Also write the rows to FILE, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Measure only these rows.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    rows: Vec<String>,

    /// Rounds: how often each row is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Sessions at which latency is measured, and at which the searches begin.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: u32,

    /// Sessions up to which the searches go.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions_max: u32,

    /// Calls at which the time for one, and of a change of mode, is measured.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=5_000))]
    calls: u16,

    /// Changes of mode in one measurement.
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    changes: u32,

    /// How long one measurement takes, in seconds.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    seconds: f64,

    /// The core of the mixer. The last one unless told otherwise.
    #[arg(long)]
    core: Option<usize>,

    /// Take turns with whatever else the machine does, instead of running before it: the numbers are then of both.
    #[arg(long)]
    polite: bool,
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !(options.seconds > 0.0 && options.seconds <= 60.0) {
        bail!("--seconds takes more than 0, up to 60");
    }
    let cores = std::thread::available_parallelism()?.get();
    let core = options.core.unwrap_or(cores - 1);
    let _first = if options.polite { None } else { Some(machine::go_before_others()?) };
    machine::pin(core)?;
    println!("{}", machine::facts());
    println!("{}", Standstill::look(STANDSTILL));
    let site = Site::new(Extent {
        sessions: options.sessions,
        sessions_max: options.sessions_max,
        calls: options.calls,
        changes: options.changes,
        duration: Duration::from_secs_f64(options.seconds),
        beside: if core == 0 { cores - 1 } else { 0 },
    });
    let mut rows = rounds::prepare(rows::ALL, &options.rows, |plan| plan.prepare(&site))?;
    let outcomes = rounds::measure(&mut rows, options.runs.into());
    for note in site.notes() {
        println!("{note}");
    }
    let (outcomes, failures) = outcomes?;
    println!("{}", report::table(&outcomes));
    for verdict in targets::verdicts(&outcomes, options.sessions) {
        println!("{verdict}");
    }
    println!("{}", machine::facts());
    if let Some(path) = &options.json {
        let lines = report::json_lines("mixer", &outcomes)?;
        fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))?;
    }
    failures.check()
}
