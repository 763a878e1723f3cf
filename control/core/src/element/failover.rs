//! Attempts that fail: another peer is tried, and in the end the caller has the best of what they said.

use super::Element;
use crate::{
    call::{CallId, Cause, Failure, Media, Role},
    sip::message::{Answer, Response},
    time::Nanos,
};

impl<M: Media> Element<M> {
    /// An attempt has failed, by a response or by none. Another peer is tried where that may help.
    pub(super) fn attempt_failed(&mut self, now: Nanos, id: CallId, status: u16, response: Option<&Response>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let callee = call.leg(Role::Callee).peer;
        let Some(setup) = call.setup.as_mut() else { return };
        let target = setup.attempt.take().map(|attempt| attempt.to);
        if response.is_some() && status != 503 {
            // The peer itself has spoken: its other targets would say the same (RFC 3263 §4.3).
            setup.left.retain(|(peer, _)| *peer != callee);
        }
        if setup.failure.as_ref().is_none_or(|best| rank(status) <= rank(best.status)) {
            setup.failure = Some(Failure { status, response: response.cloned().map(Box::new) });
        }
        let goes_on = fails_over(status) && !setup.left.is_empty();
        self.count_call(callee, -1);
        if let Some(target) = target.filter(|_| response.is_none()) {
            self.failed_at(now, callee, target);
        }
        if goes_on {
            self.counters.failovers += 1;
            self.try_next(now, id);
        } else {
            self.fail_by_best(now, id);
        }
    }

    /// Nobody is left to try. The caller has the best failure as it came, or 503 where there was not even room to try.
    ///
    /// But a callee's 503 becomes 500 (RFC 3261 §16.7 step 6), and so does that of a peer that cannot be reached
    /// (§16.9): the caller would take it that this node takes no calls at all, which only our own 503 says.
    /// The record keeps what it was.
    pub(super) fn fail_by_best(&mut self, now: Nanos, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(failure) = call.setup.as_mut().and_then(|setup| setup.failure.take()) else {
            return self.fail(now, id, &Answer::new(503), None);
        };
        let Failure { status, response } = failure;
        let reason = response.as_ref().map(|response| response.reason().into_owned()).unwrap_or_default();
        let cause = Cause::new(status, &reason, response.is_some().then_some(Role::Callee));
        match (response, call.server) {
            (Some(response), Some(server)) if status != 503 => {
                self.respond_through(now, server, *response);
                self.close(now, id, cause);
            }
            _ => self.fail_with(now, id, &Answer::new(if status == 503 { 500 } else { status }), cause),
        }
    }
}

/// Which of two failures is better, which is the lower: 6xx, which is for all callees; else the lowest class, and in 4xx
/// what tells the caller how to do better (RFC 3261 §16.7 step 6). 503 is the last of 5xx, for it says the least.
pub(super) const fn rank(status: u16) -> u8 {
    match status {
        600.. => 0,
        ..=399 => 1,
        401 | 407 | 415 | 420 | 484 => 2,
        400..=499 => 3,
        503 => 5,
        500..=599 => 4,
    }
}

/// Whether another peer may do better (RFC 3261 §21.3 to §21.6): the one tried is busy with itself, not its user.
pub(super) const fn fails_over(status: u16) -> bool {
    matches!(status, 300..=399 | 408 | 430 | 480 | 500..=599)
}
