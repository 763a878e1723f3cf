//! Calls and peers.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use undertone_control_core::{
    call::{Call, Leg, Role},
    trunk::{Side, Trunks},
};

/// A call, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallView {
    /// Its name.
    pub(crate) id: String,
    /// How far it is: trying, ringing or up.
    pub(crate) phase: String,
    /// The number that was dialled.
    pub(crate) dialled: String,
    /// Who called.
    pub(crate) caller: PartyView,
    /// Who was called.
    pub(crate) callee: PartyView,
    /// How long ago it began.
    pub(crate) age_ms: u64,
    /// How long it has been answered.
    pub(crate) up_ms: Option<u64>,
    /// The caller's Call-ID header.
    pub(crate) sip_call_id: String,
    /// The media ports that its streams arrive at.
    pub(crate) streams: Vec<StreamOf>,
}

/// A party of a call. A text is empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartyView {
    /// The peer that it is at.
    pub(crate) peer: String,
    /// The side of that peer: on-net or off-net.
    pub(crate) side: String,
    /// Its number.
    pub(crate) number: String,
    /// Its extension.
    pub(crate) extension: String,
    /// Its display name, or that of the user.
    pub(crate) name: String,
    /// The user whose extension it is.
    pub(crate) user: String,
    /// Whether it does not want the other party to know who it is.
    pub(crate) private: bool,
    /// Where that is said, by the words of the configuration.
    pub(crate) source: String,
}

/// A stream of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamOf {
    /// Who sends it: caller or callee.
    pub(crate) from: String,
    /// The media port that it arrives at.
    pub(crate) port: SocketAddr,
}

/// A peer, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerView {
    /// Its name.
    pub(crate) name: String,
    /// Its side: on-net or off-net.
    pub(crate) side: String,
    /// Where requests to it go first; `None` as long as its name is not resolved.
    pub(crate) target: Option<SocketAddr>,
    /// How its DNS names are; `None` for one that has none.
    #[serde(default)]
    pub(crate) names: Option<NamesView>,
    /// How.
    pub(crate) transport: String,
    /// Whether it answers, as far as is known.
    pub(crate) answers: bool,
    /// Calls with it.
    pub(crate) calls: u32,
    /// Calls with it at most.
    pub(crate) calls_max: Option<u32>,
}

/// How the DNS names of a peer are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamesView {
    /// Whether all of them are resolved. What was found last is used on where they are not.
    pub(crate) resolved: bool,
    /// Since when they are not.
    pub(crate) since: Option<String>,
    /// The name, and what is wrong with it.
    pub(crate) why: Option<String>,
}

impl CallView {
    /// A call at `now_ns`.
    pub(crate) fn new(call: &Call, trunks: &Trunks, now_ns: u64) -> Self {
        let age_ms = |since: u64| now_ns.saturating_sub(since) / 1_000_000;
        let stream = |(from, port): (Role, SocketAddr)| StreamOf { from: from.key().into(), port };
        Self {
            id: call.id.to_string(),
            phase: call.phase.key().into(),
            dialled: call.dialled.clone(),
            caller: PartyView::new(call.leg(Role::Caller), trunks),
            callee: PartyView::new(call.leg(Role::Callee), trunks),
            age_ms: age_ms(call.started.0),
            up_ms: call.answered.map(|at| age_ms(at.0)),
            sip_call_id: String::from_utf8_lossy(&call.sip_call_id).into_owned(),
            streams: call.session.streams().map(stream).collect(),
        }
    }
}

impl PartyView {
    fn new(leg: &Leg, trunks: &Trunks) -> Self {
        Self {
            peer: trunks.peer(leg.peer).map(|peer| peer.name.clone()).unwrap_or_default(),
            side: side(leg.side).into(),
            number: leg.party.number.clone(),
            extension: leg.party.extension.clone(),
            name: leg.party.name.clone(),
            user: leg.party.user.clone(),
            private: leg.party.is_private,
            source: leg.party.source.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// The name of a side.
pub(crate) const fn side(side: Side) -> &'static str {
    match side {
        Side::OnNet => "on-net",
        Side::OffNet => "off-net",
    }
}
