//! What an operator asks for.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use super::{media::Codec, uac::Extent};

const EXAMPLES: &str = "\
Examples:
  One call a second for a minute through a proxy that routes 1000 to us at port 5090:
    undertone-bench calls --target 192.0.2.10:5060 --local 192.0.2.20:5080 --uas 192.0.2.20:5090 \\
        --for 1m --rate 1 --number 1000

  2,000 calls of 30 s, 100 a second, 500 at once at most, with a report to look at:
    undertone-bench calls --target 192.0.2.10 --uas 192.0.2.20:5090 --calls 2000 --rate 100 \\
        --duration 30s --concurrent 500 --html calls.html

  Two machines; the one that answers runs until Ctrl-C:
    undertone-bench calls --only uas --uas 192.0.2.30:5060 --ringing 2000
    undertone-bench calls --only uac --target 192.0.2.10 --calls 100 --rate 10

  Signalling alone, without any proxy in between:
    undertone-bench calls --target 127.0.0.1:5090 --uas 127.0.0.1:5090 --calls 1000 --rate 200 --no-rtp

Ctrl-C ends the running calls with BYE and prints the report; a second Ctrl-C does not wait for the answers.
One-way latency is measured where both ends are on this machine.";

/// Place calls through a SIP element, with sound in real time, and report how they went.
///
/// A caller and, with --uas, an answering side that the target is expected to route the calls to. The exit status is 1
/// when more calls fail than --max-failures.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, after_help = "More, with examples: --help")]
pub(crate) struct Options {
    /// Where INVITEs are sent: the element under test. The port is 5060 unless given.
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "only")]
    target: Option<String>,

    /// Answer calls at this address, which the target routes the called number to.
    #[arg(long, value_name = "IP:PORT")]
    uas: Option<SocketAddr>,

    /// The caller's own address [default: the one that the way to the target has, any port].
    #[arg(long, value_name = "IP:PORT")]
    local: Option<SocketAddr>,

    /// Run one side only; the other one is on another machine.
    #[arg(long, value_name = "SIDE")]
    only: Option<Only>,

    /// How many calls to place.
    #[arg(long, value_name = "N", conflicts_with = "time", value_parser = clap::value_parser!(u64).range(1..))]
    calls: Option<u64>,

    /// For how long to place calls, like 90s or 10m.
    #[arg(long = "for", id = "time", value_name = "DURATION", value_parser = duration)]
    time: Option<Duration>,

    /// Calls a second.
    #[arg(long, value_name = "R", default_value_t = 10.0)]
    rate: f64,

    /// How long a call is held once it is answered.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    duration: Duration,

    /// Calls at once at most; further ones wait.
    #[arg(long, value_name = "MAX", value_parser = clap::value_parser!(u64).range(1..))]
    concurrent: Option<u64>,

    /// The called number; {n} is the number of the call, from 1.
    #[arg(long, value_name = "PATTERN", default_value = "1000")]
    number: String,

    /// The caller's number; {n} is the number of the call.
    #[arg(long, value_name = "PATTERN", default_value = "undertone-bench")]
    from: String,

    /// What is heard: a WAV file of 8 kHz, mono, 16 bit or G.711, from the start over and over [default: a made-up voice].
    #[arg(long, value_name = "FILE", conflicts_with = "no_rtp")]
    wav: Option<PathBuf>,

    /// Set up and end calls without any sound.
    #[arg(long)]
    no_rtp: bool,

    /// The codec that is offered.
    #[arg(long, value_name = "CODEC", default_value = "pcmu")]
    codec: Codec,

    /// How long the answering side rings, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    ringing: u64,

    /// How many calls may fail before the exit status says so.
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_failures: u64,

    /// Also write the report to FILE, as one JSON object.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Also write the report to FILE, as a page with charts that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// The calling side.
    Uac,
    /// The answering side.
    Uas,
}

