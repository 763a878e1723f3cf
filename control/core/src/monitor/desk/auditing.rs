//! Nothing is done that cannot be written down.

use std::time::Duration;

use super::{CODECS, Desk, Output, session::Stage, turn_down};
use crate::{
    monitor::{AuditFailure, SessionId},
    permission::Denial,
    ua::{Cause, Order, Terms},
};

/// How long the audit may fail before sessions end: longer than a backup locks a database for.
pub const AUDIT_GRACE: Duration = Duration::from_secs(5);

impl Desk {
    /// That a session begins is written down, or cannot be.
    pub fn audited(&mut self, id: SessionId, is_written: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !is_written {
            let denial = Denial::Unaudited;
            session.stage = Stage::Unwritten;
            let (ua, by, target, call, mode) =
                (session.ua, session.by.clone(), session.target.clone(), session.call, session.mode);
            // That it begins may be written yet. So is then that it did not.
            let denial = self.refused(by, &target, call, Some(id), Some(mode), denial);
            return match ua {
                Some(ua) => self.outputs.push_back(turn_down(ua, denial)),
                None => self.over(id, &Cause::by_us(denial.sip_status(), denial.sip_phrase())),
            };
        }
        self.counters.begun += 1;
        if let Some(placement) = session.placement.take() {
            session.stage = Stage::Calling;
            self.outputs.push_back(Output::Place(id, placement));
        } else if let Some(ua) = session.ua {
            session.stage = Stage::Answered;
            let terms = Terms { local: Some(session.at), codecs: CODECS.to_vec(), order: Order::Theirs };
            self.outputs.push_back(Output::Accept(ua, terms));
        }
    }

    /// For how long the audit could not be written by now; `None` while it can. Meanwhile no session begins and nobody comes to be
    /// heard; after [`AUDIT_GRACE`] those that there are end, unless they are to go on.
    pub(super) fn audit_fails(&mut self, lasts: Option<Duration>) {
        self.is_unaudited = lasts.is_some();
        let is_over = lasts.is_some_and(|lasts| lasts >= AUDIT_GRACE);
        if !is_over || self.monitoring.audit_failure == AuditFailure::Continue {
            return;
        }
        let is_on = |stage| matches!(stage, Stage::Calling | Stage::Answered | Stage::Up);
        let sessions = self.sessions.iter_mut().filter(|(_, it)| is_on(it.stage) && !it.is_ending);
        let ending: Vec<_> = sessions
            .map(|(id, session)| {
                session.is_ending = true;
                *id
            })
            .collect();
        for id in ending {
            self.counters.unaudited += 1;
            self.hang_up(id, Cause::by_us(503, "The Audit Cannot Be Written"));
        }
    }
}
