//! `dataplane`: packets per second through one core, by path and by load.

mod driver;
mod forwarding;
mod memory;
mod rows;
mod rule_write;
mod tables;
mod targets;
mod user_space;

#[path = "../../../ebpf/src/bench/traffic.rs"]
mod traffic;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::rows::Site;
use crate::{
    machine,
    report::{self, Outcomes},
    rounds,
};

/// Measure the data plane: packets per second on one core.
///
/// Frames are generated, forwarded, copied and counted in the kernel, all on one core, over veth pairs in a network
/// namespace that ends with the benchmark. Each row is measured once a round; ratios are taken within a round.
#[derive(Args)]
pub(crate) struct Options {
    /// Also write the rows to FILE, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Also draw the rows as a chart into FILE.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Measure only these rows; a ratio needs both of its rows.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    rows: Vec<String>,

    /// Rounds: how often each row is measured.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// How long one measurement takes, in seconds.
    #[arg(long, default_value_t = 0.4, value_name = "SECONDS")]
    seconds: f64,

    /// The core that is measured. The last one unless told otherwise.
    #[arg(long)]
    core: Option<usize>,
}

impl Options {
    fn check(&self) -> Result<()> {
        if !(self.seconds > 0.0 && self.seconds <= 60.0) {
            bail!("--seconds takes more than 0, up to 60");
        }
        Ok(())
    }
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    options.check()?;
    let cores = std::thread::available_parallelism()?.get();
    let core = options.core.unwrap_or(cores - 1);
    let site = Site { seconds: options.seconds, beside: if core == 0 { cores - 1 } else { 0 } };
    machine::pin(core)?;
    machine::go_first()?;
    let memory = memory::measure()?;
    let mut rows = rounds::prepare(rows::ALL, &options.rows, |plan| plan.prepare(&site))?;
    let (outcomes, failures) = rounds::measure(&mut rows, options.runs.into())?;
    println!("{}", report::table(&outcomes));
    println!("{memory}");
    for verdict in targets::verdicts(&outcomes, &memory) {
        println!("{verdict}");
    }
    write(options, &outcomes)?;
    failures.check()
}

fn write(options: &Options, outcomes: &Outcomes) -> Result<()> {
    if let Some(path) = &options.json {
        let lines = report::json_lines("dataplane", outcomes)?;
        fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &options.svg {
        let references = ["bare-redirect", "bare-cold", "rtpengine-user"];
        let chart = report::chart("Undertone's data plane", outcomes, &references);
        fs::write(path, chart).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
