//! `[sip]`, and the sections that need it: `[[peer]]`, `[[group]]`, `[[route]]`, `[[did]]`, `[[user]]`, `[[user-group]]`,
//! `[[queue]]`, `[monitoring]` and `[recording]`.

mod identity;
mod monitoring;
mod names;
mod peer;
mod people;
mod recording;
mod route;
#[cfg(test)]
mod tests;
mod values;

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    path::PathBuf,
};

use self::names::Names;
use super::{Media, document::Placed, section::Section, values as plain};
use crate::{
    element::Limits,
    monitor::Monitoring,
    recording::Settings,
    sip::Transport,
    trunk::{Listener, Trunks},
};

/// SIP addresses of a node. A [`Flow`](crate::sip::Flow) has eight bits for one.
const LISTENERS_MAX: usize = 64;
/// DNS servers.
const RESOLVERS_MAX: usize = 8;
/// Calls at a time, of the node or of a peer.
const CALLS_MAX: u32 = 1_000_000;
/// Timer C is more than three minutes (RFC 3261 §16.6 step 11).
const RING_S_MIN: u32 = 181;
const RING_S_MAX: u32 = 3600;
const MEDIA_TIMEOUT_S_MAX: u32 = 86_400;

/// Everything that an operator decides about SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Addresses, peers, groups, routes, and whose the numbers are.
    pub trunks: Trunks,
    /// How long calls may last in a state.
    pub limits: Limits,
    /// What we show to those who come by TLS; there when a listener is of TLS.
    pub tls: Option<Tls>,
    /// DNS servers that names of peers are asked of; empty for those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// `[monitoring]`.
    pub monitoring: Monitoring,
    /// `[recording]`; `None` records nothing.
    pub recording: Option<Settings>,
}

/// `[sip.tls]`: PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Roots that peers' certificates lead to; `None` for those of the system.
    pub trust: Option<PathBuf>,
}

/// Reads all that is about SIP. `None` when there is nothing about it, or when something was complained of. Where
/// `media` could not be read, what depends on it is not checked.
pub(super) fn read(root: &Section<'_>, media: Option<&Media>) -> Option<Sip> {
    let sip = root.section("sip").map(|section| Front::read(&section, media));
    let keys = ["peer", "group", "route", "did", "user", "user-group", "queue"];
    let [peers, groups, routes, dids, users, user_groups, queues] = keys.map(|key| {
        complain_without_sip(root, key, &format!("there are [[{key}]] sections"), "them");
        root.sections(key)
    });
    complain_without_sip(root, "monitoring", "there is a [monitoring] section", "it");
    complain_without_sip(root, "recording", "there is a [recording] section", "it");
    let mut names = Names::default();
    let listeners = sip.as_ref().and_then(|sip| sip.listeners.as_deref());
    let peers = peer::read(&peers, &mut names, &peer::Around { listeners, media });
    let mut groups = route::read_groups(&groups, &mut names);
    let routes = route::read_routes(&routes, &names, &mut groups);
    let dids = identity::read_dids(&dids);
    let directory = people::read(&people::Sections { users, groups: user_groups, queues });
    let monitoring = monitoring::read(root.section("monitoring"), &directory);
    let recording = recording::read(root, &directory, media, &routes);
    let Front { listeners, calls_max, limits, tls, resolvers } = sip?;
    let trunks = Trunks { listeners: listeners?, peers, groups, routes, calls_max, dids, directory };
    Some(Sip { trunks, limits: limits?, tls, resolvers, monitoring, recording })
}

