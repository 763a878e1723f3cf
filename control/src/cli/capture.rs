//! `undertone capture`.

use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal as _, Write, stderr, stdout},
    path::{Path, PathBuf},
    pin::pin,
    time::{Duration, Instant},
};

use clap::value_parser;
use tokio::{io::AsyncReadExt as _, net::UnixStream, signal::ctrl_c, time::sleep};

use super::{
    client::{Client, unexpected},
    output::{duration, grouped},
};
use crate::{
    failure::Failure,
    pcap::Records,
    protocol::{Answer, PortName, Request},
};

/// How often the progress line is drawn.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Longer than any capture.
const FOR_EVER: Duration = Duration::from_hours(100 * 365 * 24);

/// Write what arrives at a media port into a pcap file
///
/// Packets in the XDP path never reach tcpdump. This makes the data plane copy the stream to the daemon meanwhile, so
/// that it keeps its fast path. The file has each packet as it arrived: from the party's address, to the media port; its
/// link type is raw IP. It is whole at any moment, and ends with Ctrl-C, with --count, with --seconds, or with the
/// stream.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone capture 20000 -w call.pcap
  undertone capture 192.0.2.10:20000 --both --seconds 30 -w call.pcap
  undertone capture 20000 -w - | tshark -r - -d udp.port==20000,rtp")]
pub(super) struct Args {
    /// The media port that the stream arrives at: PORT, or IP:PORT where several addresses have it
    #[arg(value_name = "PORT|IP:PORT")]
    port: PortName,

    /// The file to write; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    write: PathBuf,

    /// End after this many packets
    #[arg(long, short, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after this many seconds
    #[arg(long, short, value_name = "N", value_parser = value_parser!(u64).range(1..=31_536_000))]
    seconds: Option<u64>,

    /// Take what arrives at the other end of the relay too
    #[arg(long)]
    both: bool,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    let to_stdout = args.write == Path::new("-");
    if to_stdout && stdout().is_terminal() {
        return Err(Failure::new("a pcap file on a terminal helps nobody")
            .with_way_out("name a file with -w FILE, or pipe it on"));
    }
    match client.ask(&Request::Capture { port: args.port, both: args.both })? {
        Answer::Capture { .. } => {}
        other => return Err(unexpected(&other)),
    }
    let file: Box<dyn Write> = if to_stdout { Box::new(stdout()) } else { Box::new(create(&args.write)?) };
    let failed = |error: io::Error| Failure::new(format!("cannot read from the daemon: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let mut capture = Capture::new(file, args);
    let outcome = runtime.block_on(async {
        let (stream, unread) = client.into_stream();
        stream.set_nonblocking(true).map_err(failed)?;
        let stream = UnixStream::from_std(stream).map_err(failed)?;
        capture.run(stream, &unread, args.seconds).await
    });
    capture.progress.end(&args.write);
    outcome
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| {
        Failure::new(format!("cannot write {}: {error}", path.display())).with_way_out("name another file with -w FILE")
    })
}

/// A capture on its way into a file.
struct Capture {
    file: Box<dyn Write>,
    records: Records,
    packets_left: u64,
    progress: Progress,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Wants {
    More,
    NoMore,
}

impl Capture {
    fn new(file: Box<dyn Write>, args: &Args) -> Self {
        let packets_left = args.count.unwrap_or(u64::MAX);
        Self { file, records: Records::default(), packets_left, progress: Progress::begin() }
    }

    async fn run(&mut self, mut stream: UnixStream, unread: &[u8], seconds: Option<u64>) -> Result<(), Failure> {
        let mut end = pin!(sleep(seconds.map_or(FOR_EVER, Duration::from_secs)));
        let mut interrupt = pin!(ctrl_c());
        let mut buffer = vec![0; READ_BYTES];
        let mut wants = self.take(unread)?;
        while wants == Wants::More {
            tokio::select! {
                read = stream.read(&mut buffer) => {
                    let length = read.map_err(|error| Failure::new(format!("the connection to the daemon broke: {error}")))?;
                    if length == 0 {
                        self.progress.note("the stream ended, or the daemon did");
                        return Ok(());
                    }
                    wants = self.take(&buffer[..length])?;
                }
                () = &mut end => return Ok(()),
                _ = &mut interrupt => return Ok(()),
                () = sleep(PROGRESS_INTERVAL) => self.progress.draw(),
            }
        }
        Ok(())
    }

    /// Writes what has become whole.
    fn take(&mut self, bytes: &[u8]) -> Result<Wants, Failure> {
        self.records.push(bytes);
        let whole = self.records.take(self.packets_left);
        let (bytes, packets) = whole.map_err(|_| Failure::new("what the daemon sends is no capture"))?;
        match self.file.write_all(&bytes).and_then(|()| self.file.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Wants::NoMore),
            written => written.map_err(|error| Failure::new(format!("cannot write the capture: {error}")))?,
        }
        self.packets_left = self.packets_left.saturating_sub(packets);
        self.progress.add(packets);
        Ok(if self.packets_left == 0 { Wants::NoMore } else { Wants::More })
    }
}

/// The line that counts packets, on standard error.
struct Progress {
    packets: u64,
    began: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    fn begin() -> Self {
        Self { packets: 0, began: Instant::now(), drawn: None }
    }

    fn add(&mut self, packets: u64) {
        self.packets += packets;
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= PROGRESS_INTERVAL) {
            self.draw();
        }
    }

    fn draw(&mut self) {
        if stderr().is_terminal() {
            eprint!("\r{}\x1b[K", self.text());
            self.drawn = Some(Instant::now());
        }
    }

    fn note(&self, what: &str) {
        eprintln!("{}{what}", self.fresh_line());
    }

    fn end(&self, file: &Path) {
        let to = if file == Path::new("-") { String::new() } else { format!(" in {}", file.display()) };
        eprintln!("{}{}{to}", self.fresh_line(), self.text());
    }

    fn text(&self) -> String {
        let packets = if self.packets == 1 { "packet" } else { "packets" };
        format!("{} {packets}, {}", grouped(self.packets), duration(self.began.elapsed().as_millis() as u64))
    }

    const fn fresh_line(&self) -> &'static str {
        if self.drawn.is_some() { "\r\x1b[K" } else { "" }
    }
}
