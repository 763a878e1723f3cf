//! The configuration: one TOML text, read into typed values or refused with lines and keys.
//!
//! `control/undertone.example.toml` is the reference for operators; a test parses it.

mod document;
mod error;
mod http;
mod media;
mod portal;
mod relay;
mod section;
mod sip;
mod storage;
#[cfg(test)]
mod tests;
mod values;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use undertone_core::Relay;

use self::{document::Document, section::Section};
pub use self::{
    error::{ConfigError, Problem},
    http::Http,
    portal::{Certificate, Portal},
    relay::rtcp_of,
    sip::{Sip, Tls},
    storage::{DATABASE_DEFAULT, Storage},
};
use crate::names::PathChoice;

/// Where the control socket is unless the configuration says otherwise.
pub const SOCKET_DEFAULT: &str = "/run/undertone/undertone.sock";
/// Where programs and tables are pinned unless the configuration says otherwise.
pub const PINS_DEFAULT: &str = "/sys/fs/bpf/undertone";

/// Everything that an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[media]`.
    pub media: Media,
    /// `[control]`.
    pub control: Control,
    /// `[sip]`, with peers, routes and users; `None` does without SIP.
    pub sip: Option<Sip>,
    /// `[storage]`.
    pub storage: Storage,
    /// `[http]`; `None` does without HTTP.
    pub http: Option<Http>,
    /// `[portal]`; `None` does without the page.
    pub portal: Option<Portal>,
    /// `[[relay]]`, with the RTCP relays that belong to them.
    pub relays: Vec<StaticRelay>,
    lines: BTreeMap<String, usize>,
}

/// Where media comes in and how it is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The media addresses, all different.
    pub addresses: Vec<IpAddr>,
    /// The media ports of each.
    pub ports: PortRange,
    /// The interfaces that media arrives on; may be empty on the `io_uring` path.
    pub interfaces: Vec<String>,
    /// The path that packets take.
    pub path: PathChoice,
    /// Room for replication groups.
    pub groups: u32,
    /// Where programs and tables are pinned; `None` pins nothing.
    pub pins: Option<PathBuf>,
    /// The link to the local mixer; `None` leaves it to the data plane.
    pub mixer_interface: Option<String>,
    /// The local mixer's address; `None` leaves it to the data plane.
    pub mixer_address: Option<Ipv4Addr>,
    /// The ports of supervisors' telephones, outside the media ports; `None` for those beside them.
    pub mixer_ports: Option<PortRange>,
    /// Threads that mix; `None` for one a processor.
    pub mixer_threads: Option<u32>,
}

impl Media {
    /// The ports of supervisors' telephones, first and last: unless configured, the 10,000 behind the media ports, or before
    /// them where there are not so many.
    pub fn monitor_ports(&self) -> (u16, u16) {
        const COUNT: u16 = 10_000;
        if let Some(PortRange { first, last }) = self.mixer_ports {
            return (first, last);
        }
        match self.ports.last.checked_add(COUNT) {
            Some(last) => (self.ports.last + 1, last),
            None => (self.ports.first.saturating_sub(COUNT).max(1024), self.ports.first - 1),
        }
    }
}

/// Ports, `first` even and below `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// How the daemon is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket that it answers on.
    pub socket: PathBuf,
}

/// A relay that stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRelay {
    /// The relay.
    pub relay: Relay,
    /// What else becomes of the stream that arrives from its party `a`.
    pub from_a: Extras,
    /// What else becomes of the stream that arrives from its party `b`.
    pub from_b: Extras,
    /// The line of the configuration that it begins in.
    pub line: usize,
}

/// What becomes of a stream besides being relayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Where copies of it go.
    pub copies: Vec<SocketAddr>,
    /// Whether it goes through the mixer.
    pub divert: bool,
}

impl Config {
    /// Reads a configuration. Any text is answered, none makes it panic, and an error tells all that is wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text)?;
        let read = read(&document);
        let (mut config, lines) = document.finish(read)?;
        config.lines = lines;
        Ok(config)
    }

    /// What keeps this configuration from taking the place of `running` in a daemon that goes on: values that are
    /// looked at only when it starts.
    pub fn needs_restart(&self, running: &Self) -> Vec<Problem> {
        let (new, old) = (&self.media, &running.media);
        let listen = |config: &Self| config.sip.as_ref().map(|sip| sip.trunks.listeners.clone());
        let tls = |config: &Self| config.sip.as_ref().and_then(|sip| sip.tls.clone());
        let certificate = |config: &Self| tls(config).map(|tls| tls.certificate);
        let key = |config: &Self| tls(config).map(|tls| tls.key);
        let trust = |config: &Self| tls(config).map(|tls| tls.trust);
        let portal = |config: &Self| config.portal.as_ref().map(|portal| portal.listen);
        let shown = |config: &Self| config.portal.as_ref().and_then(|portal| portal.certificate.clone());
        let fixed = [
            ("media.addresses", new.addresses == old.addresses),
            ("media.ports", new.ports == old.ports),
            ("media.interfaces", new.interfaces == old.interfaces),
            ("media.path", new.path == old.path),
            ("media.groups", new.groups == old.groups),
            ("media.pins", new.pins == old.pins),
            ("media.mixer.interface", new.mixer_interface == old.mixer_interface),
            ("media.mixer.address", new.mixer_address == old.mixer_address),
            ("media.mixer.ports", new.mixer_ports == old.mixer_ports),
            ("media.mixer.threads", new.mixer_threads == old.mixer_threads),
            ("sip.listen", listen(self) == listen(running)),
            ("sip.tls.certificate", certificate(self) == certificate(running)),
            ("sip.tls.key", key(self) == key(running)),
            ("sip.tls.trust", trust(self) == trust(running)),
            ("control.socket", self.control == running.control),
            ("storage.path", self.storage.path == running.storage.path),
            ("http.listen", self.http == running.http),
            ("portal.listen", portal(self) == portal(running)),
            ("portal.certificate", shown(self) == shown(running)),
        ];
        let changed = fixed.into_iter().filter(|(_, same)| !same);
        changed
            .map(|(key, _)| Problem {
                line: self.lines.get(key).copied().unwrap_or(1),
                key: key.into(),
                wrong: "this differs from what the daemon was started with".into(),
                way_out: "restart the daemon to change it (pinned streams go on meanwhile), or put it back".into(),
            })
            .collect()
    }
}

fn read(document: &Document<'_>) -> Option<Config> {
    let root = document.root();
    let media = root
        .required_section("media", r#"[media] with addresses = ["192.0.2.10"] and ports = "20000-39999" below"#)
        .and_then(|section| Media::read(&section));
    let control = Control::read(root.section("control"));
    let storage = Storage::read(root.section("storage"));
    let http = Http::read(root.section("http"));
    let portal = Portal::read(&root);
    let sip = sip::read(&root, media.as_ref());
    let relays = relay::read(&root.sections("relay"), media.as_ref());
    root.finish();
    let lines = BTreeMap::new();
    Some(Config { media: media?, control: control?, sip, storage: storage?, http, portal, relays, lines })
}

impl Control {
    fn read(section: Option<Section<'_>>) -> Option<Self> {
        let Some(section) = section else { return Some(Self { socket: SOCKET_DEFAULT.into() }) };
        let socket = section.or_default("socket", values::socket_path, SOCKET_DEFAULT.into());
        section.finish();
        Some(Self { socket: socket? })
    }
}

impl PortRange {
    /// Whether `port` is one of them.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// How many there are.
    pub const fn count(self) -> usize {
        self.last as usize - self.first as usize + 1
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.first, self.last)
    }
}
