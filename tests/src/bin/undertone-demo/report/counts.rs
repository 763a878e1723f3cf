//! What the appliance itself has counted.

use std::fmt;

use serde_json::Value;

/// Packets since the daemon was started, as `undertone status` tells of them.
pub(crate) struct Counts {
    forwarded: u64,
    copies: u64,
    /// What was dropped, and why.
    dropped: Vec<(String, u64)>,
}

impl Counts {
    /// Reads a status.
    pub(crate) fn of(status: &Value) -> Self {
        let reasons = status["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
        let key = |it: &Value| it["reason"].as_str().unwrap_or_default().to_owned();
        let packets = |it: &Value| it["packets"].as_u64().unwrap_or(0);
        let count = |wanted: &[&str]| reasons.iter().filter(|it| wanted.contains(&&*key(it))).map(packets).sum();
        let dropped = reasons.iter().filter(|it| it["fate"] == "dropped" && packets(it) > 0);
        Self {
            forwarded: count(&["forwarded", "copied"]),
            copies: count(&["copy-sent"]),
            dropped: dropped.map(|it| (key(it), packets(it))).collect(),
        }
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
        let dropped: Vec<_> = self.dropped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        write!(f, "dropped: {}.", dropped.join(", "))
    }
}
