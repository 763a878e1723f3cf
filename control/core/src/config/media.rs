//! `[media]`.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    net::IpAddr,
};

use undertone_abi::limits::{GROUPS_DEFAULT, GROUPS_MAX, LANES_MAX, MEDIA_ADDRESSES_MAX};

use super::{Media, PINS_DEFAULT, PortRange, document::Placed, section::Section, values};
use crate::names::PathChoice;

impl Media {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let addresses = addresses(section);
        let ports = section.required("ports", r#"ports = "20000-39999""#, values::port_range);
        let path = section.or_default("path", values::named::<PathChoice>, PathChoice::default());
        let interfaces = interfaces(section, path);
        let groups = section.or_default("groups", values::integer(1..=GROUPS_MAX), GROUPS_DEFAULT);
        let pins = section.or_default("pins", values::pins, Some(PINS_DEFAULT.into()));
        let mixer = Mixer::read(section.section("mixer"), &addresses, ports.as_ref());
        section.finish();
        // What goes on to be checked against the addresses is bounded by their number.
        let addresses = Some(addresses).filter(|addresses| addresses.len() <= MEDIA_ADDRESSES_MAX as usize);
        Some(Self {
            addresses: addresses?.into_iter().map(|address| address.value).collect(),
            ports: ports?.value,
            interfaces,
            path: path?,
            groups: groups?,
            pins: pins?,
            mixer_interface: mixer.interface,
            mixer_address: mixer.address,
            mixer_ports: mixer.ports,
            mixer_threads: mixer.threads,
        })
    }
}

fn addresses(section: &Section<'_>) -> Vec<Placed<IpAddr>> {
    let example = r#"addresses = ["192.0.2.10"]"#;
    let addresses = section.required_list("addresses", example, values::host_address);
    let mut lines = HashMap::new();
    for address in &addresses {
        match lines.entry(address.value) {
            Entry::Vacant(entry) => drop(entry.insert(address.place.line)),
            Entry::Occupied(first) => {
                let wrong = format!("{} stands here twice, first on line {}", address.value, first.get());
                section.complain(&address.place, wrong, "remove one");
            }
        }
    }
    if let Some(beyond) = addresses.get(MEDIA_ADDRESSES_MAX as usize) {
        let wrong = format!("{} media addresses, and a node has at most {MEDIA_ADDRESSES_MAX}", addresses.len());
        section.complain(&beyond.place, wrong, "give the rest to another node");
    }
    addresses
}

fn interfaces(section: &Section<'_>, path: Option<PathChoice>) -> Vec<String> {
    let interfaces = match path {
        Some(PathChoice::IoUring) | None => section.list("interfaces", values::interface),
        Some(_) => section.required_list(
            "interfaces",
            r#"interfaces = ["eth0"] for XDP, or path = "io-uring" to do without it"#,
            values::interface,
        ),
    };
    let mut seen = HashSet::new();
    for interface in &interfaces {
        if !seen.insert(interface.value.as_str()) {
            let wrong = format!("\"{}\" stands here twice", interface.value);
            section.complain(&interface.place, wrong, "remove one");
        }
    }
    interfaces.into_iter().map(|interface| interface.value).collect()
}

/// `[media.mixer]`.
#[derive(Default)]
struct Mixer {
    interface: Option<String>,
    address: Option<std::net::Ipv4Addr>,
    ports: Option<PortRange>,
    threads: Option<u32>,
}

impl Mixer {
    fn read(section: Option<Section<'_>>, media: &[Placed<IpAddr>], taken: Option<&Placed<PortRange>>) -> Self {
        let Some(section) = section else { return Self::default() };
        let interface = section.optional("interface", values::mixer_interface);
        let address = section.optional("address", values::mixer_address);
        if let Some(address) = &address {
            let shares = |other: &Placed<IpAddr>| matches!(other.value, IpAddr::V4(v4) if v4.octets()[..3] == address.value.octets()[..3]);
            if let Some(other) = media.iter().find(|other| shares(other)) {
                let wrong =
                    format!("media address {} is in the same /24, which belongs to the mixer alone", other.value);
                section.complain(&address.place, wrong, r#"write another, like "169.254.64.1""#);
            }
        }
        let ports = section.optional("ports", values::port_range);
        if let (Some(ports), Some(taken)) = (&ports, taken)
            && ports.value.first <= taken.value.last
            && taken.value.first <= ports.value.last
        {
            let PortRange { first, last } = taken.value;
            let wrong = format!("some of these are media ports, which are {first}-{last}");
            section.complain(&ports.place, wrong, "write others: what comes to media ports is the parties'");
        }
        let threads = section.optional("threads", values::integer(1..=LANES_MAX));
        section.finish();
        Self {
            interface: interface.map(|interface| interface.value),
            address: address.map(|address| address.value),
            ports: ports.map(|ports| ports.value),
            threads: threads.map(|threads| threads.value),
        }
    }
}
