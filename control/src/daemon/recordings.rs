//! What is asked of recordings.

use undertone_control_core::audit::By;

use super::Daemon;
use crate::{
    protocol::{Code, RecordingView, Refusal, not_recorded, recorded_call},
    recording::Recorded,
    sip::Sip,
};

impl Daemon {
    /// The recordings that run, the oldest first.
    pub(super) fn recordings(&self) -> Result<Vec<RecordingView>, Refusal> {
        self.with_recorded(|sip, recorded| {
            let mut all: Vec<_> = recorded.look(|running| running.map(|it| recorded.view(sip, it)).collect());
            all.sort_by_key(|view: &RecordingView| std::cmp::Reverse(view.age_ms));
            all
        })
    }

    /// One of them.
    pub(super) fn recording(&self, call: &str) -> Result<RecordingView, Refusal> {
        self.recordings()?.into_iter().find(|view| view.call == call).ok_or_else(|| not_recorded(call))
    }

    /// Records the call of a name, or of an extension.
    pub(super) fn begin_recording(&self, target: &str, by: By) -> Result<RecordingView, Refusal> {
        let id = self.with_recorded(|sip, recorded| recorded.ask(sip, target, by))??;
        self.recording(&id.to_string())
    }

    /// Ends a recording. Says what was done.
    pub(super) fn end_recording(&self, call: &str, by: By) -> Result<Vec<String>, Refusal> {
        let id = recorded_call(call)?;
        if self.with_recorded(|sip, recorded| recorded.stop(sip, id, by))? {
            Ok(vec![format!("the call {id} is recorded no longer")])
        } else {
            Err(not_recorded(call))
        }
    }

    fn with_recorded<T>(&self, act: impl FnOnce(&Sip, &Recorded) -> T) -> Result<T, Refusal> {
        let recorded = self.recorded.borrow().clone();
        let none = || Refusal::new(Code::Refused, "this daemon takes no calls, and records none");
        self.with_sip(|sip| recorded.as_ref().map(|recorded| act(sip, recorded)).ok_or_else(none))?
    }
}
