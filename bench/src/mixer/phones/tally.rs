//! What was sent and heard.

use hdrhistogram::Histogram;

use super::Side;

/// Times up to ten seconds, in nanoseconds, to a thousandth.
#[derive(Clone, Debug)]
pub(in crate::mixer) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("bounds that a histogram can have"))
    }
}

impl Times {
    pub(super) fn note(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    /// The time that so many of a hundred are not above, in microseconds.
    pub(in crate::mixer) fn percentile_us(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1e3
    }
}

/// What was sent within a window.
#[derive(Clone, Debug, Default)]
pub(in crate::mixer) struct Sent {
    /// Packets of each side.
    pub(in crate::mixer) packets: [u64; 3],
    /// How late they were.
    pub(in crate::mixer) late: Times,
}

/// What was heard of a window.
#[derive(Clone, Debug, Default)]
pub(in crate::mixer) struct Heard {
    pub(in crate::mixer) caller: Party,
    pub(in crate::mixer) agent: Party,
    pub(in crate::mixer) supervisor: Ear,
}

/// What one side's parties heard of the other's.
#[derive(Clone, Debug, Default)]
pub(in crate::mixer) struct Party {
    /// Packets that were sent within the window.
    pub(in crate::mixer) packets: u64,
    /// Those of them whose sound is not what was sent.
    pub(in crate::mixer) mixed: u64,
    /// Packets that nobody sent: slipped into a stream.
    pub(in crate::mixer) invented: u64,
    /// How long they took.
    pub(in crate::mixer) took: Times,
}

/// What supervisors heard.
#[derive(Clone, Debug, Default)]
pub(in crate::mixer) struct Ear {
    /// Packets that arrived within the window, and those of them that are not silence.
    pub(in crate::mixer) packets: u64,
    pub(in crate::mixer) sounding: u64,
    /// Numbers that are missing.
    pub(in crate::mixer) lost: u64,
    /// How much later than the earliest of its stream a packet came, by its timestamp.
    pub(in crate::mixer) late: Times,
}

impl Heard {
    /// Of a party's side.
    pub(in crate::mixer) const fn party_mut(&mut self, side: Side) -> &mut Party {
        match side {
            Side::Caller => &mut self.caller,
            Side::Agent | Side::Supervisor => &mut self.agent,
        }
    }
}
