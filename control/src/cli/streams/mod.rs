//! `undertone streams`.

mod view;

use std::{
    cmp::Reverse,
    collections::HashMap,
    io::{IsTerminal as _, stdout},
    net::SocketAddr,
    thread::sleep,
    time::{Duration, Instant},
};

use clap::ValueEnum;

use self::view::{Rates, view};
use super::{
    client::{Client, unexpected},
    output::{print, print_json},
};
use crate::{
    failure::Failure,
    protocol::{Answer, PortName, Request, Stream},
};

/// How often `--watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Puts the cursor home and clears the screen below it.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Show the streams: where they come from and go, and how they arrive
///
/// A relay is two streams, one for each direction, and each is named by the media port that it arrives at. SOURCE says
/// whether the address that packets come from is final (locked), may still be replaced (learning), or has not been seen
/// (-). STRANGERS counts packets from anybody else; they are dropped. FLAGS: hold (its party is on hold, it goes to
/// copies only), divert (it goes through the mixer). MOS is by ITU-T G.107, for G.711 with concealment.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone streams
  undertone streams --watch --sort mos
  undertone streams 20000 --json | jq '.[0].jitter_ms'")]
pub(super) struct Args {
    /// Only those that arrive at these media ports: PORT, or IP:PORT where several addresses have it
    #[arg(value_name = "PORT")]
    ports: Vec<PortName>,

    /// Show them again every second, with packets per second
    #[arg(long, short)]
    watch: bool,

    /// Which come first
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,

    /// Print them as JSON, with everything that is known of them; with --watch, a line a second
    #[arg(long)]
    json: bool,
}

/// Which streams come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The lowest port
    #[default]
    Port,
    /// The worst sound
    Mos,
    /// The most loss
    Loss,
    /// The most jitter
    Jitter,
    /// The longest silence
    Idle,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    let mut rates = Rates::default();
    let mut before: Option<Look> = None;
    loop {
        let look = Look::new(&mut client, args)?;
        if let Some(before) = &before {
            rates = look.rates_since(before);
        }
        show(&look.streams, args, &rates)?;
        if !args.watch {
            return Ok(());
        }
        before = Some(look);
        sleep(WATCH_INTERVAL);
    }
}

/// The streams at one moment.
struct Look {
    at: Instant,
    streams: Vec<Stream>,
}

impl Look {
    fn new(client: &mut Client, args: &Args) -> Result<Self, Failure> {
        let mut streams = match client.ask(&Request::Streams { ports: args.ports.clone() })? {
            Answer::Streams(streams) => streams,
            other => return Err(unexpected(&other)),
        };
        sort(&mut streams, args.sort);
        Ok(Self { at: Instant::now(), streams })
    }

    fn rates_since(&self, before: &Self) -> Rates {
        let packets: HashMap<SocketAddr, u64> = before.streams.iter().map(|it| (it.port, it.packets)).collect();
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        let rate = |it: &Stream| {
            let since = it.packets.checked_sub(*packets.get(&it.port)?)?;
            Some((it.port, since as f64 / seconds))
        };
        self.streams.iter().filter_map(rate).collect()
    }
}

fn sort(streams: &mut [Stream], by: Sort) {
    // Those of which nothing is known come last.
    match by {
        Sort::Port => streams.sort_by_key(|it| it.port),
        Sort::Mos => streams.sort_by(|one, other| one.mos.unwrap_or(9.0).total_cmp(&other.mos.unwrap_or(9.0))),
        Sort::Loss => streams.sort_by(|one, other| other.loss_percent.total_cmp(&one.loss_percent)),
        Sort::Jitter => streams.sort_by(|one, other| other.jitter_ms.total_cmp(&one.jitter_ms)),
        Sort::Idle => streams.sort_by_key(|it| Reverse(it.idle_ms)),
    }
}

fn show(streams: &[Stream], args: &Args, rates: &Rates) -> Result<(), Failure> {
    if args.json {
        return print_json(&streams);
    }
    let rates = args.watch.then_some(rates);
    if args.watch && stdout().is_terminal() {
        let rows_max = terminal_size::terminal_size().map_or(24, |(_, height)| height.0);
        let text = view(streams, rates, Some(usize::from(rows_max)));
        return print(&format!("{CLEAR}{text}"));
    }
    print(&view(streams, rates, None))
}
