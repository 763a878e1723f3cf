//! `[[peer]]`.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, SocketAddr},
};

use undertone_core::Policy;

use super::{
    CALLS_MAX, identity,
    names::{Bearer, Names},
    values,
};
use crate::{
    config::{Media, document::Placed, section::Section, values as plain},
    sdp::MediaKind,
    sip::Transport,
    trunk::{Listener, Peer, PeerIndex, Side},
};

/// Peers of a node.
const PEERS_MAX: usize = 1000;
const CALLS_PER_SECOND_MAX: u32 = 100_000;
/// How often a peer is asked whether it is well unless the configuration says otherwise.
const OPTIONS_S_DEFAULT: u32 = 30;
const OPTIONS_S_MAX: u32 = 3600;

/// What peers refer to; `None` where it could not be read.
pub(super) struct Around<'a> {
    pub(super) listeners: Option<&'a [Listener]>,
    pub(super) media: Option<&'a Media>,
}

/// Whose messages come from where: the line that says so.
type Sources = HashMap<(IpAddr, Transport), usize>;

/// Reads every peer, and gives them their names. Those that cannot be read are left out.
pub(super) fn read(sections: &[Section<'_>], names: &mut Names, around: &Around<'_>) -> Vec<Peer> {
    if let Some(beyond) = sections.get(PEERS_MAX) {
        let wrong = format!("{} peers, and a node has at most {PEERS_MAX}", sections.len());
        beyond.complain(beyond.place(), wrong, "give the rest to another node");
    }
    let mut sources = Sources::new();
    let mut read = |(place, section): (usize, &Section<'_>)| {
        let name = section.required("name", r#"name = "carrier""#, values::name);
        if let Some(name) = &name {
            names.give(section, name, Bearer::Peer(PeerIndex(place as u16)));
        }
        read_one(section, name.map(|name| name.value), &mut sources, around)
    };
    sections.iter().enumerate().filter_map(&mut read).collect()
}

fn read_one(section: &Section<'_>, name: Option<String>, sources: &mut Sources, around: &Around<'_>) -> Option<Peer> {
    let side = section.required("side", r#"side = "off-net", or "on-net" for a PBX of your own"#, plain::named::<Side>);
    let example = r#"addresses = ["198.51.100.1"]"#;
    let addresses = section.required_list("addresses", example, plain::host_address);
    let transport = section.or_default("transport", plain::named::<Transport>, Transport::Udp);
    let ways = Ways::read(section, transport, addresses.first().map(|first| first.value), around);
    let learn = section.or_default("learn", plain::named::<Policy>, Policy::Latch);
    let dscp = section.optional("dscp", plain::dscp).map(|dscp| dscp.value);
    let types =
        section.filled_list("media-types", "leave the key out to let all media pass", plain::named::<MediaKind>);
    let codecs = section.filled_list("codecs", "leave the key out to let every codec pass", values::codec);
    let calls_max = section.optional("calls", plain::integer(1..=CALLS_MAX)).map(|calls| calls.value);
    let certificate = section.optional("certificate", values::certificate_name);
    check_certificate(section, certificate.as_ref(), transport);
    let rate = section.optional("calls-per-second", plain::integer(1..=CALLS_PER_SECOND_MAX));
    let options_s = section.or_default("options", plain::integer(0..=OPTIONS_S_MAX), OPTIONS_S_DEFAULT);
    let identity = identity::read_rules(section, side.as_ref().map(|side| side.value));
    section.finish();
    let transport = transport?;
    claim(section, &addresses, transport, sources);
    let ways = ways?;
    Some(Peer {
        name: name?,
        side: side?.value,
        sources: addresses.into_iter().map(|address| address.value).collect(),
        past_sources: Vec::new(),
        target: ways.target,
        transport,
        certificate: certificate.map(|name| name.value),
        listener: ways.listener?,
        media: ways.media?,
        learn: learn?,
        dscp,
        media_types: types.into_iter().map(|kind| kind.value).collect(),
        codecs: codecs.into_iter().map(|codec| codec.value).collect(),
        calls_max,
        calls_per_second_max: rate.map(|rate| rate.value),
        options_interval_s: Some(options_s?).filter(|interval| *interval > 0),
        identity: identity?,
    })
}

/// Only TLS has certificates.
fn check_certificate(section: &Section<'_>, name: Option<&Placed<String>>, transport: Option<Transport>) {
    if let (Some(name), Some(transport)) = (name, transport)
        && transport != Transport::Tls
    {
        let wrong = format!("a peer that is reached over {transport} shows no certificate");
        section.complain(&name.place, wrong, r#"write transport = "tls" as well, or remove it"#);
    }
}

/// Notes that messages from these addresses are a peer's, unless they are already.
fn claim(section: &Section<'_>, addresses: &[Placed<IpAddr>], transport: Transport, sources: &mut Sources) {
    for address in addresses {
        match sources.entry((address.value, transport)) {
            Entry::Vacant(entry) => drop(entry.insert(address.place.line)),
            Entry::Occupied(first) => {
                let wrong = format!("{} over {transport} is a peer's already, on line {}", address.value, first.get());
                let way_out = "where a message comes from says whose it is: remove one, or give it another transport";
                section.complain(&address.place, wrong, way_out);
            }
        }
    }
}

/// Where a peer's requests and media go, and the addresses of ours that they leave from.
struct Ways {
    target: SocketAddr,
    /// `None` when there is none, or when it is not known.
    listener: Option<u8>,
    media: Option<u8>,
}

impl Ways {
    fn read(
        section: &Section<'_>,
        transport: Option<Transport>,
        first: Option<IpAddr>,
        around: &Around<'_>,
    ) -> Option<Self> {
        let before = section.complaints();
        let target = section.optional("target", values::target);
        let listen = section.optional("listen", values::listener);
        let media = section.optional("media", plain::host_address);
        // What could not be read is not what its default would be.
        if section.complaints() != before {
            return None;
        }
        let transport = transport?;
        let (ip, port) = target.map(|target| target.value).or_else(|| Some((first?, None)))?;
        let target = SocketAddr::new(ip, port.unwrap_or(transport.port()));
        let listener = around.listeners.and_then(|listeners| {
            check_elsewhere(section, target, listeners);
            match listen {
                Some(wanted) => named_listener(section, transport, target, &wanted, listeners),
                None => first_listener(section, transport, target, listeners),
            }
        });
        let media = around.media.and_then(|all| media_address(section, ip, media.as_ref(), all));
        Some(Self { target, listener, media })
    }
}

/// What is sent to ourselves would come round again.
fn check_elsewhere(section: &Section<'_>, target: SocketAddr, listeners: &[Listener]) {
    if listeners.iter().any(|listener| listener.address == target) {
        let wrong = format!("{target} is this node itself, in `sip.listen`: requests would go in circles");
        section.complain(&section.place_of("target"), wrong, "name the address of another host");
    }
}

fn named_listener(
    section: &Section<'_>,
    transport: Transport,
    target: SocketAddr,
    wanted: &Placed<Listener>,
    listeners: &[Listener],
) -> Option<u8> {
    let Placed { value: wanted, place } = wanted;
    if wanted.transport != transport {
        let wrong = format!("{wanted} is not {transport}, which is this peer's transport");
        let way_out = format!("write transport = \"{}\" as well, or take another listener", wanted.transport);
        section.complain(place, wrong, way_out);
        return None;
    }
    if wanted.address.is_ipv4() != target.is_ipv4() {
        let wrong = format!("{target} cannot be reached from {wanted}: one is IPv4, the other IPv6");
        section.complain(place, wrong, "take a listener of the target's IP version");
        return None;
    }
    let number = listeners.iter().position(|listener| listener == wanted);
    if number.is_none() {
        let known: Vec<_> = listeners.iter().map(ToString::to_string).collect();
        let way_out = format!("take one of {}, or list it there", known.join(", "));
        section.complain(place, format!("{wanted} is not in `sip.listen`"), way_out);
    }
    number.map(|number| number as u8)
}

fn first_listener(
    section: &Section<'_>,
    transport: Transport,
    target: SocketAddr,
    listeners: &[Listener],
) -> Option<u8> {
    let fits = |it: &Listener| it.transport == transport && it.address.is_ipv4() == target.is_ipv4();
    let number = listeners.iter().position(fits);
    if number.is_none() {
        let wrong = format!("nothing in `sip.listen` is {transport} over {}, to reach {target}", version(target.ip()));
        let address = if target.is_ipv4() { "192.0.2.10" } else { "[2001:db8::10]" };
        let way_out = format!("add an address of this host there, like \"{transport}:{address}:{}\"", transport.port());
        section.complain(&section.place_of("listen"), wrong, way_out);
    }
    number.map(|number| number as u8)
}

/// The place of a peer's media address among all.
fn media_address(section: &Section<'_>, target: IpAddr, wanted: Option<&Placed<IpAddr>>, media: &Media) -> Option<u8> {
    let found = match wanted {
        Some(wanted) => media.addresses.iter().position(|address| *address == wanted.value),
        None => media.addresses.iter().position(|address| address.is_ipv4() == target.is_ipv4()),
    };
    if found.is_none() {
        let known: Vec<_> = media.addresses.iter().map(ToString::to_string).collect();
        let known = known.join(", ");
        let (wrong, way_out) = match wanted {
            Some(wanted) => (
                format!("{} is not one of the media addresses", wanted.value),
                format!("take one of {known}, or list it in `media.addresses`"),
            ),
            None => (
                format!("there is no media address of {}, which this peer is reached over", version(target)),
                format!("add one to `media.addresses`, or take one of {known} here"),
            ),
        };
        section.complain(&section.place_of("media"), wrong, way_out);
    }
    found.map(|place| place as u8)
}

const fn version(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IPv4" } else { "IPv6" }
}
