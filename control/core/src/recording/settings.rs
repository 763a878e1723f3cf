//! What is configured of recording.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf};

use super::Pattern;
use crate::{call::Call, config::PortRange, directory::Directory, monitor::Monitoring, permission::is_listed};

/// Recordings at a time unless the configuration says otherwise.
pub const AT_ONCE_DEFAULT: u32 = 500;
/// Media ports of the operator's that a recording takes: an even one, and the next, for each party.
pub const PORTS_EACH: usize = 4;

/// Everything that an operator decides about recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether every call is recorded.
    pub everyone: bool,
    /// Extensions, numbers outside, and names of users, groups of users and queues, whose calls are recorded.
    pub always: BTreeSet<String>,
    /// The same for those whose calls never are. Who may not be monitored is not recorded either.
    pub never: BTreeSet<String>,
    /// Recordings at a time.
    pub at_once_max: usize,
    /// Our own recorder; `None` writes no files.
    pub files: Option<Files>,
    /// The operator's recorder; `None` where there is none.
    pub copies: Option<Copies>,
}

/// Where and how files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder, from / on.
    pub directory: PathBuf,
    /// The name of a file in it.
    pub name: Pattern,
    /// Files older than this are removed; `None` keeps them.
    pub keep_days: Option<u32>,
    /// Whether the group of the daemon's user may read them.
    pub group_readable: bool,
}

/// Where the operator's recorder listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Its address.
    pub address: IpAddr,
    /// Its ports.
    pub ports: PortRange,
}

/// Why a call is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no `[recording]`.
    NotConfigured,
    /// No such call, or no call of such an extension, is up.
    NoCall,
    /// It is recorded already.
    Already,
    /// A party is an emergency number.
    Emergency,
    /// A party is one of those whose calls are never recorded, or never monitored.
    Protected,
    /// The call has no sound.
    NoSound,
    /// Its sound cannot be read, and there is no recorder of the operator's that takes it as it is.
    Unreadable,
    /// So many are recorded already.
    NoRoom,
    /// What cannot be written down is not done.
    Unaudited,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::NotConfigured,
        Self::NoCall,
        Self::Already,
        Self::Emergency,
        Self::Protected,
        Self::NoSound,
        Self::Unreadable,
        Self::NoRoom,
        Self::Unaudited,
    ];

    /// The name in the audit and in metrics.
    pub const fn key(self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::NoCall => "no-call",
            Self::Already => "already",
            Self::Emergency => "emergency",
            Self::Protected => "protected",
            Self::NoSound => "no-sound",
            Self::Unreadable => "unreadable",
            Self::NoRoom => "no-room",
            Self::Unaudited => "unaudited",
        }
    }

    /// What is wrong, and what to do about it.
    pub const fn sentences(self) -> [&'static str; 2] {
        match self {
            Self::NotConfigured => {
                ["nothing is recorded here: the configuration has no [recording]", "add it, and `undertone reload`"]
            }
            Self::NoCall => ["no such call, and no call of such an extension, is up", "`undertone calls` lists all"],
            Self::Already => ["the call is recorded already", "`undertone recordings` lists all"],
            Self::Emergency => {
                ["a call to or from an emergency number is never recorded", "there is none: this protects the caller"]
            }
            Self::Protected => [
                "a party of the call is one of those whose calls are never recorded",
                "`never` in [recording] and in [monitoring] names them",
            ],
            Self::NoSound => ["the call has no sound", "try again when its parties have agreed on some"],
            Self::Unreadable => [
                "the call's sound cannot be read: it is encrypted, or of a codec that is not known here",
                "have a recorder that knows it take copies: [recording.copies]",
            ],
            Self::NoRoom => ["as many calls are recorded as may be", "end a recording, or raise `recording.at-once`"],
            Self::Unaudited => {
                ["the audit cannot be written, so that nothing is recorded", "its log says why; make room on its disk"]
            }
        }
    }
}

impl Settings {
    /// Whether the rules have a call recorded.
    pub(super) fn chooses(&self, call: &Call, directory: &Directory) -> bool {
        self.everyone || call.legs.iter().any(|leg| is_listed(&self.always, &leg.party, directory))
    }

    /// Whether a call may be recorded, whoever wants that.
    pub(super) fn admit(&self, call: &Call, monitoring: &Monitoring, directory: &Directory) -> Result<(), Refusal> {
        let parties = || call.legs.iter().map(|leg| &leg.party);
        let numbers = parties().map(|party| party.number.as_str());
        if monitoring.is_emergency(numbers.chain([call.dialled.as_str(), call.called.as_str()])) {
            return Err(Refusal::Emergency);
        }
        let mut lists = [&self.never, &monitoring.never].into_iter();
        if lists.any(|list| parties().any(|party| is_listed(list, party, directory))) {
            return Err(Refusal::Protected);
        }
        Ok(())
    }
}
