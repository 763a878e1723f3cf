//! What a client may ask for.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use undertone_core::mixer::Mode;

use super::{Code, MonitorSpec, PortName, RecordingSpec, Refusal, RelaySpec, VERSION, words};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How the daemon and its data plane are.
    Status,
    /// The streams, all of them or those at some ports.
    Streams {
        /// The ports; empty for all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ports: Vec<PortName>,
    },
    /// Begin a relay.
    AddRelay {
        /// The relay.
        relay: RelaySpec,
        /// Whether to relay RTCP between the next ports too.
        #[serde(default)]
        rtcp: bool,
    },
    /// Change the relay between the same two ports.
    ChangeRelay {
        /// What it becomes.
        relay: RelaySpec,
        /// Whether to change that of RTCP between the next ports too.
        #[serde(default)]
        rtcp: bool,
    },
    /// End the relay that a port belongs to.
    RemoveRelay {
        /// The port.
        port: PortName,
        /// Whether to end that of RTCP at the next port too.
        #[serde(default)]
        rtcp: bool,
    },
    /// Copy a stream to a UDP port.
    AddCopy {
        /// The port it arrives at.
        port: PortName,
        /// Where the copy goes.
        to: SocketAddr,
    },
    /// End a copy of a stream.
    RemoveCopy {
        /// The port it arrives at.
        port: PortName,
        /// Where the copy goes.
        to: SocketAddr,
    },
    /// Send a stream through the mixer, or no longer.
    Divert {
        /// The port it arrives at.
        port: PortName,
        /// Whether.
        on: bool,
    },
    /// The calls.
    Calls,
    /// The SIP peers.
    Peers,
    /// The users.
    Users,
    /// End a call.
    HangUp {
        /// Its name.
        call: String,
    },
    /// The monitor sessions.
    Monitors,
    /// Have a supervisor called, who is to monitor an extension.
    Monitor {
        /// Who, and whom.
        monitor: MonitorSpec,
    },
    /// Give a monitor session another mode.
    SwitchMonitor {
        /// Its name.
        monitor: String,
        /// The mode.
        #[serde(with = "words::named")]
        mode: Mode,
    },
    /// End a monitor session.
    EndMonitor {
        /// Its name.
        monitor: String,
    },
    /// The recordings that run.
    Recordings,
    /// Record a call.
    Record {
        /// Which.
        recording: RecordingSpec,
    },
    /// End the recording of a call.
    EndRecording {
        /// The name of the call.
        call: String,
    },
    /// Take no new calls, or take them again.
    Drain {
        /// Whether none are taken.
        on: bool,
    },
    /// Read the configuration again.
    Reload,
    /// Send what arrives at a port, as a pcap file, until the client closes the connection.
    Capture {
        /// The port.
        port: PortName,
        /// Whether to send the other direction too.
        #[serde(default)]
        both: bool,
    },
}

/// A request as a line, without its end.
pub(crate) fn encode_request(request: &Request) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(request)?;
    if let Value::Object(object) = &mut value {
        object.insert("version".into(), VERSION.into());
    }
    serde_json::to_string(&value)
}

/// The request that a line is.
pub(crate) fn decode_request(line: &[u8]) -> Result<Request, Refusal> {
    const FORM: &str = r#"write one JSON object a line, like {"version":1,"request":"status"}"#;
    let bad = |error: serde_json::Error| {
        Refusal::new(Code::BadRequest, format!("this is no request: {error}")).with_way_out(FORM)
    };
    let mut value: Value = serde_json::from_slice(line).map_err(bad)?;
    let version = value.as_object_mut().and_then(|object| object.remove("version"));
    match version.as_ref().and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            let wrong = format!("the request is of version {other}, and this daemon speaks version {VERSION}");
            return Err(Refusal::new(Code::OtherVersion, wrong)
                .with_way_out("use the `undertone` that the daemon was started from"));
        }
        None => return Err(Refusal::new(Code::BadRequest, "the request does not say its version").with_way_out(FORM)),
    }
    serde_json::from_value(value).map_err(bad)
}
