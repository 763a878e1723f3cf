//! What has to be known of a call, should the daemon be started again in the middle of it.
//!
//! Its media runs on in the data plane. With this, its parties' requests still find each other, and its record is written.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use undertone_core::Clock;

use super::{
    Call, Leg, Party, PartyName, Phase, Role,
    session::{Carries, Target},
    sound::Heard,
};
use crate::{
    identity::{self, Source},
    sip::{Flow, Transport},
    time::Nanos,
    trunk::Trunks,
};

/// A call, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub id: String,
    /// Whether it was up. One that was not cannot go on without its INVITE.
    pub(crate) is_up: bool,
    pub(super) dialled: String,
    // Those of calls that an earlier version has kept have none.
    #[serde(default)]
    called: String,
    pub(super) sip_call_id: Text,
    pub(super) legs: [KeptLeg; 2],
    pub(super) lines: Vec<KeptLine>,
    #[serde(default)]
    recorded: bool,
    started_ns: u64,
    rang_ns: Option<u64>,
    answered_ns: Option<u64>,
}

/// A party. Peers are kept by name: their places change with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptLeg {
    pub(super) peer: String,
    number: String,
    name: String,
    // Those of calls that an earlier version has kept have none of these.
    #[serde(default)]
    extension: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    is_private: bool,
    #[serde(default)]
    source: String,
    #[serde(default)]
    sip_user: Option<String>,
    tag: Option<Text>,
    listener: u8,
    transport: String,
    remote: SocketAddr,
    address: Text,
    contact: Option<Text>,
    routes: Vec<Text>,
    cseq: u32,
}

/// A media line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptLine {
    pub(super) ports: [Option<SocketAddr>; 2],
    pub(super) targets: [Option<KeptTarget>; 2],
}

/// Where a party wants a media line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptTarget {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    mux: bool,
    #[serde(default)]
    carries: Carries,
    held: bool,
    clock_hz: u32,
    #[serde(default)]
    heard: Heard,
}

/// Bytes as SIP has them, of which not all are UTF-8: each is the character of its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| char::from(*byte)).collect())
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.0.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect()
    }
}

impl Snapshot {
    /// A call, as it is now.
    pub(crate) fn of(call: &Call, trunks: &Trunks) -> Option<Self> {
        let leg = |role| Some(KeptLeg::of(call.leg(role), trunks.peer(call.leg(role).peer)?.name.clone()));
        Some(Self {
            id: call.id.to_string(),
            is_up: call.phase == Phase::Up,
            dialled: call.dialled.clone(),
            called: call.called.clone(),
            sip_call_id: Text::of(&call.sip_call_id),
            legs: [leg(Role::Caller)?, leg(Role::Callee)?],
            lines: call.session.kept(),
            recorded: call.recorded,
            started_ns: call.started.0,
            rang_ns: call.rang.map(|at| at.0),
            answered_ns: call.answered.map(|at| at.0),
        })
    }

    /// The media ports that its relays are at, one for each.
    pub fn relays(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let rtcp = |rtp: SocketAddr| SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        self.lines.iter().filter_map(|line| line.ports[0]).flat_map(move |rtp| [rtp, rtcp(rtp)])
    }

    /// The call again; `None` when a peer of it is no longer configured. Its media is still to be found.
    pub(crate) fn call(&self, trunks: &Trunks) -> Option<Call> {
        let [caller, callee] = &self.legs;
        Some(Call {
            id: self.id.parse().ok()?,
            phase: Phase::Up,
            dialled: self.dialled.clone(),
            called: self.called.clone(),
            sip_call_id: self.sip_call_id.bytes(),
            legs: [caller.leg(trunks)?, callee.leg(trunks)?],
            session: super::Session::default(),
            replaces: None,
            started: Nanos(self.started_ns),
            rang: self.rang_ns.map(Nanos),
            answered: self.answered_ns.map(Nanos),
            left: None,
            recorded: self.recorded,
            offers_late: false,
            server: None,
            client: None,
            offered: true,
            setup: None,
        })
    }
}

impl KeptLeg {
    fn of(leg: &Leg, peer: String) -> Self {
        let Party { flow, address, contact, routes, cseq } = &leg.dialog;
        let PartyName { number, extension, name, user, is_private, source } = leg.party.clone();
        Self {
            peer,
            number,
            name,
            extension,
            user,
            is_private,
            source: source.map(|source| source.to_string()).unwrap_or_default(),
            sip_user: Some(leg.user.clone()),
            tag: leg.tag.as_deref().map(Text::of),
            listener: flow.listener,
            transport: flow.transport.key().into(),
            remote: flow.remote,
            address: Text::of(address),
            contact: contact.as_deref().map(Text::of),
            routes: routes.iter().map(|route| Text::of(route)).collect(),
            cseq: *cseq,
        }
    }

    fn leg(&self, trunks: &Trunks) -> Option<Leg> {
        let (index, peer) = trunks.peer_named(&self.peer)?;
        let transport = Transport::from_name(self.transport.as_bytes())?;
        Some(Leg {
            peer: index,
            side: peer.side,
            party: PartyName {
                number: self.number.clone(),
                extension: self.extension.clone(),
                name: self.name.clone(),
                user: self.user.clone(),
                is_private: self.is_private,
                source: Source::from_name(&self.source),
            },
            tag: self.tag.as_ref().map(Text::bytes),
            user: self.sip_user.clone().unwrap_or_else(|| identity::user_of(&self.address.bytes())),
            dialog: Party {
                flow: Flow { listener: self.listener, transport, remote: self.remote, connection: 0 },
                address: self.address.bytes(),
                contact: self.contact.as_ref().map(Text::bytes),
                routes: self.routes.iter().map(Text::bytes).collect(),
                cseq: self.cseq,
            },
        })
    }
}

impl From<Target> for KeptTarget {
    fn from(target: Target) -> Self {
        let Target { rtp, rtcp, mux, carries, held, clock, heard } = target;
        Self { rtp, rtcp, mux, carries, held, clock_hz: clock.hz(), heard }
    }
}

impl From<KeptTarget> for Target {
    fn from(kept: KeptTarget) -> Self {
        let KeptTarget { rtp, rtcp, mux, carries, held, clock_hz, heard } = kept;
        Self { rtp, rtcp, mux, carries, held, clock: Clock::from_hz(clock_hz).unwrap_or_default(), heard }
    }
}
