//! Benchmarks: what this machine can carry, and what others carry on it.
//!
//! Every number is taken in rounds. A round measures each row once, so that whatever else the machine does falls on
//! all rows alike, and ratios are taken within a round.

#![deny(unsafe_code)]

mod allocator;
mod calls;
mod dataplane;
mod machine;
mod mixer;
mod report;
mod rounds;
mod sip;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The daemon's, and it counts for what is measured.
#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// Measures what this machine can carry.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    Calls(calls::Options),
    Dataplane(dataplane::Options),
    Mixer(mixer::Options),
    Sip(sip::Options),
}

fn main() -> Result<()> {
    match Cli::parse().bench {
        Bench::Calls(options) => calls::run(&options),
        Bench::Dataplane(options) => dataplane::run(&options),
        Bench::Mixer(options) => mixer::run(&options),
        Bench::Sip(options) => sip::run(&options),
    }
}
