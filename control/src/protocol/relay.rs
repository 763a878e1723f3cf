//! A relay, by the words of the configuration.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use undertone_control_core::config::Extras;
use undertone_core::{Clock, Dscp, End, Kind, Policy, Relay};

use super::words;

/// A relay to add, or to change to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelaySpec {
    /// One party.
    pub(crate) a: EndSpec,
    /// The other.
    pub(crate) b: EndSpec,
    /// What the ports carry.
    #[serde(default = "rtp", with = "words::named")]
    pub(crate) kind: Kind,
    /// The clock rate in hertz.
    #[serde(default, with = "words::clock")]
    pub(crate) clock: Clock,
}

/// One party's end of a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndSpec {
    /// The media port it sends to.
    pub(crate) local: SocketAddr,
    /// Where it is.
    pub(crate) peer: SocketAddr,
    /// Who else may send.
    #[serde(default, with = "words::named")]
    pub(crate) learn: Policy,
    /// Whether what it sends goes on.
    #[serde(default = "yes")]
    pub(crate) sends: bool,
    /// The code point of packets to it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "words::dscp")]
    pub(crate) dscp: Option<Dscp>,
}

/// What becomes of a stream besides being relayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExtrasSpec {
    /// Where copies of it go.
    pub(crate) copies: Vec<SocketAddr>,
    /// Whether it goes through the mixer.
    pub(crate) divert: bool,
}

const fn rtp() -> Kind {
    Kind::Rtp
}

const fn yes() -> bool {
    true
}

impl From<&RelaySpec> for Relay {
    fn from(spec: &RelaySpec) -> Self {
        Self { a: (&spec.a).into(), b: (&spec.b).into(), kind: spec.kind, clock: spec.clock }
    }
}

impl From<&Relay> for RelaySpec {
    fn from(relay: &Relay) -> Self {
        Self { a: (&relay.a).into(), b: (&relay.b).into(), kind: relay.kind, clock: relay.clock }
    }
}

impl From<&EndSpec> for End {
    fn from(spec: &EndSpec) -> Self {
        Self { local: spec.local, peer: spec.peer, learn: spec.learn, sends: spec.sends, dscp: spec.dscp }
    }
}

impl From<&End> for EndSpec {
    fn from(end: &End) -> Self {
        Self { local: end.local, peer: end.peer, learn: end.learn, sends: end.sends, dscp: end.dscp }
    }
}

impl From<&ExtrasSpec> for Extras {
    fn from(spec: &ExtrasSpec) -> Self {
        Self { copies: spec.copies.clone(), divert: spec.divert }
    }
}

impl From<&Extras> for ExtrasSpec {
    fn from(extras: &Extras) -> Self {
        Self { copies: extras.copies.clone(), divert: extras.divert }
    }
}
