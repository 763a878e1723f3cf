//! Phones that have vanished, and those that merely say nothing.
//!
//! A phone sends RTP or RTCP as long as it is there, or, muted, on hold, or by its switch's doing, neither. So one that has
//! sent nothing for a while is asked by OPTIONS within its call; who answers in whatever way is there, and is asked again after
//! as long a while.

use std::time::Duration;

use undertone_core::mixer::SessionKey;

use super::{Desk, Output, key, session::Stage};
use crate::{
    time::Nanos,
    ua::{Cause, UaId},
};

/// How long an answer is waited for: OPTIONS is sent five times by then (RFC 3261 §17.1.2.2).
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a phone's being there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence {
    /// When it was last known to be there; `None` until it is looked at first.
    known: Option<Nanos>,
    /// Since when its answer is waited for.
    asked: Option<Nanos>,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Present,
    Silent,
    Gone,
}

impl Presence {
    /// It was there at this time.
    fn hear(&mut self, at: Nanos) {
        if self.known.is_none_or(|known| known < at) {
            (self.known, self.asked) = (Some(at), None);
        }
    }

    fn look(&mut self, now: Nanos, timeout: Duration) -> Finding {
        let known = *self.known.get_or_insert(now);
        match self.asked {
            Some(asked) if now - asked >= PATIENCE => Finding::Gone,
            None if now - known >= timeout => {
                self.asked = Some(now);
                Finding::Silent
            }
            _ => Finding::Present,
        }
    }
}

impl Desk {
    /// Looks after phones, every second or so. `heard` says when each was last heard of by the mixer.
    pub fn look_after(&mut self, now: Nanos, heard: impl Fn(SessionKey) -> Option<Nanos>) {
        let Some(timeout) = self.monitoring.phone_timeout else { return };
        let mut gone = Vec::new();
        for (id, session) in self.sessions.iter_mut().filter(|(_, session)| session.stage == Stage::Up) {
            let Some(ua) = session.ua else { continue };
            if let Some(at) = heard(key(*id)) {
                session.presence.hear(at);
            }
            match session.presence.look(now, timeout) {
                Finding::Present => {}
                Finding::Silent => self.outputs.push_back(Output::Probe(ua)),
                Finding::Gone => gone.push(*id),
            }
        }
        for id in gone {
            self.counters.vanished += 1;
            self.hang_up(id, Cause::by_us(408, "The Phone Has Vanished"));
        }
    }

    /// The other end of a call of our own has answered that it is there.
    pub fn present(&mut self, now: Nanos, ua: UaId) {
        let session = self.by_ua.get(&ua).and_then(|id| self.sessions.get_mut(id));
        if let Some(session) = session {
            session.presence.hear(now);
        }
    }
}
