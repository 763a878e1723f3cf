//! A daemon that routes calls between a carrier and a PBX, and what is asked of it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::Value;
use undertone_tests::{
    Result,
    lab::{Family, Process, wait_for},
};

use super::ground::{Ground, Who};
use crate::daemon::operator::{Operator, SOON, START, other};

/// How a peer is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) who: Who,
    pub(super) family: Family,
    pub(super) over: Over,
    /// The DNS name that the configuration has instead of its address.
    pub(super) name: Option<&'static str>,
}

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
    Tls,
}

/// What a test says of its exchange.
pub(super) struct Plan {
    pub(super) ground: Ground,
    pub(super) lines: Vec<Line>,
    /// Media ports of each address.
    pub(super) ports: u16,
    /// More lines of `[sip]`, and tables below it.
    pub(super) sip: String,
    /// Whether the daemon runs as its systemd unit has it, in a lab.
    pub(super) is_service: bool,
    /// Where the database is, if not beside the configuration.
    pub(super) database: Option<PathBuf>,
}

/// A daemon, and the hosts around it.
pub(super) struct Exchange {
    daemon: Option<Process>,
    pub(super) operator: Operator,
    pub(super) lines: Vec<Line>,
    pub(super) ground: Ground,
}

impl Over {
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl Line {
    pub(super) const fn new(who: Who, family: Family, over: Over) -> Self {
        Self { who, family, over, name: None }
    }
}

impl Plan {
    /// A carrier and a PBX over UDP, without privilege.
    pub(super) fn loopback() -> Result<Self> {
        Ok(Self::on(Ground::loopback()?, [(Family::V4, Over::Udp); 2]))
    }

    /// A carrier and a PBX, reached so.
    pub(super) fn on(ground: Ground, [carrier, pbx]: [(Family, Over); 2]) -> Self {
        let lines = vec![Line::new(Who::Carrier, carrier.0, carrier.1), Line::new(Who::Pbx, pbx.0, pbx.1)];
        Self { ground, lines, ports: 400, sip: String::new(), is_service: false, database: None }
    }

    /// With a PBX that the configuration knows by a DNS name, which these servers are asked for.
    pub(super) fn with_named_pbx(mut self, name: &'static str, resolver: SocketAddr) -> Self {
        for line in self.lines.iter_mut().filter(|line| line.who == Who::Pbx) {
            line.name = Some(name);
        }
        self.sip = format!("resolvers = [\"{resolver}\"]\n{}", self.sip);
        self
    }

    /// With another peer behind the PBX.
    pub(super) fn with_spare(mut self) -> Self {
        self.lines.push(Line::new(Who::Spare, Family::V4, Over::Udp));
        self
    }

    /// Starts the daemon.
    pub(super) fn start(self) -> Result<Exchange> {
        let Self { ground, lines, ports, sip, is_service, database } = self;
        let mut operator = Operator::new(ground.appliance())?;
        let database = database.unwrap_or_else(|| operator.file("undertone.db"));
        operator.write_config(&configuration(&ground, &lines, ports, &sip, &operator, &database))?;
        if is_service {
            operator.serve_as(SERVICE_USER, unit_capabilities()?)?;
            ground.give_pins_to(SERVICE_USER)?;
        }
        let mut exchange = Exchange { daemon: None, operator, lines, ground };
        exchange.restart()?;
        Ok(exchange)
    }
}

/// A user that nothing else on this machine is likely to be.
pub(super) const SERVICE_USER: u32 = 64_939;

/// The capabilities that the systemd unit gives the daemon, as `setpriv` has them.
pub(super) fn unit_capabilities() -> Result<Vec<String>> {
    let unit = include_str!("../../../../control/systemd/undertone.service");
    let line = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let ambient = line("AmbientCapabilities").ok_or_else(|| other("no capabilities in the unit"))?;
    assert_eq!(Some(ambient), line("CapabilityBoundingSet"), "what is given is what can be had");
    Ok(ambient.split(' ').map(|name| name.trim_start_matches("CAP_").to_lowercase()).collect())
}

fn configuration(
    ground: &Ground,
    lines: &[Line],
    ports: u16,
    sip: &str,
    operator: &Operator,
    database: &Path,
) -> String {
    let ours = |line: &Line| SocketAddr::new(ground.ours(line.who, line.family), line.over.port());
    let mut media: Vec<_> = lines.iter().map(|line| ours(line).ip().to_string()).collect();
    let mut listen: Vec<_> = lines.iter().map(|line| format!("{}:{}", line.over.key(), ours(line))).collect();
    for list in [&mut media, &mut listen] {
        list.sort();
        list.dedup();
    }
    let peer = |line: &Line| {
        let (name, over, theirs) = (line.who.name(), line.over.key(), ground.theirs(line.who, line.family));
        let at = line.name.map_or_else(|| theirs.to_string(), Into::into);
        let side = if line.who == Who::Carrier { "off-net" } else { "on-net" };
        format!(
            "[[peer]]\nname = \"{name}\"\nside = \"{side}\"\naddresses = [\"{at}\"]\ntransport = \"{over}\"\n\
             listen = \"{over}:{}\"\nmedia = \"{}\"\noptions = 0\n",
            ours(line),
            ours(line).ip()
        )
    };
    let first = ground.media_port_first();
    let inside: Vec<_> = lines.iter().map(|line| line.who.name()).filter(|name| *name != "carrier").collect();
    format!(
        "[media]\naddresses = {media:?}\nports = \"{first}-{}\"\n{}[control]\nsocket = \"{}\"\n[storage]\npath = \"{}\"\n\
         [sip]\nlisten = {listen:?}\n{sip}\n{}[[group]]\nname = \"inside\"\npeers = {inside:?}\n\
         [[route]]\nfrom = [\"carrier\"]\nto = \"inside\"\n[[route]]\nfrom = {inside:?}\nto = \"carrier\"\n",
        first + ports - 1,
        ground.media(),
        operator.socket().display(),
        database.display(),
        lines.iter().map(peer).collect::<String>(),
    )
}

impl Exchange {
    /// Where a peer sends its requests to.
    pub(super) fn address_for(&self, who: Who) -> SocketAddr {
        let line = self.line(who);
        SocketAddr::new(self.ground.ours(who, line.family), line.over.port())
    }

