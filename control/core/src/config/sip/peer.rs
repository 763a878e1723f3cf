//! `[[peer]]`.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, SocketAddr},
};

use undertone_core::Policy;

use super::{
    CALLS_MAX, identity,
    names::{Bearer, Names},
    values::{self, Host},
};
use crate::{
    config::{Media, document::Placed, section::Section, values as plain},
    sdp::MediaKind,
    sip::Transport,
    trunk::{Listener, Names as DnsNames, Peer, PeerIndex, Side, Target, Way, Ways},
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
type Sources = HashMap<(Host, Transport), usize>;

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
    let addresses = section.required_list("addresses", example, values::host);
    let transport = section.or_default("transport", plain::named::<Transport>, Transport::Udp);
    let reach = Reach::read(section, transport, addresses.first().map(|first| &first.value), around);
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
    let reach = reach?;
    // Who is known by name shows a certificate of that name (RFC 5922 §7.1), whichever address it leads to.
    let by_name = || reach.name.as_ref().filter(|_| transport == Transport::Tls).map(|(name, _)| name.clone());
    let certificate = certificate.map(|name| name.value).or_else(by_name);
    let (sources, names) = split(addresses);
    let names = DnsNames { sources: names, target: reach.name, prefers_v6: reach.prefers_v6 };
    let is_named = !names.sources.is_empty() || names.target.is_some();
    Some(Peer {
        name: name?,
        side: side?.value,
        sources,
        past_sources: Vec::new(),
        targets: reach.targets,
        transport,
        certificate,
        ways: reach.ways?,
        names: is_named.then(|| Box::new(names)),
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

/// The addresses and the names among hosts.
fn split(hosts: Vec<Placed<Host>>) -> (Vec<IpAddr>, Vec<String>) {
    let (mut addresses, mut names) = (Vec::new(), Vec::new());
    for host in hosts {
        match host.value {
            Host::Ip(ip) => addresses.push(ip),
            Host::Name(name) => names.push(name),
        }
    }
    (addresses, names)
}

/// Notes that messages from these hosts are a peer's, unless they are already.
fn claim(section: &Section<'_>, addresses: &[Placed<Host>], transport: Transport, sources: &mut Sources) {
    for address in addresses {
        match sources.entry((address.value.clone(), transport)) {
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
struct Reach {
    targets: Vec<Target>,
    /// The name that they go to instead, and its port.
    name: Option<(String, Option<u16>)>,
    /// `None` when there are none, or when they are not known.
    ways: Option<Ways>,
    prefers_v6: bool,
}

impl Reach {
    fn read(
        section: &Section<'_>,
        transport: Option<Transport>,
        first: Option<&Host>,
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
        let (host, port) = target.map(|target| target.value).or_else(|| Some((first?.clone(), None)))?;
        match host {
            Host::Ip(ip) => {
                let target = SocketAddr::new(ip, port.unwrap_or(transport.port()));
                let listener = around.listeners.and_then(|listeners| {
                    check_elsewhere(section, target, listeners);
                    match &listen {
                        Some(wanted) => named_listener(section, transport, Some(target), wanted, listeners),
                        None => first_listener(section, transport, target, listeners),
                    }
                });
                let media = around.media.and_then(|all| media_address(section, ip, media.as_ref(), all));
                let ways = listener.zip(media).map(|(listener, media)| Ways::to(ip, Way { listener, media }));
                Some(Self { targets: vec![Target::new(target)], name: None, ways, prefers_v6: ip.is_ipv6() })
            }
            Host::Name(name) => {
                let (ways, prefers_v6) = ways_to_name(section, transport, &name, (listen, media), around).unzip();
                let prefers_v6 = prefers_v6.unwrap_or_default();
                Some(Self { targets: Vec::new(), name: Some((name, port)), ways, prefers_v6 })
            }
        }
    }
}

/// The ways to whatever a name leads to, and whether IPv6 is to be preferred: the IP version of the first listener is.
fn ways_to_name(
    section: &Section<'_>,
    transport: Transport,
    name: &str,
    (listen, media): (Option<Placed<Listener>>, Option<Placed<IpAddr>>),
    around: &Around<'_>,
) -> Option<(Ways, bool)> {
    let (listeners, all) = (around.listeners?, around.media?);
    let candidates = if let Some(wanted) = listen {
        vec![named_listener(section, transport, None, &wanted, listeners)?]
    } else {
        let first =
            |is_v4: bool| listeners.iter().position(|it| it.transport == transport && it.address.is_ipv4() == is_v4);
        let mut firsts: Vec<_> = [first(true), first(false)].into_iter().flatten().collect();
        firsts.sort_unstable();
        firsts.into_iter().map(|number| number as u8).collect()
    };
    let ip_of = |listener: u8| Some((listener, listeners.get(listener as usize)?.address.ip()));
    let candidates: Vec<_> = candidates.into_iter().filter_map(ip_of).collect();
    let Some(first) = candidates.first().copied() else {
        let wrong = format!("nothing in `sip.listen` is {transport}, to reach {name}");
        let way_out =
            format!("add an address of this host there, like \"{transport}:192.0.2.10:{}\"", transport.port());
        section.complain(&section.place_of("listen"), wrong, way_out);
        return None;
    };
    let mut ways = Ways::default();
    let has_media = |ip: IpAddr| media.is_some() || all.addresses.iter().any(|it| it.is_ipv4() == ip.is_ipv4());
    let usable: Vec<_> = candidates.into_iter().filter(|(_, ip)| has_media(*ip)).collect();
    // Of none, the first says what is missing.
    let usable = if usable.is_empty() { vec![first] } else { usable };
    for (listener, ip) in &usable {
        let way = Some(Way { listener: *listener, media: media_address(section, *ip, media.as_ref(), all)? });
        *(if ip.is_ipv4() { &mut ways.v4 } else { &mut ways.v6 }) = way;
    }
    Some((ways, usable.first()?.1.is_ipv6()))
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
    target: Option<SocketAddr>,
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
    if let Some(target) = target.filter(|target| target.is_ipv4() != wanted.address.is_ipv4()) {
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
