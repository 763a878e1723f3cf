//! What an operator types: one file per command.

mod audit;
mod calls;
mod capture;
mod check;
mod client;
mod copy;
mod divert;
mod drain;
mod export;
mod monitor;
mod output;
mod password;
mod peers;
mod recording;
mod records;
mod relay;
mod reload;
mod run;
mod status;
mod streams;
#[cfg(test)]
mod tests;
mod unload;
mod users;
mod values;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use undertone_control_core::config::SOCKET_DEFAULT;

pub(crate) use self::audit::csv as audit_csv;
use self::client::Client;
use crate::failure::Failure;

/// Relays the media of telephone calls, in the kernel where it can, and copies any stream to monitor ports.
///
/// `undertone run` is the daemon. The other commands speak with it over its control socket, and all that list something
/// take `--json`.
#[derive(Debug, Parser)]
#[command(name = "undertone", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
struct Cli {
    /// The daemon's control socket [default: /run/undertone/undertone.sock]
    ///
    /// Commands look for the daemon there; `undertone run` listens there instead of at the `control.socket` of its
    /// configuration.
    #[arg(
        long,
        global = true,
        env = "UNDERTONE_SOCKET",
        value_name = "PATH",
        hide_env_values = true,
        display_order = 900
    )]
    socket: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  undertone check --config /etc/undertone/undertone.toml
  undertone run --config /etc/undertone/undertone.toml
  undertone status
  undertone streams --watch
  undertone capture 20000 --both -w call.pcap

Exit status:
  0  done
  1  it could not be done
  2  wrong usage, or a wrong configuration
  3  no daemon answers on the control socket";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Reload(reload::Args),
    Status(status::Args),
    Streams(streams::Args),
    Calls(calls::Args),
    Peers(peers::Args),
    Users(users::Args),
    Hangup(calls::HangupArgs),
    Monitors(monitor::ListArgs),
    Monitor(monitor::Args),
    Recordings(recording::ListArgs),
    Record(recording::Args),
    Drain(drain::Args),
    Capture(capture::Args),
    Records(records::Args),
    #[command(subcommand)]
    Audit(audit::Command),
    #[command(subcommand)]
    Relay(relay::Command),
    #[command(subcommand)]
    Copy(copy::Command),
    Divert(divert::Args),
    Unload(unload::Args),
    Password(password::Args),
}

/// Does what the command line says.
pub(crate) fn run() -> Result<(), Failure> {
    let Cli { socket, command } = Cli::parse();
    let connect = || Client::connect(socket.as_deref().unwrap_or(SOCKET_DEFAULT.as_ref()));
    match command {
        Command::Run(args) => run::run(args, socket),
        Command::Check(args) => check::run(&args),
        Command::Reload(args) => reload::run(&args, connect()?),
        Command::Status(args) => status::run(&args, connect()?),
        Command::Streams(args) => streams::run(&args, connect()?),
        Command::Calls(args) => calls::run(&args, connect()?),
        Command::Peers(args) => peers::run(&args, connect()?),
        Command::Users(args) => users::run(&args, connect()?),
        Command::Hangup(args) => calls::hang_up(args, connect()?),
        Command::Monitors(args) => monitor::list(&args, connect()?),
        Command::Monitor(args) => monitor::run(args, connect()?),
        Command::Recordings(args) => recording::list(&args, connect()?),
        Command::Record(args) => recording::run(args, connect()?),
        Command::Drain(args) => drain::run(&args, connect()?),
        Command::Capture(args) => capture::run(&args, connect()?),
        Command::Records(args) => records::run(&args),
        Command::Audit(command) => audit::run(&command),
        Command::Relay(command) => relay::run(&command, connect()?),
        Command::Copy(command) => copy::run(&command, connect()?),
        Command::Divert(args) => divert::run(&args, connect()?),
        Command::Unload(args) => unload::run(&args, connect()),
        Command::Password(args) => password::run(&args),
    }
}
