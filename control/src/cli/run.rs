//! `undertone run`.

use std::path::PathBuf;

use crate::{
    daemon::{self, LogFormat},
    failure::Failure,
};

/// Run the daemon: forward what the configuration says, and answer the other commands
///
/// The log, on standard error, begins with the path that the packets of each interface take, and why. Relays that an
/// earlier daemon left running are taken over. SIGHUP (or `undertone reload`) reads the configuration again: a wrong
/// one changes nothing. SIGTERM ends the daemon; pinned programs go on forwarding until the next one takes over.
///
/// `UNDERTONE_LOG` says what is logged (default: info). Where `NOTIFY_SOCKET` is set, systemd is told when the daemon is
/// ready, reloading, stopping and alive (`Type=notify-reload`, `WatchdogSec=`).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  undertone run --config /etc/undertone/undertone.toml")]
pub(super) struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,

    /// End all streams and remove the programs when the daemon ends (for labs)
    #[arg(long)]
    unload_on_exit: bool,

    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// The configuration file unless one is named.
pub(super) const CONFIG_DEFAULT: &str = "/etc/undertone/undertone.toml";

pub(super) fn run(args: Args, socket: Option<PathBuf>) -> Result<(), Failure> {
    let Args { config, unload_on_exit, log_format } = args;
    daemon::run(&daemon::Options { config, socket, unload_on_exit, log_format })
}
