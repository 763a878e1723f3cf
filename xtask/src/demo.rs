//! `cargo xtask demo`: the product at work in a lab on this machine.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Error, Result};
use clap::Args;

use crate::ebpf;
use crate::portal;
use crate::project::{Project, is_root};
use crate::setup;

/// Show the appliance at work: one telephone calls another through it, and a supervisor listens, whispers and joins.
///
/// Installs what is missing and builds everything first. Without root the lab runs over `io_uring` only.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave a call running with the supervisors' page to try in a browser, until Ctrl-C.
    #[arg(long)]
    portal: bool,

    /// Passed on to the demo; `-- --help` shows what it knows.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(options: &Options, project: &Project) -> Result<()> {
    setup::prepare(&setup::Need::demo(), project)?;
    if let Some(missing) = ebpf::build_if_possible(project)? {
        eprintln!("the XDP path is not shown: {missing}");
    } else if !is_root() {
        eprintln!("the XDP path is not shown: loading XDP programs needs root");
    }
    if let Some(missing) = portal::build_if_possible(project)? {
        eprintln!("the portal has no page: {missing}");
    }
    project.build_release()?;
    // In place of this process, so that Ctrl-C and the exit status are the demo's own.
    let demo = project.release_binary("undertone-demo");
    let not_started = Command::new(&demo).args(options.portal.then_some("--portal")).args(&options.args).exec();
    Err(Error::new(not_started).context(format!("cannot start {}", demo.display())))
}
