//! What is said over the control socket: one JSON object a line, a request each, and an answer to each.
//!
//! ```text
//! → {"version":1,"request":"remove-relay","port":"192.0.2.10:20000"}
//! ← {"version":1,"answer":"done","data":{"did":["removed the relay at 192.0.2.10:20000"]}}
//! → {"version":1,"request":"streams","ports":["4711"]}
//! ← {"version":1,"answer":"error","data":{"code":"not-found","error":"no stream at media port 4711","try":"…"}}
//! ```
//!
//! After the answer to [`Request::Capture`] the connection carries a pcap file, and nothing else.

mod answer;
mod call;
mod monitor;
mod port;
mod recording;
mod relay;
mod request;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod user;
mod words;

pub(crate) use self::{
    answer::{Answer, Code, Refusal, decode_answer, encode_answer},
    call::{CallView, NamesView, PartyView, PeerView, side},
    monitor::{MonitorSpec, MonitorView, PhoneView, SupervisorView},
    port::PortName,
    recording::{RecordedStream, RecordingSpec, RecordingView, not_recorded, recorded_call},
    relay::{EndSpec, ExtrasSpec, RelaySpec},
    request::{Request, decode_request, encode_request},
    status::{Adoption, InterfaceStatus, ReasonCount, Status, Usage},
    stream::Stream,
    user::UserView,
    words::named,
};
#[cfg(test)]
pub(crate) use self::{recording::FileView, stream::CopyOf};

/// The version of everything in this module. A change that an older side would misread counts it up.
pub(crate) const VERSION: u64 = 1;

/// The longest request, in bytes with its end of line.
pub(crate) const REQUEST_BYTES_MAX: usize = 64 << 10;
