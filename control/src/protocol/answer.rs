//! What the daemon answers.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CallView, MonitorView, PeerView, RecordingView, Status, Stream, UserView, VERSION};

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "data", rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// It is done.
    Done {
        /// What was done, step by step; empty when nothing had to be.
        did: Vec<String>,
    },
    /// To [`Request::Status`](super::Request::Status).
    Status(Box<Status>),
    /// To [`Request::Streams`](super::Request::Streams).
    Streams(Vec<Stream>),
    /// To [`Request::Calls`](super::Request::Calls).
    Calls(Vec<CallView>),
    /// To [`Request::Peers`](super::Request::Peers).
    Peers(Vec<PeerView>),
    /// To [`Request::Users`](super::Request::Users).
    Users(Vec<UserView>),
    /// To [`Request::Monitors`](super::Request::Monitors).
    Monitors(Vec<MonitorView>),
    /// To [`Request::Recordings`](super::Request::Recordings) and [`Request::Record`](super::Request::Record).
    Recordings(Vec<RecordingView>),
    /// To [`Request::Capture`](super::Request::Capture): a pcap file follows.
    Capture {
        /// The media ports that are listened to.
        ports: Vec<SocketAddr>,
    },
    /// Nothing was done, or not all of it.
    Error(Refusal),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// What kind of reason it is.
    pub(crate) code: Code,
    /// The reason, one or more lines.
    pub(crate) error: String,
    /// The way out.
    #[serde(rename = "try", default, skip_serializing_if = "Option::is_none")]
    pub(crate) way_out: Option<String>,
}

/// Kinds of refusals, by what a client does about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// Not a request that this daemon knows.
    BadRequest,
    /// A request of another version.
    OtherVersion,
    /// No such stream, copy, call or session.
    NotFound,
    /// Somebody may not do it.
    Forbidden,
    /// The data plane refuses.
    Refused,
    /// The configuration is wrong.
    Configuration,
    /// Too much at once.
    Busy,
    /// Too often.
    TooMany,
}

impl Refusal {
    /// A refusal that says why.
    pub(crate) fn new(code: Code, error: impl Into<String>) -> Self {
        Self { code, error: error.into(), way_out: None }
    }

    /// And what to do about it.
    #[must_use]
    pub(crate) fn with_way_out(mut self, way_out: impl Into<String>) -> Self {
        self.way_out = Some(way_out.into());
        self
    }
}

/// An answer as a line, with its end.
pub(crate) fn encode_answer(answer: &Answer) -> String {
    // The types above have no maps with keys that are not texts, so that this cannot fail.
    let mut value = serde_json::to_value(answer).unwrap_or_else(|_| json!({ "answer": "error" }));
    if let Value::Object(object) = &mut value {
        object.insert("version".into(), VERSION.into());
    }
    format!("{value}\n")
}

/// The answer that a line is. The error says why it is none.
pub(crate) fn decode_answer(line: &[u8]) -> Result<Answer, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(|error| error.to_string()),
        Some(other) => Err(format!("it speaks version {other}, this program version {VERSION}")),
        None => Err("it does not say its version".into()),
    }
}
