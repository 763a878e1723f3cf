//! What the appliance itself has counted.

use std::fmt;

use anyhow::Result;
use undertone_dataplane::{Dataplane, Fate, Reason};

/// Packets since the data plane was opened.
pub(crate) struct Counts {
    forwarded: u64,
    copies: u64,
    /// What was dropped, and why.
    dropped: Vec<(Reason, u64)>,
}

impl Counts {
    pub(crate) fn of(plane: &Dataplane) -> Result<Self> {
        let reasons = plane.reasons()?;
        let count = |wanted: &[Reason]| -> u64 {
            reasons.iter().filter(|(reason, _)| wanted.contains(reason)).map(|(_, count)| count).sum()
        };
        Ok(Self {
            forwarded: count(&[Reason::Forwarded, Reason::Copied]),
            copies: count(&[Reason::CopySent]),
            dropped: reasons
                .into_iter()
                .filter(|(reason, count)| reason.fate() == Fate::Dropped && *count > 0)
                .collect(),
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The appliance's own count: {} packets forwarded, ", self.forwarded)?;
        // Not every path counts the copies.
        if self.copies > 0 {
            write!(f, "{} copies sent, ", self.copies)?;
        }
        if self.dropped.is_empty() {
            return write!(f, "none dropped.");
        }
        let dropped: Vec<_> = self.dropped.iter().map(|(reason, count)| format!("{count} {}", reason.key())).collect();
        write!(f, "dropped: {}.", dropped.join(", "))
    }
}
