//! The demo, run as its users run it.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use undertone_tests::{
    Result,
    lab::{Process, require_privilege},
    speech::{SAMPLE_RATE, read_stereo_wav, say, similarity},
};

use crate::daemon::program::undertone;

/// Longer than a call of [`SECONDS`] each over IPv4 and IPv6 can take, with all that is built around it.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How long each call lasts: enough for both parties to have said something.
const SECONDS: usize = 3;

/// Packets of a stream in that time, at least.
const PACKETS: u64 = SECONDS as u64 * 50;

/// Silence before the parties speak and between the calls, at most, in samples.
const SILENCE: usize = 6 * SAMPLE_RATE as usize;

mod privileged {
    use std::{fs, process::Command};

    use undertone_tests::Result;

    use super::{Demo, Process, TIMEOUT, undertone};

    #[test]
    fn a_call_is_routed_and_crosses_in_native_xdp_and_what_was_heard_is_kept() -> Result<()> {
        Demo::run(Command::new(super::DEMO), "native")?.check("xdp-native")
    }

    #[test]
    fn an_interrupt_takes_everything_down() -> Result<()> {
        let directory = tempfile::tempdir().expect("a directory can be made");
        undertone()?;
        let mut command = Command::new(super::DEMO);
        command.arg("--out").arg(directory.path());
        let mut demo = Process::spawn("the demo", command)?;
        demo.wait_for_line("s of speech, in real time", TIMEOUT)?;
        let owner = format!("ut{}-", demo.pid());
        assert!(namespaces_of(&owner) > 0);
        demo.signal(nix::sys::signal::Signal::SIGINT)?;
        assert_eq!(demo.wait(TIMEOUT)?.code(), Some(130));
        assert_eq!(namespaces_of(&owner), 0);
        Ok(())
    }

    fn namespaces_of(owner: &str) -> usize {
        let names = fs::read_dir("/run/netns").expect("the lab has made namespaces");
        names.flatten().filter(|name| name.file_name().to_string_lossy().starts_with(owner)).count()
    }
}

#[test]
fn without_privilege_a_call_is_routed_and_crosses_sockets_and_that_is_said() -> Result<()> {
    let demo = Demo::run(unprivileged(), "fastest")?;
    demo.check("io-uring")?;
    assert!(demo.lines.iter().any(|line| line.starts_with("Not exercised: XDP")), "{:#?}", demo.lines);
    Ok(())
}

#[test]
fn xdp_without_privilege_is_refused_with_the_way_out() -> Result<()> {
    let mut command = unprivileged();
    let directory = tempfile::tempdir().expect("a directory can be made");
    command.args(["--path", "native", "--out"]).arg(directory.path());
    let mut demo = Process::spawn("the demo", command)?;
    demo.wait_for_line("run as root, or choose `--path io-uring`", TIMEOUT)?;
    assert_eq!(demo.wait(TIMEOUT)?.code(), Some(1));
    Ok(())
}

const DEMO: &str = env!("CARGO_BIN_EXE_undertone-demo");

/// The demo, without any privilege that this process may have.
fn unprivileged() -> Command {
    if require_privilege("dropping privileges").is_err() {
        return Command::new(DEMO);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", DEMO]);
    command
}

/// A run that has ended well.
struct Demo {
    lines: Vec<String>,
    directory: TempDir,
}

/// Something that was said in a call.
struct Line<'a> {
    call: usize,
    at_s: f64,
    party: &'a str,
    words: &'a str,
}

impl Demo {
    fn run(mut command: Command, path: &str) -> Result<Self> {
        // It stands beside the demo, which starts it.
        undertone()?;
        let directory = tempfile::tempdir().expect("a directory can be made");
        command.args(["--path", path, "--seconds", &SECONDS.to_string(), "--out"]).arg(directory.path());
        command.arg("--json").arg(directory.path().join("streams.json"));
        let mut demo = Process::spawn("the demo", command)?;
        let status = demo.wait(TIMEOUT)?;
        assert!(status.success(), "{status}");
        demo.wait_for_line("All that was said arrived", TIMEOUT)?;
        Ok(Self { lines: demo.lines(), directory })
    }

    fn check(&self, path: &str) -> Result<()> {
        let calls = self.check_streams(path);
        self.check_commands(calls);
        for port in [1, 2] {
            self.check_recording(&self.directory.path().join(format!("monitor-port-{port}.wav")), calls)?;
        }
        Ok(())
    }

