//! The network of a relay: where streams come from, the relay's own, and where they end.

use anyhow::Result;

use crate::{
    dataplane::{driver::Driver, forwarding::Load},
    machine::{self, Namespace},
};

pub(super) const SENDER: &str = "10.9.0.2";
/// The relay's address towards the sender.
pub(super) const RELAY_IN: &str = "10.9.0.1";
/// The relay's address towards the party.
pub(super) const RELAY_OUT: &str = "10.8.0.1";
pub(super) const PARTY: &str = "10.8.0.2";
const PARTY_MAC: &str = "02:00:00:00:08:02";

/// Three namespaces in a row, and a program that counts what comes to the last.
pub(super) struct Scene {
    pub(super) sender: Namespace,
    pub(super) relay: Namespace,
    _party: Namespace,
    counter: Driver,
}

impl Scene {
    /// Builds the network.
    pub(super) fn new() -> Result<Self> {
        let (sender, relay, party) = (Namespace::quiet()?, Namespace::quiet()?, Namespace::quiet()?);
        let mut counter = Driver::load(&Load::PLAIN)?;
        relay.run(|| {
            machine::ip(&format!(
                "link set lo up\n\
                 link add in type veth peer name out netns {sender}\n\
                 link add out type veth peer name in address {PARTY_MAC} netns {party}\n\
                 address add {RELAY_IN}/24 dev in\n\
                 address add {RELAY_OUT}/24 dev out\n\
                 link set in up\n\
                 link set out up\n\
                 neighbour add {PARTY} lladdr {PARTY_MAC} dev out nud permanent\n",
                sender = sender.path(),
                party = party.path(),
            ))
        })?;
        sender.run(|| machine::ip(&format!("address add {SENDER}/24 dev out\nlink set out up\n")))?;
        party.run(|| {
            machine::ip("link set in up\n")?;
            counter.count_sent("in")
        })?;
        Ok(Self { sender, relay, _party: party, counter })
    }

    /// Packets that have come to the party.
    pub(super) fn arrived(&self) -> Result<u64> {
        Ok(self.counter.counts()?.party)
    }
}
