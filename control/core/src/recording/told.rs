//! How recordings are told of: names in the audit, in metrics and events, and the configuration in the audit's words.

use serde_json::{Value, json};

use super::{Fault, FileState, Settings, Why};

impl Why {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Route, Self::Rule, Self::Asked];

    /// The name in the audit and the API.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Rule => "rule",
            Self::Asked => "asked",
        }
    }
}

impl Fault {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::DiskFull, Self::DiskSlow, Self::NotWritable, Self::TooLong];

    /// The name in the audit, the API and in metrics.
    pub const fn key(self) -> &'static str {
        match self {
            Self::DiskFull => "disk-full",
            Self::DiskSlow => "disk-slow",
            Self::NotWritable => "not-writable",
            Self::TooLong => "too-long",
        }
    }
}

impl FileState {
    /// The name in the API.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Failed(fault) => fault.key(),
        }
    }
}

impl Settings {
    /// Everything that decides what is recorded, with the keys of the configuration.
    pub fn told(&self) -> Value {
        json!({
            "everyone": self.everyone,
            "always": self.always,
            "never": self.never,
            "at-once": self.at_once_max,
            "files": self.files.as_ref().map(|files| json!({
                "directory": files.directory,
                "name": files.name.to_string(),
                "keep-days": files.keep_days,
                "group-readable": files.group_readable,
            })),
            "copies": self.copies.map(|copies| json!({
                "address": copies.address,
                "ports": copies.ports.to_string(),
            })),
        })
    }
}
