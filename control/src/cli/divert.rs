//! `undertone divert`.

use clap::ValueEnum;

use super::client::Client;
use crate::{
    failure::Failure,
    protocol::{PortName, Request},
};

/// Send a stream through the mixer, or back onto its fast path
///
/// While the mixer is not alive, a diverted stream is forwarded as if it were not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undertone divert on 20000\n  undertone divert off 192.0.2.10:20000")]
pub(super) struct Args {
    /// Through the mixer, or not
    #[arg(value_enum)]
    state: State,

    /// The media port that the stream arrives at: PORT, or IP:PORT where several addresses have it
    port: PortName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    On,
    Off,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    client.order(&Request::Divert { port: args.port, on: args.state == State::On })
}