/// What is to be done, checked.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The calling side; `None` when it is on another machine.
    pub(super) caller: Option<Caller>,
    /// Where calls are answered; `None` when that is on another machine.
    pub(super) uas: Option<SocketAddr>,
    /// How long it rings there.
    pub(super) ringing: Duration,
    /// What is offered.
    pub(super) codec: Codec,
    /// Whether there is sound.
    pub(super) rtp: bool,
    /// What is heard; `None` for the voice that is built in.
    pub(super) wav: Option<PathBuf>,
    /// How many calls may fail.
    pub(super) failures_max: u64,
    /// Where the report goes as JSON.
    pub(super) json: Option<PathBuf>,
    /// Where the report goes as a page.
    pub(super) html: Option<PathBuf>,
}

/// What is asked of the calling side.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// As it was written.
    pub(super) target_name: String,
    /// Where INVITEs go.
    pub(super) target: SocketAddr,
    /// Our address; port 0 for any.
    pub(super) local: SocketAddr,
    /// How many calls.
    pub(super) extent: Extent,
    /// Calls a second.
    pub(super) rate: f64,
    /// How long a call is held.
    pub(super) hold: Duration,
    /// Calls at once at most.
    pub(super) concurrent_max: u64,
    /// The called number.
    pub(super) number: String,
    /// The caller's.
    pub(super) from: String,
}

impl Options {
    /// Checks what stands together.
    pub(super) fn check(&self) -> Result<Job> {
        if self.only == Some(Only::Uas) && self.uas.is_none() {
            bail!("--only uas needs the address to answer at: add --uas IP:PORT");
        }
        let uas = self.uas.filter(|_| self.only != Some(Only::Uac));
        if let Some(uas) = uas.filter(|uas| uas.ip().is_unspecified()) {
            bail!(
                "--uas {uas} names no address that the other side could send to: name the one that the target routes to"
            );
        }
        let caller = if self.only == Some(Only::Uas) { None } else { Some(self.caller()?) };
        Ok(Job {
            caller,
            uas,
            ringing: Duration::from_millis(self.ringing),
            codec: self.codec,
            rtp: !self.no_rtp,
            wav: self.wav.clone(),
            failures_max: self.max_failures,
            json: self.json.clone(),
            html: self.html.clone(),
        })
    }

    fn caller(&self) -> Result<Caller> {
        let Some(name) = &self.target else {
            bail!("there is nobody to call: add --target HOST:PORT");
        };
        let extent = match (self.calls, self.time) {
            (Some(calls), _) => Extent::Calls(calls),
            (None, Some(time)) => Extent::Time(time),
            (None, None) => bail!("say how many calls to place: --calls N, or --for DURATION"),
        };
        if !(self.rate > 0.0 && self.rate <= 100_000.0) {
            bail!("--rate {} is no rate: it takes more than 0, up to 100000 calls a second", self.rate);
        }
        for (option, pattern) in [("--number", &self.number), ("--from", &self.from)] {
            check_number(option, pattern)?;
        }
        let target = resolve(name)?;
        Ok(Caller {
            target_name: name.clone(),
            target,
            local: self.local_towards(target)?,
            extent,
            rate: self.rate,
            hold: self.duration,
            concurrent_max: self.concurrent.unwrap_or(u64::MAX),
            number: self.number.clone(),
            from: self.from.clone(),
        })
    }

    fn local_towards(&self, target: SocketAddr) -> Result<SocketAddr> {
        match self.local {
            Some(local) if local.is_ipv4() != target.is_ipv4() => {
                bail!("--local {local} and --target {target} are of different IP versions: give both of the same")
            }
            Some(local) if !local.ip().is_unspecified() => Ok(local),
            local => Ok(SocketAddr::new(way_to(target)?, local.map_or(0, |local| local.port()))),
        }
    }
}

/// The address that the way to `target` has on this machine.
fn way_to(target: SocketAddr) -> Result<IpAddr> {
    let any: IpAddr = if target.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let look = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(target)?;
        Ok(socket.local_addr()?.ip())
    };
    look().with_context(|| format!("there is no way to {target} from here: check the address and the routes"))
}

