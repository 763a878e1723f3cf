//! `cargo xtask bench`: measures, in the same run, the product and what it is compared with.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::command;
use crate::ebpf;
use crate::portal;
use crate::project::Project;
use crate::setup;

/// Run a benchmark, such as `dataplane`, and print its table.
///
/// Installs what is missing, the relays it compares with included, and builds everything first.
#[derive(Args)]
pub(crate) struct Options {
    /// Which benchmark; `help` lists them.
    name: String,

    /// Also write the rows to FILE, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    json: Option<String>,

    /// Also draw the rows as a chart into FILE.
    #[arg(long, value_name = "FILE")]
    svg: Option<String>,

    /// Passed on to the benchmark.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Options {
    /// The command line of the benchmark program.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec![self.name.as_str()];
        for (flag, file) in [("--json", &self.json), ("--svg", &self.svg)] {
            if let Some(file) = file {
                arguments.extend([flag, file]);
            }
        }
        arguments.extend(self.args.iter().map(String::as_str));
        arguments
    }
}

pub(crate) fn run(options: &Options, project: &Project) -> Result<()> {
    setup::prepare(&setup::Need::bench(), project)?;
    if let Some(missing) = ebpf::build_if_possible(project)? {
        eprintln!("the XDP path is not measured: {missing}");
    }
    // Nobody looks at the page, but what is measured is the program that has it.
    portal::build_if_possible(project)?;
    project.build_release()?;
    command::run(Command::new(project.release_binary("undertone-bench")).args(options.arguments()))
}
