//! The configuration that the demo's appliance runs with.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use undertone_core::mixer::Person;

use super::{arguments, network::Network, script::PEOPLE};

/// The port for SIP, of the appliance and of telephones (RFC 3261, section 19.1.2).
pub(crate) const SIP_PORT: u16 = 5060;

/// Who there is beside telephones.
pub(crate) struct Cast {
    /// Routes that are looked at first.
    pub(crate) routes: String,
    /// Users, and what they may.
    pub(crate) people: String,
}

/// Sam, who is called, and Ann, who may monitor Sam.
const MONITORING: &str = r#"
[[user]]
name = "sam"
extensions = ["100"]

[[user]]
name = "ann"
extensions = ["200"]
role = "call-center-supervisor"

[[monitoring.rule]]
who = { users = ["ann"] }
whom = { users = ["sam"] }
"#;

impl Default for Cast {
    fn default() -> Self {
        Self { routes: String::new(), people: MONITORING.into() }
    }
}

/// A configuration for a carrier, a PBX with the agent, and the supervisor's telephone, in TOML. What the daemon writes
/// goes to `folder`.
pub(crate) fn write(network: &Network, path: arguments::Path, folder: &Path, cast: &Cast) -> String {
    let ours = PEOPLE.map(|person| network.facing(person));
    let mut addresses = ours.map(|it| it.to_string()).to_vec();
    let mut listen = ours.map(|it| format!("udp:{}", SocketAddr::new(it, SIP_PORT))).to_vec();
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
    for person in PEOPLE {
        let (name, side) = peer(person);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[peer]]\nname = \"{name}\"\nside = \"{side}\"\naddresses = [\"{}\"]\nmedia = \"{}\"\noptions = 0\n",
            network.address(person),
            network.facing(person),
        );
    }
    let [(from, _), (to, _)] = [peer(Person::Caller), peer(Person::Agent)];
    let Cast { routes, people } = cast;
    let _ = write!(text, "{routes}\n[[route]]\nfrom = [\"{from}\"]\nto = \"{to}\"\n{people}");
    text
}

/// A person's number: the caller's at the carrier, an extension of ours.
pub(crate) const fn number(person: Person) -> &'static str {
    match person {
        Person::Caller => "4711",
        Person::Agent => "100",
        Person::Supervisor => "200",
    }
}

/// The peer that a person's telephone is, and its side.
const fn peer(person: Person) -> (&'static str, &'static str) {
    match person {
        Person::Caller => ("carrier", "off-net"),
        Person::Agent => ("pbx", "on-net"),
        Person::Supervisor => ("desk", "on-net"),
    }
}
