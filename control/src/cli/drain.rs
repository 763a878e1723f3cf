//! `undertone drain`.

use super::client::Client;
use crate::{failure::Failure, protocol::Request};

/// Take no new calls: those that run go on until their parties end them
///
/// What comes is refused with 503 and Retry-After, so that carriers try another of their routes. `undertone calls` shows
/// what is left.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undertone drain\n  undertone drain --end")]
pub(super) struct Args {
    /// Take new calls again
    #[arg(long)]
    end: bool,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    client.order(&Request::Drain { on: !args.end })
}
