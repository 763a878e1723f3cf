//! What has to be known of a session, should the daemon be started again in the middle of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use undertone_core::mixer::Mode;

use super::session::{Session, Stage};
use crate::{audit::By, call::CallId, monitor::SessionId, permission::Via, time::Nanos, ua};

/// A session that is up, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub id: String,
    /// The call with the supervisor's phone.
    pub ua: ua::Snapshot,
    user: String,
    extension: String,
    via: String,
    #[serde(default)]
    address: String,
    target: String,
    call: Option<String>,
    mode: String,
    at: SocketAddr,
    since_ns: u64,
}

impl Kept {
    pub(super) fn new(id: SessionId, session: &Session, ua: ua::Snapshot) -> Self {
        Self {
            id: id.to_string(),
            ua,
            user: session.by.user.clone(),
            extension: session.by.extension.clone(),
            via: session.by.via.key().into(),
            address: session.by.address.clone(),
            target: session.target.clone(),
            call: session.call.map(|call| call.to_string()),
            mode: session.mode.key().into(),
            at: session.at,
            since_ns: session.since.0,
        }
    }

    /// The session again, whose phone's call is `ua` now. `None` for what cannot be read.
    pub(super) fn session(&self, ua: ua::UaId) -> Option<(SessionId, Session)> {
        let via = Via::ALL.into_iter().find(|via| via.key() == self.via)?;
        let (user, extension, address) = (self.user.clone(), self.extension.clone(), self.address.clone());
        let by = By { user, extension, via, address };
        let call = self.call.as_deref().map(str::parse::<CallId>).transpose().ok()?;
        let session = Session::new(Nanos(self.since_ns), Some(ua), by, self.target.clone(), call, self.at);
        let mode = Mode::of_key(&self.mode)?;
        Some((self.id.parse().ok()?, Session { mode, stage: Stage::Answered, ..session }))
    }
}