fn resolve(name: &str) -> Result<SocketAddr> {
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if let Ok(ip) = ip {
        return Ok(SocketAddr::new(ip, 5060));
    }
    let with_port = if name.contains(':') { name.to_owned() } else { format!("{name}:5060") };
    let mut found = with_port.to_socket_addrs().with_context(|| {
        format!("--target {name} is not found: give HOST:PORT, with a name that resolves or an address")
    })?;
    let found = found.next().with_context(|| format!("--target {name} has no address"))?;
    if found.ip().is_unspecified() || found.port() == 0 {
        bail!("--target {name} cannot be sent to: give the element's own address and port");
    }
    Ok(found)
}

fn check_number(option: &str, pattern: &str) -> Result<()> {
    let plain = pattern.replace("{n}", "1");
    let is_user = |char: char| char.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/%".contains(char);
    if plain.is_empty() || !plain.chars().all(is_user) {
        bail!(
            "{option} {pattern:?} is no number: it takes the user part of a SIP URI, in which {{n}} is the call's number"
        );
    }
    Ok(())
}

/// Reads 30, 30s, 500ms, 5m or 1h.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let scale = match text.get(digits.len()..) {
        Some("" | "s") => 1.0,
        Some("ms") => 1e-3,
        Some("m") => 60.0,
        Some("h") => 3600.0,
        _ => return Err("a time looks like 500ms, 30s, 5m or 1h".to_owned()),
    };
    match digits.parse::<f64>().map(|number| number * scale) {
        Ok(seconds) if (0.0..=1e7).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a time looks like 500ms, 30s, 5m or 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn check(line: &str) -> Result<Job, String> {
        let words = std::iter::once("calls").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        cli.options.check().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_wrong_is_refused_with_a_way_out() {
        let table = [
            ("", "--target"),
            ("--target 127.0.0.1:5060", "--calls N"),
            ("--target 127.0.0.1 --calls 1 --for 1s", "cannot be used with"),
            ("--target 127.0.0.1 --calls 0", "invalid value '0'"),
            ("--target 127.0.0.1 --calls 1 --rate 0", "--rate 0"),
            ("--target 127.0.0.1 --calls 1 --duration 5x", "500ms, 30s"),
            ("--target 127.0.0.1 --calls 1 --number a@b", "--number"),
            ("--target 127.0.0.1 --calls 1 --local [::1]:0", "different IP versions"),
            ("--target 0.0.0.0:5060 --calls 1", "own address"),
            ("--target 127.0.0.1 --calls 1 --codec opus", "pcmu, pcma"),
            ("--target 127.0.0.1 --calls 1 --uas 0.0.0.0:5060", "--uas 0.0.0.0:5060"),
            ("--only uas", "--uas IP:PORT"),
            ("--only uac --calls 1", "--target"),
            ("--target 127.0.0.1 --calls 1 --wav a.wav --no-rtp", "cannot be used with"),
        ];
        for (line, word) in table {
            let told = check(line).unwrap_err();
            assert!(told.contains(word), "{line}: {told}");
        }
    }

    #[test]
    fn sides_run_where_they_are_asked_for() {
        let both = check("--target 127.0.0.1:5070 --calls 1 --uas 127.0.0.1:5090").unwrap();
        assert!(both.uas.is_some() && both.caller.is_some_and(|caller| caller.local.ip().is_loopback()));
        let uas = check("--only uas --uas 127.0.0.1:5090").unwrap();
        assert!(uas.caller.is_none());
        let uac = check("--only uac --target 127.0.0.1 --for 2m --uas 127.0.0.1:5090").unwrap();
        assert!(uac.uas.is_none() && uac.caller.is_some_and(|caller| caller.target.port() == 5060));
    }

    #[test]
    fn times_have_units() {
        let table = [("30", 30.0), ("1.5s", 1.5), ("250ms", 0.25), ("2m", 120.0), ("1h", 3600.0)];
        for (text, seconds) in table {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "NaN"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
