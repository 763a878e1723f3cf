//! `undertone reload`.

use super::{
    client::{Client, unexpected},
    output::{print, print_lines},
};
use crate::{
    failure::Failure,
    protocol::{Answer, Request},
};

/// Make the daemon read its configuration again
///
/// Relays that are new are added, those that changed are changed, those that are gone are removed; everything else runs
/// on untouched. A wrong configuration changes nothing, and the exit status is then 2.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, mut client: Client) -> Result<(), Failure> {
    match client.ask(&Request::Reload)? {
        Answer::Done { did } if did.is_empty() => print("nothing had to change\n"),
        Answer::Done { did } => print_lines(&did),
        other => Err(unexpected(&other)),
    }
}
