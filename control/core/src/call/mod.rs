//! A call: two legs, their media, and what becomes of them.
//!
//! The protocol lives in [`element`](crate::element), which drives the types here: [`Session`] is the media between the two
//! parties and knows offers and answers, [`Leg`] is what is known of one party, [`Record`] is what is left in the end.

mod leg;
mod media;
mod ports;
mod record;
mod session;
mod snapshot;
mod sound;

use std::{fmt, str::FromStr};

pub use self::{
    leg::{Leg, Party, PartyName},
    media::{Media, MediaFailure},
    ports::Ports,
    record::{Cause, Record, StreamRecord},
    session::{Refusal, Session},
    snapshot::Snapshot,
    sound::SoundStream,
};
pub(crate) use self::{
    session::{Manner, take_port},
    snapshot::Text,
};
use crate::{
    sip::{
        Flow,
        message::{Request, Response},
        transaction::{ClientId, ServerId},
    },
    time::Nanos,
    trunk::PeerIndex,
};

/// Names a call of this node, in logs, records and our Record-Route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl FromStr for CallId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// Which of a call's two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Who called.
    Caller,
    /// Who was called.
    Callee,
}

impl Role {
    /// Both, in the order in which they are kept.
    pub const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    /// The name in records and events.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The callee has not been heard of.
    Trying,
    /// The callee rings, or plays early media.
    Ringing,
    /// The callee has answered.
    Up,
}

impl Phase {
    /// The name in the API and in metrics.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Ringing => "ringing",
            Self::Up => "up",
        }
    }
}

/// A call between two peers.
#[derive(Debug)]
pub struct Call {
    /// Its name.
    pub id: CallId,
    /// How far it is.
    pub phase: Phase,
    /// The number that was dialled.
    pub dialled: String,
    /// What the route has made of it: the number that is called.
    pub called: String,
    /// The caller's Call-ID header.
    pub sip_call_id: bytes::Bytes,
    /// The parties: caller and callee.
    pub legs: [Leg; 2],
    /// Their media.
    pub session: Session,
    /// The call whose place it takes, as its INVITE says (RFC 3891), where that is one of ours.
    pub replaces: Option<CallId>,
    /// When it began.
    pub started: Nanos,
    /// When the callee was first heard of.
    pub rang: Option<Nanos>,
    /// When the callee answered.
    pub answered: Option<Nanos>,
    /// When a party has hung up, until that is confirmed.
    pub(crate) left: Option<Nanos>,
    /// The caller's INVITE; `None` for a call from before the daemon was started.
    pub(crate) server: Option<ServerId>,
    /// The INVITE that was answered.
    pub(crate) client: Option<ClientId>,
    /// Whether its route has it recorded.
    pub recorded: bool,
    /// Whether the last offer stood in a response.
    pub(crate) offers_late: bool,
    /// Whether the caller's INVITE had an offer; else the callee makes one.
    pub(crate) offered: bool,
    pub(crate) setup: Option<Box<Setup>>,
}

// A class of the allocator's, and the largest part of what a call in progress takes.
const _: () = assert!(size_of::<Call>() <= 896);

/// What there is of a call while it is not answered.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The caller's INVITE, as it came.
    pub(crate) request: Box<Request>,
    pub(crate) flow: Flow,
    pub(crate) server: ServerId,
    /// The number to call.
    pub(crate) number: String,
    /// The peers that are still to be tried, at each of their targets.
    pub(crate) left: std::collections::VecDeque<(PeerIndex, std::net::SocketAddr)>,
    /// The attempt that is running.
    pub(crate) attempt: Option<Attempt>,
    /// The best failure so far.
    pub(crate) failure: Option<Failure>,
}

/// A try that has failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    /// What the callee said; `None` when it said nothing.
    pub(crate) response: Option<Box<Response>>,
}

/// One try to reach the callee.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Where it went.
    pub(crate) to: std::net::SocketAddr,
    pub(crate) client: ClientId,
    /// When it has taken too long (timer C, RFC 3261 §16.6 step 11).
    pub(crate) timer_c: Nanos,
    /// The tag of the callee that was heard of last.
    pub(crate) heard: Option<bytes::Bytes>,
}

impl Call {
    /// One party's leg.
    pub const fn leg(&self, role: Role) -> &Leg {
        let [caller, callee] = &self.legs;
        match role {
            Role::Caller => caller,
            Role::Callee => callee,
        }
    }

    /// One party's leg.
    pub const fn leg_mut(&mut self, role: Role) -> &mut Leg {
        let [caller, callee] = &mut self.legs;
        match role {
            Role::Caller => caller,
            Role::Callee => callee,
        }
    }

    /// Which party a request in this call's dialog is from, by the tag it has in From. Before the callee has answered, its
    /// tag may be any; after that, `None` is another callee of a forked call.
    pub fn sender(&self, from_tag: &[u8]) -> Option<Role> {
        let has = |role| self.leg(role).tag.as_deref().map(|tag| tag == from_tag);
        match (has(Role::Caller), has(Role::Callee)) {
            (Some(true), _) => Some(Role::Caller),
            (_, Some(false)) => None,
            _ => Some(Role::Callee),
        }
    }

    /// Whether a transaction is the one that reaches, or has reached, the callee.
    pub(crate) fn is_attempt(&self, client: ClientId) -> bool {
        let attempt = self.setup.as_ref().and_then(|setup| setup.attempt.as_ref()).map(|attempt| attempt.client);
        attempt.or(self.client) == Some(client)
    }
}
