//! The demo, run as its users run it.

use std::{fs, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use undertone_tests::{
    Result,
    lab::{Process, require_privilege},
    speech::{SAMPLE_RATE, likeness, read_wav, say},
};

use crate::daemon::program::undertone;

/// Longer than the call can take, with all that is built around it and looked for in it.
const TIMEOUT: Duration = Duration::from_mins(4);

/// Packets that a party sends in the call, at least.
const PACKETS: u64 = 2_000;

/// Everybody, and their voices.
const PEOPLE: [(&str, &str); 3] = [("caller", "en-us+f3"), ("agent", "en-gb"), ("supervisor", "en-gb-scotland+f4")];

/// What happens in the call: the mode, and whom the caller, the agent and the supervisor hear then.
const ACTS: [(Option<&str>, [&[&str]; 3]); 7] = [
    (None, [&["agent"], &["caller"], &[]]),
    (Some("listen"), [&["agent"], &["caller"], &["caller", "agent"]]),
    (Some("whisper"), [&["agent"], &["caller", "supervisor"], &["caller", "agent"]]),
    (Some("barge"), [&["agent", "supervisor"], &["caller", "supervisor"], &["caller", "agent"]]),
    (Some("whisper-caller"), [&["agent", "supervisor"], &["caller"], &["caller", "agent"]]),
    (Some("listen"), [&["agent"], &["caller"], &["caller", "agent"]]),
    (None, [&["agent"], &["caller"], &[]]),
];

mod privileged {
    use std::{fs, process::Command};

    use undertone_tests::Result;

    use super::{Demo, Process, TIMEOUT, undertone};

    #[test]
    fn a_call_is_monitored_in_native_xdp_and_what_everybody_heard_is_kept() -> Result<()> {
        Demo::run(Command::new(super::DEMO), "native")?.check("xdp-native")
    }

    #[test]
    fn an_interrupt_takes_everything_down() -> Result<()> {
        let directory = tempfile::tempdir().expect("a directory can be made");
        undertone()?;
        let mut command = Command::new(super::DEMO);
        command.arg("--out").arg(directory.path());
        let mut demo = Process::spawn("the demo", command)?;
        demo.wait_for_line("s, in real time", TIMEOUT)?;
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
fn without_privilege_a_call_is_monitored_over_sockets_and_that_is_said() -> Result<()> {
    let demo = Demo::run(unprivileged(), "fastest")?;
    demo.check("io-uring")?;
    assert!(demo.lines.iter().any(|line| line.starts_with("Not exercised: XDP")), "{:#?}", demo.lines);
    Ok(())
}

#[test]
fn the_portal_is_there_until_an_interrupt() -> Result<()> {
    undertone()?;
    let mut command = Command::new(DEMO);
    command.arg("--portal");
    let mut demo = Process::spawn("the demo", command)?;
    let line = demo.wait_for_line("The portal is at https://", TIMEOUT)?;
    let at = line.split("https://").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default().to_owned();
    demo.wait_for_line("Sign in with the password", TIMEOUT)?;
    assert!(std::net::TcpStream::connect(&at).is_ok(), "{at}");
    demo.signal(nix::sys::signal::Signal::SIGINT)?;
    assert_eq!(demo.wait(TIMEOUT)?.code(), Some(0));
    assert!(std::net::TcpStream::connect(&at).is_err(), "{at}");
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

/// Something that was said in the call.
struct Line<'a> {
    /// The number of its act.
    act: usize,
    at_s: f64,
    person: &'a str,
    words: &'a str,
}

impl Demo {
    fn run(mut command: Command, path: &str) -> Result<Self> {
        // It stands beside the demo, which starts it.
        undertone()?;
        let directory = tempfile::tempdir().expect("a directory can be made");
        command.args(["--path", path, "--out"]).arg(directory.path());
        command.arg("--json").arg(directory.path().join("story.json"));
        let mut demo = Process::spawn("the demo", command)?;
        let status = demo.wait(TIMEOUT)?;
        assert!(status.success(), "{status}");
        demo.wait_for_line("Everybody heard whom they should, and nobody else", TIMEOUT)?;
        Ok(Self { lines: demo.lines(), directory })
    }

    fn check(&self, path: &str) -> Result<()> {
        self.check_json(path);
        self.check_commands();
        self.check_report();
        self.check_recordings()
    }

    /// Holds the JSON against what must have been measured.
    fn check_json(&self, path: &str) {
        let story: Value = serde_json::from_str(&self.read("story.json")).expect("it is JSON");
        let acts = story["acts"].as_array().expect("acts");
        assert_eq!(acts.len(), ACTS.len());
        for (act, (mode, heard)) in acts.iter().zip(ACTS) {
            assert_eq!((act["mode"].as_str(), act["as_expected"].as_bool()), (mode, Some(true)), "{act}");
            for ((listener, _), heard) in PEOPLE.into_iter().zip(heard) {
                for (speaker, found) in act["hears"][listener].as_object().expect("who is heard") {
                    assert_eq!(
                        found.as_bool(),
                        Some(heard.contains(&speaker.as_str())),
                        "{listener}, {speaker}: {act}"
                    );
                }
            }
        }
        for stream in story["streams"].as_array().expect("streams") {
            assert_eq!((stream["path"].as_str(), stream["lost"].as_u64()), (Some(path), Some(0)), "{stream}");
            assert!(stream["packets"].as_u64() >= Some(PACKETS) && stream["mos"].as_f64() > Some(4.0), "{stream}");
        }
        let received = story["received"].as_array().expect("what was received");
        assert_eq!(received.len(), 2 * ACTS.len());
        let is_seen = path != "io-uring";
        for it in received {
            assert!(it["alike"].as_f64() > Some(0.95), "{it}");
            let payloads = &it["payloads"];
            let is_mixed = it["mixed"].as_bool().expect("straight on or not");
            // Without privilege, packets cannot be looked at.
            assert_eq!(payloads.is_object(), is_seen, "{it}");
            if is_seen {
                assert!(payloads["sent"].as_u64() > Some(50) && payloads["missing"] == 0, "{it}");
                assert_eq!(payloads["changed"].as_u64() > Some(0), is_mixed, "{it}");
            }
        }
        assert_eq!(story["latency"].is_array(), is_seen);
    }

    /// The operator's commands are shown with what they said: the configuration, the call, its record, the audit.
    fn check_commands(&self) {
        let count = |text: &str| self.lines.iter().filter(|line| line.contains(text)).count();
        let commands = [
            "$ undertone run ",
            "[[monitoring.rule]]",
            "$ undertone calls",
            "$ undertone records",
            "$ undertone audit",
        ];
        assert_eq!(commands.map(count), [1; 5], "{:#?}", self.lines);
        assert_eq!(count("  200  Normal Clearing  caller"), 1, "the call's record");
        assert_eq!(["session-started", "mode-changed", "session-ended"].map(count), [1, 4, 1], "the audit");
    }

    /// The report needs nothing from elsewhere.
    fn check_report(&self) {
        let report = self.read("report.html");
        assert_eq!(report.matches("<svg ").count(), PEOPLE.len());
        for elsewhere in ["http:", "https:", "src=", "url(", "@import", "<link"] {
            assert!(!report.contains(elsewhere), "{elsewhere}");
        }
        for deed in ["007100", "*83", "*82", "*81", "*80", "hangs up"] {
            assert!(report.contains(&format!("<b>{deed}</b>")), "{deed}");
        }
    }

    /// Looks for all that was said in everybody's recording.
    fn check_recordings(&self) -> Result<()> {
        let lines = self.transcript();
        assert_eq!(lines.len(), 2 * ACTS.len() + 5, "everybody says something in every act that they are in");
        for ((listener, _), place) in PEOPLE.into_iter().zip(0..) {
            let heard = read_wav(&self.directory.path().join(format!("{listener}.wav")))?;
            for line in &lines {
                let (_, voice) = PEOPLE.into_iter().find(|(name, _)| *name == line.person).expect("somebody");
                let mut spoken = say(voice, line.words)?;
                spoken.truncate(SAMPLE_RATE as usize);
                let sample = |at_s: f64| ((at_s.max(0.0) * f64::from(SAMPLE_RATE)) as usize).min(heard.len());
                let window = &heard[sample(line.at_s - 0.8)..sample(line.at_s + 1.8)];
                let score = likeness(&spoken, window).score;
                let is_expected = ACTS[line.act].1[place].contains(&line.person);
                let as_expected = if is_expected { score > 0.75 } else { score < 0.5 };
                assert!(as_expected, "{listener}, {}: {}: {score}", line.person, line.words);
            }
        }
        Ok(())
    }

    /// What the demo says was said.
    fn transcript(&self) -> Vec<Line<'_>> {
        let mut act = 0;
        let mut said = Vec::new();
        for line in &self.lines {
            let Some((at_s, what)) = line.trim_start().split_once(" s  ") else { continue };
            let Ok(at_s) = at_s.parse() else { continue };
            act += usize::from(what.starts_with("the supervisor "));
            let words = what.trim_start().split_once(' ').filter(|_| what.starts_with("  "));
            said.extend(words.map(|(person, words)| Line { act, at_s, person, words: words.trim_start() }));
        }
        said
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory.path().join(file)).expect("the demo has written it")
    }
}
