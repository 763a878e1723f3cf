//! Recordings.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use undertone_control_core::{
    call::{Call, CallId, Role},
    recording::{FileState, Recording, Refusal as Reason, Stream},
};
use undertone_core::StreamReport;

use super::{Code, Refusal, SupervisorView, side};

/// A recording, as it is now. It has the name of its call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordingView {
    /// The call.
    pub(crate) call: String,
    /// Why it is recorded: route, rule or asked.
    pub(crate) why: String,
    /// Who has asked.
    pub(crate) by: SupervisorView,
    /// When it began: RFC 3339, UTC.
    pub(crate) started: String,
    /// How long ago that is.
    pub(crate) age_ms: u64,
    /// The file of our own recorder; `None` where there is none.
    pub(crate) file: Option<FileView>,
    /// What the parties send: the caller, the agent.
    pub(crate) streams: Vec<RecordedStream>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileView {
    /// Where it is when it is whole. As long as it is written it has `.part` behind its name.
    pub(crate) path: PathBuf,
    /// Samples of each channel a second.
    pub(crate) rate_hz: u32,
    /// `writing`, or why it is not: disk-full, disk-slow, not-writable, too-long.
    pub(crate) state: String,
}

/// What a party sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedStream {
    /// Who sends it: caller or agent.
    pub(crate) party: String,
    /// Who of the parties of the call that is: caller, who called, or callee.
    pub(crate) role: String,
    /// Its extension; empty where it has none.
    pub(crate) extension: String,
    /// Its number.
    pub(crate) number: String,
    /// The side that it is at: on-net or off-net.
    pub(crate) side: String,
    /// The media port of ours that it sends to.
    pub(crate) port: SocketAddr,
    /// The operator's port that its packets are copied to; `None` where none are.
    pub(crate) to: Option<SocketAddr>,
    /// Whether it goes on to the other party, and is not on hold.
    pub(crate) forwarded: bool,
    /// The codec, as in `a=rtpmap`; `None` for one that is not known here.
    pub(crate) codec: Option<String>,
    /// Its payload type; before the first packet, the one that was agreed on.
    pub(crate) payload_type: Option<u8>,
    /// The rate of its timestamps.
    pub(crate) clock_hz: Option<u32>,
    /// The payload type of telephone events (RFC 4733).
    pub(crate) telephone_event: Option<u8>,
    /// Its synchronisation source; `None` before the first packet.
    pub(crate) ssrc: Option<u32>,
    /// Whether only the parties can read it (SRTP).
    pub(crate) encrypted: bool,
}

/// A call is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordingSpec {
    /// The name of the call, or an extension that has one.
    pub(crate) call: String,
}

impl RecordingView {
    /// A recording at `now_ns`; `call` is its call, where that is still there, and `report` tells of streams.
    pub(crate) fn new(
        recording: &Recording,
        call: Option<&Call>,
        (now_ns, started): (u64, String),
        report: impl Fn(SocketAddr) -> Option<StreamReport>,
    ) -> Self {
        let begun = &recording.begun;
        let stream = |side: usize| {
            let role = if side == 0 { begun.agent.other() } else { begun.agent };
            let to = begun.to.map(|to| to[side]);
            RecordedStream::new(&recording.streams[side], (side, role), to, call, report(recording.streams[side].at))
        };
        Self {
            call: recording.call.to_string(),
            why: begun.why.key().into(),
            by: (&begun.by).into(),
            started,
            age_ms: now_ns.saturating_sub(begun.since.0) / 1_000_000,
            file: begun.file.as_ref().map(|file| FileView {
                path: file.path.clone(),
                rate_hz: file.rate.hz(),
                state: FileState::key(file.state).into(),
            }),
            streams: [0, 1].map(stream).into(),
        }
    }
}

impl RecordedStream {
    fn new(
        stream: &Stream,
        (side_of_file, role): (usize, Role),
        to: Option<SocketAddr>,
        call: Option<&Call>,
        report: Option<StreamReport>,
    ) -> Self {
        let leg = call.map(|call| call.leg(role));
        let seen = report.as_ref().map(|report| report.statistics).filter(|seen| seen.packets > 0);
        Self {
            party: ["caller", "agent"][side_of_file].into(),
            role: role.key().into(),
            extension: leg.map(|leg| leg.party.extension.clone()).unwrap_or_default(),
            number: leg.map(|leg| leg.party.number.clone()).unwrap_or_default(),
            side: leg.map(|leg| side(leg.side).into()).unwrap_or_default(),
            port: stream.at,
            to,
            forwarded: report.is_some_and(|report| report.forward),
            codec: stream.format.map(|format| format.codec.rtpmap().into()),
            payload_type: seen.and_then(|seen| seen.payload_type).or(stream.format.map(|format| format.payload_type)),
            clock_hz: stream.format.map(|format| format.codec.clock().hz()),
            telephone_event: stream.format.and_then(|format| format.telephone_event),
            ssrc: seen.map(|seen| seen.ssrc),
            encrypted: stream.is_secret,
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let code = match reason {
            Reason::NoCall => Code::NotFound,
            Reason::Emergency | Reason::Protected => Code::Forbidden,
            Reason::NoRoom | Reason::Unaudited => Code::Busy,
            Reason::NotConfigured | Reason::Already | Reason::NoSound | Reason::Unreadable => Code::Refused,
        };
        let [error, way_out] = reason.sentences();
        Self::new(code, error).with_way_out(way_out)
    }
}

/// That a call is not recorded.
pub(crate) fn not_recorded(call: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("the call {call} is not recorded"))
        .with_way_out("`undertone recordings` lists all")
}

/// The name of a call.
pub(crate) fn recorded_call(name: &str) -> Result<CallId, Refusal> {
    name.parse().map_err(|_| not_recorded(name))
}
