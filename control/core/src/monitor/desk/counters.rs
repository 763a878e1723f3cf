//! What the desk counts.

use crate::permission::Denial;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions that have begun.
    pub begun: u64,
    /// Sessions, or changes of one, that were refused.
    pub refused: Refusals,
    /// Changes of mode.
    pub changes: u64,
    /// Sessions whose phone has vanished.
    pub vanished: u64,
    /// Sessions that were ended because the audit could not be written.
    pub unaudited: u64,
}

/// How often something was refused, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals([u64; Denial::ALL.len()]);

impl Refusals {
    /// Every reason, and how often it was one.
    pub fn each(self) -> impl Iterator<Item = (Denial, u64)> {
        Denial::ALL.into_iter().zip(self.0)
    }

    /// How often this was the reason.
    pub fn of(self, denial: Denial) -> u64 {
        self.each().find(|(other, _)| *other == denial).map_or(0, |(_, count)| count)
    }

    pub(super) fn count(&mut self, denial: Denial) {
        for (other, count) in Denial::ALL.into_iter().zip(&mut self.0) {
            *count += u64::from(other == denial);
        }
    }
}
