//! Whether the other end is still there (RFC 4028).

use std::time::Duration;

use crate::{
    sip::message::{Answer, Refresher, Request, Response, SessionExpires},
    time::Nanos,
};

/// The shortest interval that anybody may ask of us, in seconds (RFC 4028 §4).
const MIN_INTERVAL_S: u32 = 90;
/// The longest that is kept: a day.
const MAX_INTERVAL_S: u64 = 86_400;
/// How long before the end the one who does not refresh gives up at most (RFC 4028 §10).
const EARLY: Duration = Duration::from_secs(32);

/// A session that is over when nobody refreshes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    pub(crate) interval_s: u32,
    /// Whether we refresh it.
    pub(crate) is_ours: bool,
    /// When it was refreshed.
    pub(crate) since: Nanos,
}

impl Timer {
    /// When to refresh: half the interval after the last time. `None` where the other end does.
    pub(crate) fn refresh_at(&self) -> Option<Nanos> {
        self.is_ours.then(|| self.since + self.interval() / 2)
    }

    /// When to give up.
    pub(crate) fn ends_at(&self) -> Nanos {
        self.since + self.interval().saturating_sub(EARLY.min(self.interval() / 3))
    }

    const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s as u64)
    }

    /// What an INVITE or UPDATE of the other end asks for, and what its 2xx says of it. `wanted_s` is what we should like
    /// where it does not ask. An interval that is too short is refused.
    pub(crate) fn of_request(
        now: Nanos,
        request: &Request,
        wanted_s: Option<u32>,
        answer: Answer,
    ) -> Result<(Option<Self>, Answer), Answer> {
        let is_known = request.has_token("Supported", "timer");
        let asked = request.session_expires();
        let (interval_s, refresher) = match (asked, wanted_s) {
            (Some(asked), _) => {
                let interval_s = asked.interval.as_secs().min(MAX_INTERVAL_S) as u32;
                if interval_s < MIN_INTERVAL_S && is_known {
                    return Err(Answer::new(422).with("Min-SE", MIN_INTERVAL_S.to_string()));
                }
                // Who does not know of it was spoken for by somebody on the way, and will not refresh (RFC 4028 §9).
                let refresher = if is_known { asked.refresher.unwrap_or(Refresher::Uac) } else { Refresher::Uas };
                (interval_s.max(MIN_INTERVAL_S), refresher)
            }
            (None, Some(wanted_s)) if is_known => {
                let min_s = request.min_se_s().unwrap_or(0).min(MAX_INTERVAL_S) as u32;
                (wanted_s.max(min_s).max(MIN_INTERVAL_S), Refresher::Uac)
            }
            (None, _) => return Ok((None, answer)),
        };
        let mut answer = answer.with("Session-Expires", written(interval_s, Some(refresher)));
        if refresher == Refresher::Uac {
            answer = answer.with("Require", "timer");
        }
        Ok((Some(Self { interval_s, is_ours: refresher == Refresher::Uas, since: now }), answer))
    }

    /// What the 2xx to a request of ours says: without a word of it, there is none (RFC 4028 §7.2).
    pub(crate) fn of_response(now: Nanos, response: &Response) -> Option<Self> {
        let SessionExpires { interval, refresher } = response.session_expires()?;
        let interval_s = (interval.as_secs().min(MAX_INTERVAL_S) as u32).max(MIN_INTERVAL_S);
        // Who does not say who has to means that we do.
        Some(Self { interval_s, is_ours: refresher != Some(Refresher::Uas), since: now })
    }

    /// The headers that a request of ours refreshes the session with. Who refreshes stays so.
    pub(crate) fn headers(&self) -> [(&'static str, String); 2] {
        let refresher = if self.is_ours { Refresher::Uac } else { Refresher::Uas };
        [("Session-Expires", written(self.interval_s, Some(refresher))), ("Min-SE", MIN_INTERVAL_S.to_string())]
    }

    /// The headers of an INVITE of ours that asks for an interval, and leaves it to the other end who refreshes.
    pub(crate) fn wish(interval_s: u32) -> [(&'static str, String); 2] {
        [("Session-Expires", written(interval_s.max(MIN_INTERVAL_S), None)), ("Min-SE", MIN_INTERVAL_S.to_string())]
    }

    /// The interval that a 422 asks for.
    pub(crate) fn at_least(response: &Response) -> Option<u32> {
        (response.status() == 422).then(|| response.min_se_s())?.map(|min| min.min(MAX_INTERVAL_S) as u32)
    }
}

fn written(interval_s: u32, refresher: Option<Refresher>) -> String {
    SessionExpires { interval: Duration::from_secs(interval_s.into()), refresher }.to_string()
}
