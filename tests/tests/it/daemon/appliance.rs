//! An appliance on loopback addresses of its own, where a daemon runs on the `io_uring` path.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use serde_json::Value;
use undertone_tests::{
    Error, Result,
    lab::{Process, wait_for},
    rtp::{Packet, Stream},
};

use super::program::{Said, undertone};

/// Long enough for anything that happens at all.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// Media ports of one appliance.
const PORTS: u16 = 32;
/// The first media port of the first.
const PORT_FIRST: u16 = 20_000;

/// An appliance without a daemon yet; its files go with it.
pub(super) struct Appliance {
    folder: tempfile::TempDir,
    slot: Slot,
}

/// Addresses and ports that no other test on this machine uses meanwhile.
struct Slot {
    number: u16,
    _claim: UdpSocket,
}

impl Slot {
    fn claim() -> Result<Self> {
        let claim = |number: u16| {
            let claim = UdpSocket::bind((Ipv4Addr::new(127, 65, 0, 1), PORT_FIRST + number)).ok()?;
            Some(Self { number, _claim: claim })
        };
        (0..200).find_map(claim).ok_or_else(|| Error::Other("200 tests are running at once".into()))
    }
}

impl Appliance {
    /// With a configuration that has no relays.
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(other)?;
        let appliance = Self { folder, slot: Slot::claim()? };
        appliance.configure("")?;
        Ok(appliance)
    }

    /// Its media port number `index`.
    pub(super) fn port(&self, index: u16) -> SocketAddr {
        let port = PORT_FIRST + self.slot.number * PORTS + index;
        assert!(index < PORTS);
        SocketAddr::from((Ipv4Addr::new(127, 65, 1, 1), port))
    }

    pub(super) fn config(&self) -> PathBuf {
        self.folder.path().join("undertone.toml")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("undertone.sock")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes its configuration: the sections that every test has, and `rest`.
    pub(super) fn configure(&self, rest: &str) -> Result<()> {
        let text = format!(
            "[media]\naddresses = [\"{}\"]\nports = \"{}-{}\"\npath = \"io-uring\"\n[control]\nsocket = \"{}\"\n{rest}",
            self.port(0).ip(),
            self.port(0).port(),
            self.port(PORTS - 1).port(),
            self.socket().display(),
        );
        fs::write(self.config(), text).map_err(other)
    }

    /// A `[[relay]]` between two parties, at media ports number `index` and `index + 2`.
    pub(super) fn relay(&self, index: u16, a: &Party, b: &Party) -> String {
        let (a_local, b_local) = (self.port(index), self.port(index + 2));
        let (a, b) = (a.address(), b.address());
        format!(
            "[[relay]]\na = {{ local = \"{a_local}\", peer = \"{a}\" }}\nb = {{ local = \"{b_local}\", peer = \"{b}\" }}\n"
        )
    }

    /// The program, told where this appliance's control socket is.
    pub(super) fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(undertone()?);
        command.args(arguments).env("UNDERTONE_SOCKET", self.socket());
        Ok(command)
    }

    /// Runs a command to its end.
    pub(super) fn say(&self, arguments: &[&str]) -> Result<Said> {
        Said::of(&mut self.command(arguments)?)
    }

    /// Runs a command for its JSON.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let out = self.say(&[arguments, &["--json"]].concat())?.done()?;
        serde_json::from_str(&out).map_err(other)
    }

    /// The stream at a media port, as `undertone streams` has it.
    pub(super) fn stream(&self, at: SocketAddr) -> Result<Value> {
        let streams = self.ask(&["streams", &at.to_string()])?;
        Ok(streams[0].clone())
    }

    /// Waits until the stream at `at` fulfils a condition.
    pub(super) fn wait_for_stream(&self, at: SocketAddr, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(what, SOON, || self.stream(at).ok().filter(&is))
    }

    /// Starts a daemon, as a command that may have been given more.
    pub(super) fn start(&self, command: Command) -> Result<Process> {
        let mut daemon = Process::spawn("undertone", command)?;
        daemon.wait_for_line("ready", SOON)?;
        Ok(daemon)
    }

    /// Starts a daemon.
    pub(super) fn run(&self) -> Result<Process> {
        self.start(self.run_command()?)
    }

    /// What starts a daemon.
    pub(super) fn run_command(&self) -> Result<Command> {
        let config = self.config();
        self.command(&["run", "--config", &config.to_string_lossy()])
    }
}

/// Somebody who sends and receives media.
pub(super) struct Party(UdpSocket);

impl Party {
    pub(super) fn new() -> Result<Self> {
        let socket = UdpSocket::bind("127.65.2.1:0").map_err(other)?;
        socket.set_read_timeout(Some(SOON)).map_err(other)?;
        Ok(Self(socket))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Sends `count` packets of speech, each with another payload, and returns them as they were sent.
    pub(super) fn speak(&self, count: usize, to: SocketAddr) -> Result<Vec<Vec<u8>>> {
        let packets: Vec<_> = Stream::pcmu(7).numbered(count).iter().map(Packet::to_bytes).collect();
        for packet in &packets {
            self.0.send_to(packet, to).map_err(other)?;
        }
        Ok(packets)
    }

    /// The next `count` packets, all from `from`.
    pub(super) fn hear(&self, count: usize, from: SocketAddr) -> Result<Vec<Vec<u8>>> {
        let mut buffer = [0; 2048];
        let mut heard = Vec::new();
        for _ in 0..count {
            let (length, sender) = self.0.recv_from(&mut buffer).map_err(other)?;
            assert_eq!(sender, from);
            heard.push(buffer[..length].to_vec());
        }
        Ok(heard)
    }
}

/// An error of anything as one of the lab.
pub(super) fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}
