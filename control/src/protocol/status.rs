//! How the daemon and its data plane are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that `undertone status` tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The daemon's version.
    pub(crate) program_version: String,
    /// Its process.
    pub(crate) pid: u32,
    /// How long it has been running.
    pub(crate) uptime_s: u64,
    /// Its configuration file.
    pub(crate) config: PathBuf,
    /// Where programs and tables are pinned, if they are.
    pub(crate) pins: Option<PathBuf>,
    /// The path of each interface.
    pub(crate) interfaces: Vec<InterfaceStatus>,
    /// What was found when it started.
    pub(crate) adopted: Adoption,
    /// Relays that the configuration asks for, those of RTCP included.
    pub(crate) relays_configured: usize,
    /// Captures that are running.
    pub(crate) captures: usize,
    /// What the configuration asks for and is not so, and why.
    pub(crate) problems: Vec<String>,
    /// How full the tables are.
    pub(crate) capacity: Vec<Usage>,
    /// Packets by what became of them and why.
    pub(crate) reasons: Vec<ReasonCount>,
}

/// The path of one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InterfaceStatus {
    /// The interface; `*` for all.
    pub(crate) interface: String,
    /// The path.
    pub(crate) path: String,
    /// Why this one.
    pub(crate) reason: String,
}

/// What an earlier daemon had left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Adoption {
    /// Whether there were tables.
    pub(crate) tables: bool,
    /// The streams in them.
    pub(crate) streams: usize,
}

/// How full a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// What is in it.
    pub(crate) what: String,
    /// How many there are.
    pub(crate) used: u64,
    /// How many there can be.
    pub(crate) max: u64,
    /// How often there was room for no more.
    pub(crate) refused: u64,
}

impl Usage {
    /// How full it is, in percent.
    pub(crate) fn percent(&self) -> f64 {
        if self.max == 0 { 0.0 } else { 100.0 * self.used as f64 / self.max as f64 }
    }
}

/// How many packets had this fate for this reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReasonCount {
    /// The reason's name.
    pub(crate) reason: String,
    /// `sent`, `passed` or `dropped`.
    pub(crate) fate: String,
    /// How many.
    pub(crate) packets: u64,
    /// What the reason means.
    pub(crate) help: String,
}
