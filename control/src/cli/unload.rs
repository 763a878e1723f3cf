//! `undertone unload`.

use std::path::{Path, PathBuf};

use undertone_control_core::config::PINS_DEFAULT;
use undertone_dataplane::Dataplane;

use super::{client::Client, output::print};
use crate::{
    failure::{Exit, Failure},
    protocol::{Answer, Request},
};

/// Detach and remove the pinned programs and tables that a daemon has left
///
/// This ends every stream in them. It is the way out when a new build cannot take over the tables of an old one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  undertone unload --yes")]
pub(super) struct Args {
    /// The folder that `media.pins` of the configuration names
    #[arg(long, value_name = "DIR", default_value = PINS_DEFAULT)]
    pins: PathBuf,

    /// Yes, end the streams
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args, daemon: Result<Client, Failure>) -> Result<(), Failure> {
    let pins = args.pins.display();
    if let Ok(client) = daemon
        && is_used(client, &args.pins)
    {
        return Err(Failure::new(format!("a running daemon uses what is pinned in {pins}"))
            .with_way_out("stop the daemon first, or start it with --unload-on-exit and stop it then"));
    }
    if !args.yes {
        return Err(Failure::new(format!("this ends every stream that the programs pinned in {pins} forward"))
            .with_way_out("say `undertone unload --yes` to do it")
            .with_exit(Exit::Wrong));
    }
    match Dataplane::unload(&args.pins) {
        Ok(true) => print(&format!("removed what was pinned in {pins}\n")),
        Ok(false) => print(&format!("nothing is pinned in {pins}\n")),
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

/// Whether a daemon has its tables there.
fn is_used(mut client: Client, pins: &Path) -> bool {
    matches!(client.ask(&Request::Status), Ok(Answer::Status(status)) if status.pins.as_deref() == Some(pins))
}
