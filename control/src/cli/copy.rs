//! `undertone copy`.

use std::net::SocketAddr;

use super::client::Client;
use crate::{
    failure::Failure,
    protocol::{PortName, Request},
};

/// Begin or end copies of a stream
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Send a copy of a stream to a UDP port too
    ///
    /// The copy lasts until it is ended or its relay is; reloading the configuration leaves it alone.
    #[command(after_help = "Example:\n  undertone copy add 20000 203.0.113.5:9000")]
    Add(Args),
    /// End a copy of a stream
    #[command(after_help = "Example:\n  undertone copy remove 20000 203.0.113.5:9000")]
    Remove(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The media port that the stream arrives at: PORT, or IP:PORT where several addresses have it
    port: PortName,

    /// Where the copy goes, IP:PORT
    to: SocketAddr,
}

pub(super) fn run(command: &Command, mut client: Client) -> Result<(), Failure> {
    client.order(&match command {
        Command::Add(Args { port, to }) => Request::AddCopy { port: *port, to: *to },
        Command::Remove(Args { port, to }) => Request::RemoveCopy { port: *port, to: *to },
    })
}