    /// Holds the JSON against what must have crossed, and gives how many calls there were.
    fn check_streams(&self, path: &str) -> usize {
        let json = fs::read_to_string(self.directory.path().join("streams.json")).expect("the table was written");
        let streams: Vec<Value> =
            json.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        let names: Vec<_> = streams.iter().map(|stream| (stream["from"].as_str(), stream["ip"].as_u64())).collect();
        let expected = [("caller", 4), ("agent", 4), ("caller", 6), ("agent", 6)];
        // The loopback interface has one IPv6 address only, and shows one call.
        let count = if path == "io-uring" { 2 } else { 4 };
        assert_eq!(names, expected[..count].iter().map(|(from, ip)| (Some(*from), Some(*ip))).collect::<Vec<_>>());
        for stream in &streams {
            assert_eq!(stream["path"], path);
            let copied: Vec<_> = [0, 1].iter().map(|port| stream["copied"][port].as_u64()).collect();
            assert!(copied.iter().all(|copied| *copied >= Some(PACKETS)), "{stream}");
            assert!(copied.iter().all(|copied| *copied <= stream["packets"].as_u64()), "{stream}");
            assert_eq!((&stream["loss_percent"], &stream["identical"]), (&0.0.into(), &true.into()), "{stream}");
            assert!(stream["speech_heard"].as_f64() > Some(0.95) && stream["mos"].as_f64() > Some(4.0), "{stream}");
            assert!(stream["speech_copied"].as_f64() > Some(0.99), "{stream}");
        }
        count / 2
    }

    /// The operator's commands are shown with what they said: the configuration, each call, its copies, its record.
    fn check_commands(&self, calls: usize) {
        let count = |text: &str| self.lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!([count("$ undertone run "), count("[[route]]"), count("$ undertone records")], [1, calls, 1]);
        assert_eq!([count("$ undertone calls"), count("$ undertone copy add")], [calls, 4 * calls]);
        assert_eq!(count("  200  Normal Clearing  caller"), calls, "a record of each call");
    }

    /// Looks for all that was said in a recording, in its order.
    fn check_recording(&self, file: &Path, calls: usize) -> Result<()> {
        let channels = read_stereo_wav(file)?;
        let length = channels[0].len();
        assert!(
            (calls * SECONDS * SAMPLE_RATE as usize..calls * (SILENCE + SECONDS * 8000)).contains(&length),
            "{length}"
        );
        let lines = self.transcript();
        assert!(lines.len() >= 2 * calls, "each party says something in each call");
        let mut begins = Vec::new();
        for line in lines {
            let (voice, channel) = if line.party == "caller" { ("en-us+f3", 0) } else { ("en-gb", 1) };
            let mut spoken = say(voice, line.words)?;
            spoken.truncate(SAMPLE_RATE as usize / 2);
            // Calls are equally long, and begin alike.
            let [begin, end] = [line.call, line.call + 1].map(|call| call * length / calls);
            let found = similarity(&spoken, &channels[channel][begin..end], length);
            assert!(found.score > 0.99, "{}: {found:?}", line.words);
            begins.push((line.call, found.lag as f64 / f64::from(SAMPLE_RATE) - line.at_s));
        }
        // Telephones begin when they hear that they are connected: one a moment after the other.
        for pair in begins.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            assert!((pair[0].1 - pair[1].1).abs() < 0.5, "{begins:?}");
        }
        Ok(())
    }

    /// What the demo says was said, of which at least half a second was.
    fn transcript(&self) -> Vec<Line<'_>> {
        let mut call = 0;
        let mut said = Vec::new();
        for line in &self.lines {
            call += usize::from(line.starts_with("call, IPv6"));
            if let Some(line) = said_in(call, line)
                && line.at_s + 0.5 <= SECONDS as f64
            {
                said.push(line);
            }
        }
        said
    }
}

/// Reads a line like ` 2.3 s  caller  Hi Sam.`.
fn said_in(call: usize, line: &str) -> Option<Line<'_>> {
    let (at_s, rest) = line.trim_start().split_once(" s  ")?;
    let (party, words) = rest.split_once(' ')?;
    let at_s = at_s.parse().ok()?;
    Some(Line { call, at_s, party, words: words.trim_start() })
}
