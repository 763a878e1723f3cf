//! Monitor sessions.

use serde::{Deserialize, Serialize};
use undertone_control_core::{
    audit::By,
    monitor::desk::{NotCalled, SessionView, Wish},
    permission::{Denial, Via},
};
use undertone_core::mixer::{Mode, Quality};
use undertone_dataplane::SessionReport;

use super::{Code, Refusal, words};

/// A monitor session, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MonitorView {
    /// Its name.
    pub(crate) id: String,
    /// How far it is: starting, calling, answered, waiting for a call or up.
    pub(crate) state: String,
    /// Who monitors.
    pub(crate) supervisor: SupervisorView,
    /// The extension that is monitored.
    pub(crate) extension: String,
    /// Its call; `None` while one is waited for.
    pub(crate) call: Option<String>,
    /// The mode.
    #[serde(with = "words::named")]
    pub(crate) mode: Mode,
    /// How long ago it began.
    pub(crate) age_ms: u64,
    /// What is known of the supervisor's phone; `None` where nothing is, and in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<PhoneView>,
}

/// A supervisor's phone, as the mixer knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PhoneView {
    /// How long ago RTP or RTCP of it came; `None` before the first.
    pub(crate) heard_ms: Option<u64>,
    /// How its packets come here.
    pub(crate) from_phone: Option<QualityView>,
    /// How ours come there, as its reports say.
    pub(crate) to_phone: Option<QualityView>,
    /// The time there and back, by its reports.
    pub(crate) round_trip_us: Option<u64>,
    /// Packets beyond what a phone sends, which were dropped.
    pub(crate) flooded: u64,
    /// Packets from elsewhere, which were dropped.
    pub(crate) strangers: u64,
}

/// How packets come (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QualityView {
    /// Packets that were lost, ever; below 0 where more came twice.
    pub(crate) lost: i32,
    /// How many in a thousand were lost between the last two reports.
    pub(crate) lost_permille: u16,
    /// How unevenly they come.
    pub(crate) jitter_us: u64,
}

/// Who monitors. A text is empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SupervisorView {
    /// The user, by name.
    pub(crate) user: String,
    /// The extension.
    pub(crate) extension: String,
    /// How the session was asked for: phone, api, cli or portal.
    pub(crate) via: String,
}

/// A supervisor is to be called, and to monitor an extension when they answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MonitorSpec {
    /// The extension that is to be monitored.
    pub(crate) extension: String,
    /// The supervisor's extension.
    #[serde(rename = "as")]
    pub(crate) supervisor: String,
    /// The mode to begin in.
    #[serde(with = "words::named", default = "listen")]
    pub(crate) mode: Mode,
    /// The peer that the supervisor's phone is behind; `None` for where calls to it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<String>,
    /// Whether the phone is asked to answer by itself.
    #[serde(default)]
    pub(crate) auto_answer: bool,
}

const fn listen() -> Mode {
    Mode::Listen
}

impl MonitorSpec {
    /// The wish of somebody who asks so, from there.
    pub(crate) fn wish(self, (via, address): (Via, &str)) -> Wish {
        let Self { extension: target, supervisor, mode, peer, auto_answer } = self;
        Wish { supervisor, peer, target, mode, auto_answer, via, address: address.into() }
    }
}

impl MonitorView {
    /// A session at `now_ns`.
    pub(crate) fn new(session: &SessionView<'_>, now_ns: u64) -> Self {
        Self {
            id: session.id.to_string(),
            state: session.state.key().into(),
            supervisor: session.by.into(),
            extension: session.target.into(),
            call: session.call.map(|call| call.to_string()),
            mode: session.mode,
            age_ms: now_ns.saturating_sub(session.since.0) / 1_000_000,
            phone: None,
        }
    }
}

impl PhoneView {
    /// What is known at `now_ns`.
    pub(crate) fn new(report: &SessionReport, now_ns: u64) -> Self {
        Self {
            heard_ms: report.heard_ns.map(|at_ns| now_ns.saturating_sub(at_ns) / 1_000_000),
            from_phone: report.rtcp.from_phone.map(Into::into),
            to_phone: report.rtcp.to_phone.map(Into::into),
            round_trip_us: report.rtcp.round_trip_ns.map(|ns| ns / 1_000),
            flooded: report.flooded,
            strangers: report.strangers,
        }
    }
}

impl From<Quality> for QualityView {
    fn from(quality: Quality) -> Self {
        let Quality { lost, lost_256ths, jitter_ns } = quality;
        Self { lost, lost_permille: u16::from(lost_256ths) * 125 / 32, jitter_us: jitter_ns / 1_000 }
    }
}

impl From<&By> for SupervisorView {
    fn from(by: &By) -> Self {
        Self { user: by.user.clone(), extension: by.extension.clone(), via: by.via.key().into() }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let code = match denial.http_status() {
            403 => Code::Forbidden,
            404 => Code::NotFound,
            429 => Code::TooMany,
            503 => Code::Busy,
            _ => Code::Refused,
        };
        Self::new(code, denial.complaint()).with_way_out(denial.way_out())
    }
}

impl From<NotCalled> for Refusal {
    fn from(why: NotCalled) -> Self {
        let error = why.to_string();
        match why {
            NotCalled::Denied(denial) => denial.into(),
            NotCalled::NoPeer(_) => Self::new(Code::NotFound, error)
                .with_way_out("`undertone peers` lists all; supervisors' phones are behind on-net ones"),
            NotCalled::NoWay(_) => Self::new(Code::NotFound, error)
                .with_way_out("name the on-net peer that has the supervisor's phone, or have a [[route]] lead there"),
            NotCalled::Draining => {
                Self::new(Code::Busy, error).with_way_out("`undertone drain --end` takes calls again")
            }
        }
    }
}
