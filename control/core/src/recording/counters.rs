//! What is counted of recordings.

use super::{Fault, Refusal};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Recordings that have begun.
    pub begun: u64,
    /// Those that were refused.
    pub refused: Refusals,
    /// Files that are shorter than they should be.
    pub failed: Faults,
}

/// How often recordings were refused, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals([u64; Refusal::ALL.len()]);

/// How often files have failed, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Refusals {
    /// Every reason, and how often it was one.
    pub fn each(self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.0)
    }

    pub(super) fn count(&mut self, refusal: Refusal) {
        for (other, count) in Refusal::ALL.into_iter().zip(&mut self.0) {
            *count += u64::from(other == refusal);
        }
    }
}

impl Faults {
    /// Every reason, and how often it was one.
    pub fn each(self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.into_iter().zip(self.0)
    }

    pub(super) fn count(&mut self, fault: Fault) {
        for (other, count) in Fault::ALL.into_iter().zip(&mut self.0) {
            *count += u64::from(other == fault);
        }
    }
}
