//! What is left of a call.

use std::net::SocketAddr;

use undertone_core::{Quality, StreamReport, mos};

use super::{CallId, PartyName, Role};
use crate::{sip::message::phrase, trunk::Side};

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The SIP status, 200 for a call that was answered and ended as calls do.
    pub status: u16,
    /// In words.
    pub text: String,
    /// Whose doing it was; `None` for ours.
    pub by: Option<Role>,
}

impl Cause {
    /// Our own doing.
    pub fn by_us(status: u16, text: &str) -> Self {
        Self::new(status, text, None)
    }

    pub(crate) fn new(status: u16, text: &str, by: Option<Role>) -> Self {
        let text = if text.is_empty() { phrase(status) } else { text };
        Self { status, text: text.chars().filter(|letter| !letter.is_control()).collect(), by }
    }
}

/// A call that is over. Times are nanoseconds after its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its name.
    pub id: CallId,
    /// The number that was dialled.
    pub dialled: String,
    /// Who called and who was called.
    pub parties: [PartyName; 2],
    /// The peers that they are at; the second is empty where none was reached.
    pub peers: [String; 2],
    /// The sides of the peers.
    pub sides: [Side; 2],
    /// The callers's Call-ID header.
    pub sip_call_id: String,
    /// How long ago it began, when it ended.
    pub lasted_ns: u64,
    /// When the callee was first heard of.
    pub rang_ns: Option<u64>,
    /// When the callee answered.
    pub answered_ns: Option<u64>,
    /// Why it ended.
    pub cause: Cause,
    /// How its streams were.
    pub streams: Vec<StreamRecord>,
}

/// How a stream was.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRecord {
    /// Who sent it.
    pub from: Role,
    /// The media port that it came to.
    pub at: SocketAddr,
    /// Packets that came.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Jitter at the end, in milliseconds (RFC 3550).
    pub jitter_ms: f64,
    /// Mean opinion score, 1 to 4.5; `None` when too little came to tell, or it was not RTP.
    pub mos: Option<f64>,
}

impl StreamRecord {
    pub(crate) fn new(from: Role, report: &StreamReport) -> Self {
        let it = &report.statistics;
        let expected = it.packets + u64::from(it.lost);
        let jitter_ms = it.jitter_ns as f64 / 1e6;
        Self {
            from,
            at: report.at,
            packets: it.packets,
            bytes: it.bytes,
            lost: it.lost.into(),
            jitter_ms,
            mos: (expected > 0 && report.kind.has_rtp())
                .then(|| mos(Quality { loss: it.lost as f64 / expected as f64, jitter_ms })),
        }
    }
}