fn complain_without_sip(root: &Section<'_>, key: &str, what: &str, it: &str) {
    if root.has(key) && !root.has("sip") {
        let wrong = format!("{what} and no [sip] section, so nobody answers SIP");
        let way_out = format!(r#"write [sip] with listen = ["udp:192.0.2.10:5060"] below it, or remove {it}"#);
        root.complain(&root.place_of(key), wrong, way_out);
    }
}

/// What stands in `[sip]` itself.
struct Front {
    /// `None` when there may be more than could be read.
    listeners: Option<Vec<Listener>>,
    calls_max: Option<u32>,
    limits: Option<Limits>,
    tls: Option<Tls>,
    resolvers: Vec<SocketAddr>,
}

impl Front {
    fn read(section: &Section<'_>, media: Option<&Media>) -> Self {
        let default = Limits::default();
        let listeners = listeners(section, media);
        let calls_max = section.optional("calls", plain::integer(1..=CALLS_MAX)).map(|calls| calls.value);
        let ring_s = section.or_default("ring", plain::integer(RING_S_MIN..=RING_S_MAX), default.ring_s);
        let timeout_s = plain::integer(0..=MEDIA_TIMEOUT_S_MAX);
        let media_timeout_s =
            section.or_default("media-timeout", timeout_s, default.media_timeout_s.unwrap_or_default());
        let wants_tls = listeners.iter().flatten().any(|listener| listener.transport == Transport::Tls);
        let resolvers = resolvers(section);
        let tls = Tls::read(section, wants_tls);
        section.finish();
        let limits = ring_s.zip(media_timeout_s).map(|(ring_s, media_timeout_s)| Limits {
            ring_s,
            media_timeout_s: Some(media_timeout_s).filter(|timeout| *timeout > 0),
        });
        Self { listeners, calls_max, limits, tls, resolvers }
    }
}

fn resolvers(section: &Section<'_>) -> Vec<SocketAddr> {
    let way_out = "leave the key out to ask those of the system";
    let resolvers = section.filled_list("resolvers", way_out, values::resolver);
    if let Some(beyond) = resolvers.get(RESOLVERS_MAX) {
        let wrong = format!("{} DNS servers, and at most {RESOLVERS_MAX} are asked", resolvers.len());
        section.complain(&beyond.place, wrong, "leave out the rest");
    }
    resolvers.into_iter().map(|resolver| resolver.value).collect()
}

fn listeners(section: &Section<'_>, media: Option<&Media>) -> Option<Vec<Listener>> {
    let before = section.complaints();
    let listeners = section.required_list("listen", r#"listen = ["udp:192.0.2.10:5060"]"#, values::listener);
    let is_whole = section.complaints() == before;
    if let Some(beyond) = listeners.get(LISTENERS_MAX) {
        let wrong = format!("{} SIP addresses, and a node has at most {LISTENERS_MAX}", listeners.len());
        section.complain(&beyond.place, wrong, "give the rest to another node");
        return None;
    }
    check_distinct(section, &listeners);
    for listener in &listeners {
        check_no_media(section, listener, media);
    }
    is_whole.then(|| listeners.into_iter().map(|listener| listener.value).collect())
}

/// TCP and TLS share their ports.
fn check_distinct(section: &Section<'_>, listeners: &[Placed<Listener>]) {
    let mut taken: HashMap<(bool, SocketAddr), &Placed<Listener>> = HashMap::new();
    for listener in listeners {
        let Listener { transport, address } = listener.value;
        match taken.entry((transport == Transport::Udp, address)) {
            Entry::Vacant(entry) => drop(entry.insert(listener)),
            Entry::Occupied(first) if first.get().value == listener.value => {
                let wrong = format!("{} stands here twice, first on line {}", listener.value, first.get().place.line);
                section.complain(&listener.place, wrong, "remove one");
            }
            Entry::Occupied(first) => {
                let wrong = format!("{} has the port of {}, and both are TCP ports", listener.value, first.get().value);
                section.complain(&listener.place, wrong, "give one of them another port; TLS has 5061");
            }
        }
    }
}

fn check_no_media(section: &Section<'_>, listener: &Placed<Listener>, media: Option<&Media>) {
    let address = listener.value.address;
    let is_media = |media: &&Media| media.addresses.contains(&address.ip()) && media.ports.contains(address.port());
    if let Some(media) = media.filter(is_media) {
        let wrong = format!("port {} is one of the media ports {} of {}", address.port(), media.ports, address.ip());
        let way_out = format!("take one outside: {} is what others expect", listener.value.transport.port());
        section.complain(&listener.place, wrong, way_out);
    }
}

impl Tls {
    /// `None` when it is neither wanted nor there, or cannot be read.
    fn read(sip: &Section<'_>, is_wanted: bool) -> Option<Self> {
        let (certificate, key) = (r#"certificate = "/etc/undertone/tls.pem""#, r#"key = "/etc/undertone/tls.key""#);
        let section = if is_wanted {
            sip.required_section("tls", &format!("[sip.tls] with {certificate} and {key} below: `listen` has tls"))
        } else {
            sip.section("tls")
        }?;
        let certificate = section.required("certificate", certificate, plain::file);
        let key = section.required("key", key, plain::file);
        let before = section.complaints();
        let trust = section.optional("trust", plain::file).map(|trust| trust.value);
        let is_whole = section.complaints() == before;
        section.finish();
        is_whole.then_some(Self { certificate: certificate?.value, key: key?.value, trust })
    }
}
