//! `[[relay]]`.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use undertone_abi::limits::COPIES_MAX;
use undertone_core::{Clock, End, Kind, Policy, Relay};

use super::{
    Extras, Media, StaticRelay,
    document::{Place, Placed},
    section::Section,
    values,
};

/// One party of a relay, as it was read.
struct Party {
    local: Placed<SocketAddr>,
    peer: Placed<SocketAddr>,
    end: End,
    extras: Extras,
}

/// Which media ports have been given to whom.
type Used = HashMap<SocketAddr, Place>;

/// Reads every relay. Where `media` could not be read, what depends on it is not checked.
pub(super) fn read(sections: &[Section<'_>], media: Option<&Media>) -> Vec<StaticRelay> {
    let mut used = Used::new();
    let mut relays = Vec::new();
    for section in sections {
        relays.extend(read_one(section, media, &mut used));
    }
    relays
}

/// A relay, and that of its RTCP when it asks for it.
fn read_one(section: &Section<'_>, media: Option<&Media>, used: &mut Used) -> Vec<StaticRelay> {
    let kind = section.or_default("kind", values::named::<Kind>, Kind::Rtp);
    let clock = section.or_default("clock", values::clock, Clock::default());
    let rtcp = section.or_default("rtcp", values::boolean, false);
    let parties = ["a", "b"].map(|key| {
        let example = format!(r#"{key} = {{ local = "192.0.2.10:20000", peer = "198.51.100.7:4000" }}"#);
        section.required_section(key, &example).and_then(|section| read_party(&section, media, used))
    });
    section.finish();
    let ([Some(a), Some(b)], Some(kind), Some(clock), Some(rtcp)) = (parties, kind, clock, rtcp) else {
        return Vec::new();
    };
    let line = section.place().line;
    let relay = Relay { a: a.end, b: b.end, kind, clock };
    let companion = if rtcp { companion(section, &relay, [&a, &b], media, used) } else { None };
    let companion =
        companion.map(|relay| StaticRelay { relay, from_a: Extras::default(), from_b: Extras::default(), line });
    let relay = StaticRelay { relay, from_a: a.extras, from_b: b.extras, line };
    std::iter::once(relay).chain(companion).collect()
}

fn read_party(section: &Section<'_>, media: Option<&Media>, used: &mut Used) -> Option<Party> {
    let local = section.required("local", r#"local = "192.0.2.10:20000""#, values::destination);
    let peer = section.required("peer", r#"peer = "198.51.100.7:4000""#, values::destination);
    let learn = section.or_default("learn", values::named::<Policy>, Policy::Strict);
    let sends = section.or_default("sends", values::boolean, true);
    let dscp = section.optional("dscp", values::dscp).map(|dscp| dscp.value);
    let divert = section.or_default("divert", values::boolean, false);
    let copies = section.list("copies", values::destination);
    section.finish();
    let (local, peer) = (local?, peer?);
    if let Some(media) = media {
        check_local(section, &local, media);
        check_copies(section, &copies, media);
        check_elsewhere(section, &peer, media);
    }
    check_family(section, &local, &peer);
    claim(section, local.value, &local.place, used);
    let end = End { local: local.value, peer: peer.value, learn: learn?, sends: sends?, dscp };
    let extras = Extras { copies: copies.into_iter().map(|copy| copy.value).collect(), divert: divert? };
    Some(Party { local, peer, end, extras })
}

/// The relay of the RTCP that goes with `relay`, if the configuration leaves room for it.
fn companion(
    section: &Section<'_>,
    relay: &Relay,
    parties: [&Party; 2],
    media: Option<&Media>,
    used: &mut Used,
) -> Option<Relay> {
    let place = section.place_of("rtcp");
    if relay.kind != Kind::Rtp {
        let wrong = "only a relay of kind \"rtp\" has RTCP on the next ports";
        section.complain(&place, wrong, "leave `rtcp` out: \"rtp-mux\" carries RTCP on the same port");
        return None;
    }
    for party in parties {
        let port = party.local.value.port();
        let outside = media.is_some_and(|media| !media.ports.contains(port.saturating_add(1)));
        if port % 2 == 1 || outside {
            let wrong =
                format!("port {port} leaves no room for RTCP on the next port, which is odd and a media port too");
            section.complain(&party.local.place, wrong, "take an even port with the next one free");
            return None;
        }
        if party.peer.value.port() == u16::MAX {
            section.complain(&party.peer.place, "there is no next port for RTCP", "leave `rtcp` out");
            return None;
        }
        claim(section, next_port(party.local.value), &party.local.place, used);
    }
    rtcp_of(relay)
}

/// The relay of the RTCP that goes with `relay`: on the next ports, RFC 3550, section 11. `None` when there are none, or
/// when it is not of [`Kind::Rtp`].
pub fn rtcp_of(relay: &Relay) -> Option<Relay> {
    let next = |end: End| {
        let is_last = end.local.port() == u16::MAX || end.peer.port() == u16::MAX;
        (!is_last).then(|| End { local: next_port(end.local), peer: next_port(end.peer), ..end })
    };
    let (a, b) = (next(relay.a)?, next(relay.b)?);
    (relay.kind == Kind::Rtp).then_some(Relay { a, b, kind: Kind::Rtcp, clock: relay.clock })
}

/// The next port of the same host. Port 65,535 has none and is its own.
fn next_port(mut socket: SocketAddr) -> SocketAddr {
    socket.set_port(socket.port().saturating_add(1));
    socket
}

fn check_local(section: &Section<'_>, local: &Placed<SocketAddr>, media: &Media) {
    let (ip, port) = (local.value.ip(), local.value.port());
    if !media.addresses.contains(&ip) {
        let known: Vec<_> = media.addresses.iter().map(ToString::to_string).collect();
        let wrong = format!("{ip} is not one of the media addresses");
        section.complain(&local.place, wrong, format!("take one of {}, or list it there", known.join(", ")));
    }
    if !media.ports.contains(port) {
        let wrong = format!("port {port} is outside the media ports {}", media.ports);
        section.complain(&local.place, wrong, "take a port inside, or widen `media.ports`");
    }
}

fn check_family(section: &Section<'_>, local: &Placed<SocketAddr>, peer: &Placed<SocketAddr>) {
    if local.value.is_ipv4() != peer.value.is_ipv4() {
        let wrong = format!("{} cannot talk to {}: one is IPv4, the other IPv6", peer.value, local.value);
        section.complain(&peer.place, wrong, "give both ends of a party the same IP version; `a` and `b` may differ");
    }
}

/// What is sent to one of our own media ports would come round again.
fn check_elsewhere(section: &Section<'_>, to: &Placed<SocketAddr>, media: &Media) {
    if media.addresses.contains(&to.value.ip()) && media.ports.contains(to.value.port()) {
        let wrong = format!("{} is one of this node's own media ports: packets would go in circles", to.value);
        section.complain(&to.place, wrong, "name the address of another host");
    }
}

fn check_copies(section: &Section<'_>, copies: &[Placed<SocketAddr>], media: &Media) {
    let mut seen = HashSet::new();
    for copy in copies {
        check_elsewhere(section, copy, media);
        if !seen.insert(copy.value) {
            section.complain(&copy.place, format!("{} stands here twice", copy.value), "remove one");
        }
        if !media.addresses.iter().any(|address| address.is_ipv4() == copy.value.is_ipv4()) {
            let wrong = format!("there is no media address of the IP version of {} to send copies from", copy.value);
            section.complain(&copy.place, wrong, "add one to `media.addresses`");
        }
    }
    if let Some(beyond) = copies.get(COPIES_MAX as usize) {
        let wrong = format!("{} copies, and a stream has at most {COPIES_MAX}", copies.len());
        section.complain(&beyond.place, wrong, "remove some");
    }
}

/// Gives a media port to what stands at `place`, unless it was given before.
fn claim(section: &Section<'_>, port: SocketAddr, place: &Place, used: &mut Used) {
    match used.get(&port) {
        Some(first) => {
            let wrong = format!("media port {port} is used twice: here, and on line {} by `{}`", first.line, first.key);
            section.complain(place, wrong, "every end of a relay needs a media port of its own (with `rtcp`, two)");
        }
        None => {
            used.insert(port, place.clone());
        }
    }
}
