//! What has to be known of a recording, should the daemon be started again in the middle of it.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use undertone_core::mixer::SampleRate;

use super::{Begun, File, FileState, Recording, State, Why};
use crate::{
    audit::By,
    call::{CallId, Role},
    permission::Via,
    time::Nanos,
};

/// A call that is recorded, or is not to be any more, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The call.
    pub call: String,
    recording: Option<KeptRecording>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptRecording {
    agent_called: bool,
    user: String,
    extension: String,
    via: String,
    address: String,
    why: String,
    since_ns: u64,
    to: Option<[SocketAddr; 2]>,
    file: Option<KeptFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptFile {
    path: PathBuf,
    rate_hz: u32,
    group_readable: bool,
}

impl Kept {
    pub(super) fn new(call: CallId, state: &State) -> Option<Self> {
        let recording = match state {
            State::Running(recording) => Some(KeptRecording::of(recording)),
            State::Stopped => None,
            State::Refused(_) => return None,
        };
        Some(Self { call: call.to_string(), recording })
    }

    /// Whether it runs, and was not stopped.
    pub const fn is_running(&self) -> bool {
        self.recording.is_some()
    }

    /// The file that is being written.
    pub fn path(&self) -> Option<&std::path::Path> {
        Some(&self.recording.as_ref()?.file.as_ref()?.path)
    }

    /// What of the recording was decided when it began. `None` for what cannot be read, and inside for one that was stopped.
    pub(super) fn begun(&self) -> Option<(CallId, Option<Begun>)> {
        let call = self.call.parse().ok()?;
        let Some(kept) = &self.recording else { return Some((call, None)) };
        let via = Via::ALL.into_iter().find(|via| via.key() == kept.via)?;
        let (user, extension, address) = (kept.user.clone(), kept.extension.clone(), kept.address.clone());
        let file = kept.file.as_ref().map(|file| {
            let rate = SampleRate::ALL.into_iter().find(|rate| rate.hz() == file.rate_hz)?;
            let (path, group_readable) = (file.path.clone(), file.group_readable);
            Some(File { path, rate, group_readable, state: FileState::Writing })
        });
        Some((
            call,
            Some(Begun {
                agent: if kept.agent_called { Role::Caller } else { Role::Callee },
                by: By { user, extension, via, address },
                why: Why::ALL.into_iter().find(|why| why.key() == kept.why)?,
                since: Nanos(kept.since_ns),
                to: kept.to,
                file: file.flatten(),
            }),
        ))
    }
}

impl KeptRecording {
    fn of(recording: &Recording) -> Self {
        let Begun { agent, by, why, since, to, file } = &recording.begun;
        let is_written = |file: &&File| file.state == FileState::Writing;
        Self {
            agent_called: *agent == Role::Caller,
            user: by.user.clone(),
            extension: by.extension.clone(),
            via: by.via.key().into(),
            address: by.address.clone(),
            why: why.key().into(),
            since_ns: since.0,
            to: *to,
            file: file.as_ref().filter(is_written).map(|file| KeptFile {
                path: file.path.clone(),
                rate_hz: file.rate.hz(),
                group_readable: file.group_readable,
            }),
        }
    }
}
