//! Monitoring calls: what a supervisor dials, and what is configured of it. Who may is in [`permission`](crate::permission).

mod codes;
pub mod desk;
mod digit;
mod settings;
mod told;

use std::{fmt, str::FromStr};

pub use self::{
    codes::{Code, Codes, Collector, Heard},
    digit::Digit,
    settings::{
        Announcements, AuditFailure, Consent, Dialled, EMERGENCY_NUMBERS, Monitoring, PREFIX_DEFAULT, RefusalSound,
        RefusedCall,
    },
};

/// Names a monitor session of this node, in logs, the audit and the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
