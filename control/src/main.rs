//! Undertone's program: the daemon, and the commands that speak with it.
//!
//! [`daemon`] is `undertone run`; [`cli`] is everything an operator types; [`protocol`] is what they say to each other;
//! [`storage`] is what stays of calls; [`http`] is what machines are told;
//! [`names`] looks up the DNS names of peers.

#![forbid(unsafe_code)]

mod cli;
mod daemon;
mod failure;
mod http;
mod monitor;
mod names;
mod pcap;
mod portal;
mod protocol;
mod receiver;
mod recording;
mod sip;
mod storage;
mod when;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", failure.text());
            ExitCode::from(&failure)
        }
    }
}
