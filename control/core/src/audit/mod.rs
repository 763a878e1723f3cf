//! What is written down of monitoring, so that it cannot be changed unnoticed.
//!
//! An [`Event`] becomes a [`Row`] of a chain: its hash is over the hash of the row before and everything that stands in it. Who
//! changes, removes or moves a row has to write all later ones again. That is noticed by whoever has kept a later [`Head`]
//! elsewhere; without one, by nobody, for the hash has no key. [`Verifier`] looks for all of that.

mod chain;
mod verify;

use serde_json::{Map, Value};
use undertone_core::mixer::Mode;

pub use self::{
    chain::{FIELDS, Hash, Head, NoHead, Row},
    verify::{Fault, Verified, Verifier},
};
use crate::{call::CallId, monitor::SessionId, permission::Via};

/// Characters of a text that are kept.
const TEXT_MAX: usize = 256;
/// Bytes of details that are kept.
const DETAILS_MAX: usize = 16_384;

/// Something that has to be written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What has happened.
    pub what: What,
    /// Whose doing it was.
    pub by: By,
    /// Who is concerned, where somebody is.
    pub on: On,
    /// The call.
    pub call: Option<CallId>,
    /// The monitor session.
    pub session: Option<SessionId>,
    /// The mode that it is in now, or was to be in.
    pub mode: Option<Mode>,
    /// Why: the [`key`](crate::permission::Denial::key) of a denial, or how a session ended.
    pub reason: String,
    /// Whatever else there is to say, at most 16 KiB as JSON.
    pub details: Map<String, Value>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A supervisor monitors a call from now on.
    SessionStarted,
    /// A session has another mode.
    ModeChanged,
    /// A session goes on with another call of its extension, or waits for one.
    CallChanged,
    /// A session is over.
    SessionEnded,
    /// A session, or a change of one, was refused.
    Refused,
    /// A party hears the consent tone from now on, or no longer.
    ConsentTone,
    /// A session was ended or changed because what permitted it is no more.
    RightsWithdrawn,
    /// A call is recorded from now on.
    RecordingStarted,
    /// A recording is over.
    RecordingEnded,
    /// The file of a recording is not written any more.
    RecordingFailed,
    /// A call is not recorded that was to be.
    RecordingRefused,
    /// Somebody has signed in at the portal.
    SignedIn,
    /// Somebody did not know the password.
    SignInRefused,
    /// Somebody is not signed in any more.
    SignedOut,
    /// Another configuration holds.
    ConfigurationChanged,
    /// The daemon has begun to write.
    DaemonStarted,
    /// Rows that were too old were removed from the front.
    RowsRemoved,
}

/// Whose doing something was. A text is empty where nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The user, by name.
    pub user: String,
    /// The extension.
    pub extension: String,
    /// How.
    pub via: Via,
    /// From where: the address of a telephone or browser.
    pub address: String,
}

/// Who is concerned. A text is empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct On {
    /// The user, by name.
    pub user: String,
    /// The extension.
    pub extension: String,
}

impl Event {
    /// Something that concerns nobody yet.
    pub fn new(what: What, by: By) -> Self {
        let (on, reason, details) = (On::default(), String::new(), Map::new());
        Self { what, by, on, call: None, session: None, mode: None, reason, details }
    }

    /// With something else to say.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }
}

impl By {
    /// Undertone itself.
    pub const fn node() -> Self {
        Self { user: String::new(), extension: String::new(), via: Via::Node, address: String::new() }
    }
}

impl What {
    /// Everything that can happen.
    pub const ALL: [Self; 17] = [
        Self::SessionStarted,
        Self::ModeChanged,
        Self::CallChanged,
        Self::SessionEnded,
        Self::Refused,
        Self::ConsentTone,
        Self::RightsWithdrawn,
        Self::RecordingStarted,
        Self::RecordingEnded,
        Self::RecordingFailed,
        Self::RecordingRefused,
        Self::SignedIn,
        Self::SignInRefused,
        Self::SignedOut,
        Self::ConfigurationChanged,
        Self::DaemonStarted,
        Self::RowsRemoved,
    ];

    /// The name in the audit.
    pub const fn key(self) -> &'static str {
        match self {
            Self::SessionStarted => "session-started",
            Self::ModeChanged => "mode-changed",
            Self::CallChanged => "call-changed",
            Self::SessionEnded => "session-ended",
            Self::Refused => "refused",
            Self::ConsentTone => "consent-tone",
            Self::RightsWithdrawn => "rights-withdrawn",
            Self::RecordingStarted => "recording-started",
            Self::RecordingEnded => "recording-ended",
            Self::RecordingFailed => "recording-failed",
            Self::RecordingRefused => "recording-refused",
            Self::SignedIn => "signed-in",
            Self::SignInRefused => "sign-in-refused",
            Self::SignedOut => "signed-out",
            Self::ConfigurationChanged => "configuration-changed",
            Self::DaemonStarted => "daemon-started",
            Self::RowsRemoved => "rows-removed",
        }
    }
}

/// A text as it is kept: short, and without control characters.
fn text(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(TEXT_MAX).collect()
}

/// Details as they are kept.
fn json(details: &Map<String, Value>) -> String {
    let json = Value::Object(details.clone()).to_string();
    if json.len() <= DETAILS_MAX { json } else { format!("{{\"left_out_bytes\":{}}}", json.len()) }
}
