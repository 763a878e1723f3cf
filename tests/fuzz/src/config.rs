//! Reading configurations.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use undertone_abi::limits::{COPIES_MAX, GROUPS_MAX, LANES_MAX, MEDIA_ADDRESSES_MAX};
use undertone_control_core::{
    Config, ConfigError,
    config::{Media, StaticRelay},
    names::PathChoice,
};

/// The longest name of a network interface.
const INTERFACE_BYTES_MAX: usize = 15;
/// The first port that is not of the system's services.
const PORT_MIN: u16 = 1024;
/// The longest path of a socket.
const SOCKET_BYTES_MAX: usize = 103;

/// Reads a text as a configuration.
///
/// It is read the same way again and a line further down, and every value is one that the example says can be; or it is
/// refused with a line, a complaint and a way out, each in one line of print.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text) {
        Ok(config) => {
            compare(text, &config);
            media(&config.media);
            assert!(is_plain(&config.control.socket), "{:?}", config.control);
            assert!(config.control.socket.as_os_str().len() <= SOCKET_BYTES_MAX, "{:?}", config.control);
            relays(&config);
        }
        Err(error) => judge(text, &error),
    }
}

fn compare(text: &str, config: &Config) {
    let again = Config::parse(text).expect("what was read is read again");
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
    assert!(again.needs_restart(config).is_empty(), "it differs from itself");

    // A byte order mark is one only where a file begins.
    if text.starts_with('\u{feff}') {
        return;
    }
    let lower = Config::parse(&format!("\n{text}")).expect("an empty line changes nothing");
    assert_eq!((&lower.media, &lower.control), (&config.media, &config.control));
    assert_eq!(lower.sip, config.sip);
    assert_eq!(lower.relays.len(), config.relays.len());
    for (lower, relay) in lower.relays.iter().zip(&config.relays) {
        assert_eq!((lower.relay, lower.line), (relay.relay, relay.line + 1));
        assert_eq!((&lower.from_a, &lower.from_b), (&relay.from_a, &relay.from_b));
    }
}

fn media(media: &Media) {
    let Media {
        addresses,
        ports,
        interfaces,
        path,
        groups,
        pins,
        mixer_interface,
        mixer_address,
        mixer_ports,
        mixer_threads,
    } = media;
    if let Some(beside) = mixer_ports {
        assert!(beside.first < beside.last && (beside.last < ports.first || beside.first > ports.last), "{beside:?}");
    }
    assert!((1..=MEDIA_ADDRESSES_MAX as usize).contains(&addresses.len()), "{} addresses", addresses.len());
    assert!(are_different(addresses) && addresses.iter().all(is_host), "{addresses:?}");
    assert!(ports.first.is_multiple_of(2) && ports.first < ports.last && ports.first >= PORT_MIN, "{ports}");
    assert!(!interfaces.is_empty() || *path == PathChoice::IoUring, "no interface for {path:?}");
    assert!(are_different(interfaces), "{interfaces:?}");
    for interface in interfaces {
        assert!((1..=INTERFACE_BYTES_MAX).contains(&interface.len()), "{interface:?}");
    }
    assert!((1..=GROUPS_MAX).contains(groups), "{groups} groups");
    assert!(pins.as_deref().is_none_or(is_plain), "{pins:?}");
    assert!(mixer_threads.is_none_or(|threads| (1..=LANES_MAX).contains(&threads)));
    assert!(mixer_interface.as_ref().is_none_or(|name| (1..INTERFACE_BYTES_MAX).contains(&name.len())));
    if let Some(mixer) = mixer_address {
        let network = &mixer.octets()[..3];
        let is_shared = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[..3] == *network);
        assert!(mixer.octets()[3] == 1 && !addresses.iter().any(is_shared), "{mixer} among {addresses:?}");
    }
}

fn relays(config: &Config) {
    let Media { addresses, ports, .. } = &config.media;
    let is_ours = |socket: &SocketAddr| addresses.contains(&socket.ip()) && ports.contains(socket.port());
    let is_elsewhere = |socket: &SocketAddr| is_host(&socket.ip()) && socket.port() != 0 && !is_ours(socket);
    for StaticRelay { relay, from_a, from_b, .. } in &config.relays {
        for (end, extras) in [(&relay.a, from_a), (&relay.b, from_b)] {
            assert!(is_ours(&end.local) && is_elsewhere(&end.peer), "{end:?}");
            assert_eq!(end.local.is_ipv4(), end.peer.is_ipv4(), "{end:?}");
            assert!(extras.copies.len() <= COPIES_MAX as usize && are_different(&extras.copies), "{extras:?}");
            assert!(extras.copies.iter().all(is_elsewhere), "{extras:?}");
        }
    }
    let locals: Vec<_> = config.relays.iter().flat_map(|it| [it.relay.a.local, it.relay.b.local]).collect();
    assert!(are_different(&locals), "a media port is used twice: {locals:?}");
}

fn are_different<T: Eq + std::hash::Hash>(values: &[T]) -> bool {
    values.iter().collect::<HashSet<_>>().len() == values.len()
}

/// Whether it can be the address of one host.
fn is_host(address: &IpAddr) -> bool {
    let is_special = match address {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    !address.is_unspecified() && !address.is_multicast() && !is_special
}

fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.to_string_lossy().contains(char::is_control)
}

fn judge(text: &str, error: &ConfigError) {
    assert!(!error.problems.is_empty(), "nothing is said to be wrong");
    assert!(error.problems.is_sorted(), "out of order: {error}");
    let lines = text.matches('\n').count() + 1;
    for problem in &error.problems {
        assert!((1..=lines).contains(&problem.line), "there is no line {}: {problem}", problem.line);
        assert!(!problem.wrong.is_empty() && !problem.way_out.is_empty(), "no word of explanation: {problem:?}");
        let message = problem.to_string();
        assert!(!message.contains(char::is_control), "not to be printed: {message:?}");
    }
}
