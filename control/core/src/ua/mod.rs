//! Calls that Undertone has itself: that it answers (`007100`), and that it places (to a supervisor's phone).
//!
//! What stands here is one end of one such call, without transactions: `Dialog` is what it takes to send requests in it
//! (RFC 3261 §12), `Session` its media by offers and answers (RFC 3264), `Timer` whether the other end is still there
//! (RFC 4028). [`element`](crate::element) drives them, and tells whoever monitors by [`Event`]s.

mod call;
mod dialog;
mod digits;
mod format;
mod media;
mod offer;
mod session;
mod snapshot;
#[cfg(test)]
mod tests;
mod timer;

use std::{fmt, net::IpAddr, str::FromStr};

use undertone_core::mixer::Codec;

pub use self::{
    call::Ua,
    media::{MediaLeg, OpusWishes},
    session::Unacceptable,
    snapshot::Snapshot,
};
pub(crate) use self::{
    call::{Asked, Incoming as Waiting, Placing, Refresh, Unacknowledged},
    dialog::Dialog,
    digits::{DIGITS, Digits, digits},
    session::{Extent, Manner, Session, spoken_in},
    timer::Timer,
};
use crate::{call::PartyName, trunk::PeerIndex};

/// Names a call of Undertone's own: in logs, in the API, and as our tag in its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UaId(pub u64);

impl fmt::Display for UaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl FromStr for UaId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// Something that has happened in a call of our own.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody calls one of our numbers, and hears nothing until we decide: `accept`, `alert` or `turn_down`.
    Incoming(Box<Incoming>),
    /// Who we call is alerted.
    Ringing(UaId),
    /// The call is up, both ends know.
    Up(UaId),
    /// Media was agreed on, for the first time or anew.
    Media(UaId, Box<MediaLeg>),
    /// The other end is somebody else than it was: a phone was handed on behind its switch.
    Party(UaId, Box<PartyName>),
    /// A key was pressed, as a message says that carries no sound (INFO).
    Digit {
        /// Where.
        id: UaId,
        /// One of `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
        /// How long, where that is said.
        duration_ms: Option<u16>,
    },
    /// The other end has answered that it is there: `Element::probe`.
    Present(UaId),
    /// The call is over, or came to nothing. It is not known any more.
    Ended(UaId, Cause),
}

/// A call to one of our numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its name.
    pub id: UaId,
    /// Who it comes from.
    pub peer: PeerIndex,
    /// Where the peer's message came from.
    pub from: IpAddr,
    /// Who calls.
    pub party: PartyName,
    /// The number that was dialled.
    pub number: String,
    /// The caller's Call-ID header.
    pub sip_call_id: String,
    /// What the caller can speak, of what the mixer can; none where it offers nothing yet or nothing of use.
    pub codecs: Vec<Codec>,
    /// Whether the caller leaves it to us to make an offer.
    pub offers_late: bool,
    /// The media address that it is to be answered with.
    pub media: Option<IpAddr>,
}

/// Why a call of our own is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// A SIP status; 200 for one that was up and was hung up.
    pub status: u16,
    /// In words.
    pub text: String,
    /// Whose doing it was.
    pub by: By,
}

/// Whose doing it was that a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The other end's.
    Party,
    /// Ours.
    Us,
}

impl Cause {
    /// Our own doing.
    pub fn by_us(status: u16, text: &str) -> Self {
        Self::new(status, text, By::Us)
    }

    pub(crate) fn new(status: u16, text: &str, by: By) -> Self {
        let text = if text.is_empty() { crate::sip::message::phrase(status) } else { text };
        Self { status, text: text.chars().filter(|letter| !letter.is_control()).take(128).collect(), by }
    }

    /// As the value of a Reason header (RFC 3326).
    pub(crate) fn reason(&self) -> String {
        let text = self.text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("SIP;cause={};text=\"{text}\"", self.status)
    }
}

/// What we offer, or answer an offer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where media comes to; `None` for a free pair of ports of the media address that the peer's parties send to. It is ours
    /// as long as the call lasts.
    pub local: Option<std::net::SocketAddr>,
    /// What we speak, the most wanted first.
    pub codecs: Vec<Codec>,
    /// Whose order decides between codecs of an offer.
    pub order: Order,
}

/// Whose order decides between several codecs that both ends speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// That of who offers.
    #[default]
    Theirs,
    /// Ours.
    Ours,
}

/// A call to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where it goes.
    pub to: Destination,
    /// The number to call.
    pub number: String,
    /// The number that we call ourselves in From; may be empty.
    pub from_number: String,
    /// The name that we call ourselves, as phones show it: `Undertone monitoring 100`.
    pub from_name: String,
    /// What we offer.
    pub terms: Terms,
    /// Whether the phone is asked to answer by itself, in the ways that phones understand.
    pub auto_answer: bool,
    /// How long the phone may ring, in seconds.
    pub ring_s: u32,
}

/// Where a call of ours goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the first of these peers that takes it.
    Peers(Vec<PeerIndex>),
    /// To a group of peers, by its name.
    Group(String),
    /// Wherever a call from this peer to the number would go.
    AsFrom(PeerIndex),
}

/// Why nothing came of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UaError {
    /// The call is over, or was never there, or is further than that.
    #[error("there is no such call, or it is not waiting for this")]
    Gone,
    /// The media that the other end wants cannot be; it was told so.
    #[error("{0}")]
    Unacceptable(#[from] Unacceptable),
    /// As many calls of our own as there may be.
    #[error("there are {0} calls of Undertone's own already")]
    TooMany(u32),
    /// No new calls are taken, nor made.
    #[error("no new calls are taken: the node is being drained")]
    Draining,
    /// Nobody to send the call to.
    #[error("no peer takes calls to {0}")]
    NoRoute(String),
}

/// Numbers that Undertone answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnNumber {
    /// This one: `*80`.
    Exactly(String),
    /// Those that begin so, with one to so many characters behind it: `007` and an extension.
    Prefix {
        /// How they begin.
        prefix: String,
        /// How many characters more at most, so that numbers abroad are none of these: `007` also leads to Russia.
        more_max: u8,
    },
}

impl OwnNumber {
    /// Whether a dialled number is one of these.
    pub fn is(&self, dialled: &str) -> bool {
        match self {
            Self::Exactly(number) => number == dialled,
            Self::Prefix { prefix, more_max } => dialled
                .strip_prefix(prefix.as_str())
                .is_some_and(|more| (1..=usize::from(*more_max)).contains(&more.chars().count())),
        }
    }
}

/// How many calls of our own, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls of our own at a time; one more is refused with 503.
    pub calls_max: u32,
    /// How long a caller waits for us to decide, in seconds.
    pub decide_s: u32,
    /// How often the other end has to say that it is there, in seconds, where it can (RFC 4028); `None` to leave that to it.
    pub session_expires_s: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls_max: 1000, decide_s: 60, session_expires_s: Some(1800) }
    }
}
