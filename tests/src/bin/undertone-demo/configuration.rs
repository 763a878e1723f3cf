//! The configuration that the demo's appliance runs with.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use undertone_tests::lab::Family;

use super::{
    arguments,
    crossing::version,
    network::{Host, Network},
    script::Party,
};

/// The port for SIP, of the appliance and of telephones (RFC 3261, section 19.1.2).
pub(crate) const SIP_PORT: u16 = 5060;

/// A configuration for a carrier and a PBX, each a peer for each IP version, in TOML. What the daemon writes goes to
/// `folder`.
pub(crate) fn write(network: &Network, path: arguments::Path, folder: &Path) -> String {
    let families = network.families();
    let ends: Vec<_> = families.iter().flat_map(|family| Party::BOTH.map(|party| (party, *family))).collect();
    let ours = |(party, family): &(Party, Family)| network.facing(Host::Party(*party), *family);
    let mut addresses: Vec<_> = ends.iter().map(|end| ours(end).to_string()).collect();
    let mut listen: Vec<_> = ends.iter().map(|end| format!("udp:{}", SocketAddr::new(ours(end), SIP_PORT))).collect();
    addresses.dedup();
    listen.dedup();
    let mut text = format!("[media]\naddresses = {addresses:?}\nports = \"20000-20199\"\npath = \"{}\"\n", path.key());
    if !network.interfaces().is_empty() {
        text += &format!("interfaces = {:?}\n", network.interfaces());
    }
    text += &format!(
        "pins = \"none\"\n\n[control]\nsocket = \"{}\"\n\n[storage]\npath = \"{}\"\n\n[sip]\nlisten = {listen:?}\n",
        folder.join("undertone.sock").display(),
        folder.join("undertone.db").display(),
    );
    for (party, family) in ends {
        let side = if party == Party::Caller { "off-net" } else { "on-net" };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[peer]]\nname = \"{}\"\nside = \"{side}\"\naddresses = [\"{}\"]\nmedia = \"{}\"\noptions = 0\n",
            peer(party, family),
            network.address(Host::Party(party), family),
            network.facing(Host::Party(party), family),
        );
    }
    for family in families {
        let [from, to] = Party::BOTH.map(|party| peer(party, *family));
        let _ = write!(text, "\n[[route]]\nfrom = [\"{from}\"]\nprefix = \"{EXTENSION}\"\nto = \"{to}\"\n");
    }
    text
}

/// The number that is called.
pub(crate) const EXTENSION: &str = "100";

/// The name of the peer that a party is at.
fn peer(party: Party, family: Family) -> String {
    let name = match party {
        Party::Caller => "carrier",
        Party::Agent => "pbx",
    };
    format!("{name}-v{}", version(family))
}
