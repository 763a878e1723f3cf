//! `undertone relay`.

use std::net::SocketAddr;

use undertone_core::{Clock, Dscp, Kind, Policy};

use super::{client::Client, values};
use crate::{
    failure::Failure,
    protocol::{EndSpec, PortName, RelaySpec, Request},
};

/// Begin, change or end relays beside those of the configuration
///
/// A relay carries media between two parties, a and b: what a sends to its local port leaves from b's local port to b,
/// and the other way round. One that is added here lasts until it is removed or the configuration needs its ports; where
/// programs are pinned, also through restarts of the daemon.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Begin a relay
    #[command(after_help = "\
Example:
  undertone relay add --a-local 192.0.2.10:20000 --a-peer 198.51.100.7:4000 \\
                      --b-local 192.0.2.10:20002 --b-peer 198.51.100.99:6000 --b-learn latch --rtcp")]
    Add(Args),
    /// Change the relay between two media ports, all of it, with its counters and copies going on
    ///
    /// What is not said is as when it is left out of `undertone relay add`.
    #[command(after_help = "\
Example (party a on hold):
  undertone relay change --a-local 192.0.2.10:20000 --a-peer 198.51.100.7:4000 --a-hold \\
                         --b-local 192.0.2.10:20002 --b-peer 198.51.100.99:6000")]
    Change(Args),
    /// End a relay, both directions
    #[command(after_help = "Example:\n  undertone relay remove 20000 --rtcp")]
    Remove {
        /// One of its two media ports: PORT, or IP:PORT where several addresses have it
        port: PortName,

        /// End the relay at the next port too
        #[arg(long)]
        rtcp: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The media port that party a sends to
    #[arg(long, value_name = "IP:PORT", help_heading = "Party a")]
    a_local: SocketAddr,

    /// Where party a is
    #[arg(long, value_name = "IP:PORT", help_heading = "Party a")]
    a_peer: SocketAddr,

    /// Who may send, when packets come from elsewhere
    #[arg(long, value_name = "POLICY", default_value = "strict", value_parser = values::named::<Policy>(), help_heading = "Party a")]
    a_learn: Policy,

    /// The code point (DSCP) of packets to party a, by number or name; left out, packets keep theirs
    #[arg(long, value_name = "DSCP", value_parser = values::dscp, help_heading = "Party a")]
    a_dscp: Option<Dscp>,

    /// Party a is on hold: what it sends goes nowhere but to copies
    #[arg(long, help_heading = "Party a")]
    a_hold: bool,

    /// The media port that party b sends to
    #[arg(long, value_name = "IP:PORT", help_heading = "Party b")]
    b_local: SocketAddr,

    /// Where party b is
    #[arg(long, value_name = "IP:PORT", help_heading = "Party b")]
    b_peer: SocketAddr,

    /// Who may send, when packets come from elsewhere
    #[arg(long, value_name = "POLICY", default_value = "strict", value_parser = values::named::<Policy>(), help_heading = "Party b")]
    b_learn: Policy,

    /// The code point (DSCP) of packets to party b, by number or name; left out, packets keep theirs
    #[arg(long, value_name = "DSCP", value_parser = values::dscp, help_heading = "Party b")]
    b_dscp: Option<Dscp>,

    /// Party b is on hold: what it sends goes nowhere but to copies
    #[arg(long, help_heading = "Party b")]
    b_hold: bool,

    /// What the ports carry
    #[arg(long, default_value = "rtp", value_parser = values::named::<Kind>())]
    kind: Kind,

    /// The clock rate of the payload, for jitter and MOS
    #[arg(long, value_name = "HZ", default_value = "8000", value_parser = values::clock)]
    clock: Clock,

    /// Do the same for the RTCP between the next ports
    #[arg(long)]
    rtcp: bool,
}

impl Args {
    fn relay(&self) -> RelaySpec {
        RelaySpec {
            a: EndSpec {
                local: self.a_local,
                peer: self.a_peer,
                learn: self.a_learn,
                sends: !self.a_hold,
                dscp: self.a_dscp,
            },
            b: EndSpec {
                local: self.b_local,
                peer: self.b_peer,
                learn: self.b_learn,
                sends: !self.b_hold,
                dscp: self.b_dscp,
            },
            kind: self.kind,
            clock: self.clock,
        }
    }
}

pub(super) fn run(command: &Command, mut client: Client) -> Result<(), Failure> {
    client.order(&request(command))
}

pub(super) fn request(command: &Command) -> Request {
    match command {
        Command::Add(args) => Request::AddRelay { relay: args.relay(), rtcp: args.rtcp },
        Command::Change(args) => Request::ChangeRelay { relay: args.relay(), rtcp: args.rtcp },
        Command::Remove { port, rtcp } => Request::RemoveRelay { port: *port, rtcp: *rtcp },
    }
}