    /// Where a peer is.
    pub(super) fn address_of(&self, who: Who) -> SocketAddr {
        let line = self.line(who);
        SocketAddr::new(self.ground.theirs(who, line.family), line.over.port())
    }

    pub(super) fn line(&self, who: Who) -> Line {
        *self.lines.iter().find(|line| line.who == who).expect("a peer of this exchange")
    }

    /// The daemon.
    pub(super) fn daemon(&mut self) -> &mut Process {
        self.daemon.as_mut().expect("a daemon runs")
    }

    /// Starts a daemon, as one that comes after another.
    pub(super) fn restart(&mut self) -> Result<()> {
        let mut daemon = Process::spawn("undertone", self.operator.run_command(&[])?)?;
        daemon.wait_for_line(" ready", START)?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// The calls that the daemon knows.
    pub(super) fn calls(&self) -> Result<Vec<Value>> {
        Ok(self.operator.ask(&["calls"])?.as_array().cloned().unwrap_or_default())
    }

    /// Waits until there are so many calls that are up.
    pub(super) fn wait_for_calls(&self, count: usize) -> Result<Vec<Value>> {
        wait_for(&format!("{count} calls to be up"), SOON, || {
            let calls = self.calls().ok()?;
            (calls.len() == count && calls.iter().all(|call| call["phase"] == "up")).then_some(calls)
        })
    }

    /// The records of calls that are over, the newest first.
    pub(super) fn records(&self) -> Result<Vec<Value>> {
        let config = self.operator.config();
        let out =
            self.operator.say(&["records", "--format", "jsonl", "--config", &config.to_string_lossy()])?.done()?;
        out.lines().map(|line| serde_json::from_str(line).map_err(other)).collect()
    }

    /// One line of `undertone status`: how much of something is in use.
    pub(super) fn used(&self, what: &str) -> Result<u64> {
        let status = self.operator.ask(&["status"])?;
        let line = status["capacity"].as_array().and_then(|all| all.iter().find(|it| it["what"] == what).cloned());
        line.and_then(|line| line["used"].as_u64()).ok_or_else(|| other(format!("no {what} in {status}")))
    }

    /// Nothing is left of any call but `records` records, which are given.
    pub(super) fn assert_idle(&self, records: usize) -> Result<Vec<Value>> {
        wait_for("all calls to be over", SOON, || self.calls().ok()?.is_empty().then_some(()))?;
        assert_eq!(self.used("media ports")?, 0, "streams are left");
        assert_eq!(self.used("port pairs of calls")?, 0, "media ports are left");
        let found = wait_for("the records", SOON, || self.records().ok().filter(|found| found.len() >= records))?;
        assert_eq!(found.len(), records);
        Ok(found)
    }
}
