//! What is counted of the signalling.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;
use undertone_control_core::sip::message::phrase;

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// Set up, held as long as it was to be, ended by a BYE that was answered.
    Completed,
    /// Ended early because the run was stopped.
    Stopped,
    /// Refused with this status.
    Refused(u16),
    /// Not a word on the INVITE.
    NoAnswer,
    /// It rang, or was tried, without an end.
    NoFinalAnswer,
    /// Answering without a stream that we could send to.
    NoMedia,
    /// The other side ended it first.
    EndedEarly,
    /// The BYE was refused with this status.
    ByeRefused(u16),
    /// Not a word on the BYE.
    ByeUnanswered,
    /// There was no socket for it on this machine.
    NotPlaced,
}

impl Outcome {
    /// Whether it counts against the target.
    pub(super) const fn is_failure(self) -> bool {
        !matches!(self, Self::Completed | Self::Stopped)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::Stopped => f.write_str("stopped with the run"),
            Self::Refused(status) => write!(f, "{status} {}", phrase(*status)),
            Self::NoAnswer => f.write_str("INVITE not answered"),
            Self::NoFinalAnswer => f.write_str("no final answer to INVITE"),
            Self::NoMedia => f.write_str("answered without a usable stream"),
            Self::EndedEarly => f.write_str("ended early by the other side"),
            Self::ByeRefused(status) => write!(f, "BYE refused: {status} {}", phrase(*status)),
            Self::ByeUnanswered => f.write_str("BYE not answered"),
            Self::NotPlaced => f.write_str("not placed: no socket left here"),
        }
    }
}

/// A histogram of times.
#[derive(Clone, Debug)]
pub(super) struct Times(pub(super) Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        // Microseconds, to a thousandth, up to ten minutes: constants that fit.
        Self(Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds that a histogram can have"))
    }
}

impl Times {
    /// Counts a time.
    pub(super) fn record(&mut self, time: Duration) {
        self.0.saturating_record(time.as_micros() as u64);
    }

    /// The time in milliseconds that this share of all does not exceed; `None` when there are none.
    pub(super) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(quantile) as f64 / 1e3)
    }
}

/// What the calling side counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// Calls that were to be placed so far.
    pub(super) calls: u64,
    /// Those that have begun, and are neither up nor over.
    pub(super) trying: u64,
    /// Those that are answered and not ended.
    pub(super) up: u64,
    /// The most that were.
    pub(super) up_max: u64,
    /// Those that were answered.
    pub(super) answered: u64,
    /// Those that are over, by how they went.
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    /// INVITE to 200.
    pub(super) setup: Times,
    /// INVITE to the first 18x.
    pub(super) ringing: Times,
    /// BYE to its 200.
    pub(super) teardown: Times,
    /// Why a call could not be placed, the first time.
    pub(super) obstacle: Option<String>,
    /// Times that a call had to wait because enough were there.
    pub(super) held_back: u64,
}

impl Placed {
    /// Calls that count against the target.
    pub(super) fn failures(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| outcome.is_failure()).map(|(_, calls)| calls).sum()
    }

    /// Calls that went as they were to.
    pub(super) fn completed(&self) -> u64 {
        self.outcomes.get(&Outcome::Completed).copied().unwrap_or_default()
    }

    /// Counts a call that is over.
    pub(super) fn count(&mut self, outcome: Outcome) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }
}

/// What the answering side counts.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(super) struct Answering {
    /// INVITEs of new calls.
    pub(super) received: u64,
    /// Those that were answered.
    pub(super) answered: u64,
    /// Those that have begun and not ended.
    pub(super) running: u64,
    /// Those that were given up by the caller.
    pub(super) cancelled: u64,
    /// Those that were refused: no codec in common, no socket here.
    pub(super) refused: u64,
    /// Answers that nobody acknowledged.
    pub(super) unacknowledged: u64,
    /// Those that the other side ended.
    pub(super) ended: u64,
}
