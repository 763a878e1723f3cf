//! What is refused: counted, written down, and slowed down where one source tries again and again.
//!
//! Each source has so many refusals a minute that are answered and written down one by one. What comes beyond is still decided,
//! so that nobody is kept from what they may do; when it is refused it is told to wait, whatever the reason is, and the audit has
//! one row a minute of all of it.

use std::{collections::HashMap, time::Duration};

use undertone_core::mixer::Mode;

use super::{Desk, Output};
use crate::{
    audit::{By, Event, On, What},
    call::CallId,
    monitor::SessionId,
    permission::{Denial, Via},
    time::Nanos,
};

/// How long refusals count, and how often those that were held back are written down.
const MINUTE: Duration = Duration::from_secs(60);
/// Sources that are told apart at a time. What comes from others beyond counts together.
const SOURCES_MAX: usize = 10_000;

/// Who tries, as far as that cannot be made up: the user who calls, or where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Source(Via, String);

/// The refusals of a source.
#[derive(Debug)]
struct Tried {
    /// When as much as it has used of its minute is used up.
    until: Nanos,
    /// Refusals that have no row of their own yet, and since when.
    held: u64,
    since: Nanos,
    /// The last of them.
    last: Event,
}

/// The refusals of late.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<Source, Tried>);

impl Attempts {
    /// Whether one more refusal of a source is to have a row and an answer of its own: not beyond so many a minute.
    fn take(&mut self, now: Nanos, event: &Event, per_minute: u32) -> bool {
        let source = Source::of(&event.by);
        let source = if self.0.len() < SOURCES_MAX || self.0.contains_key(&source) { source } else { Source::others() };
        let tried =
            self.0.entry(source).or_insert_with(|| Tried { until: now, held: 0, since: now, last: event.clone() });
        let after = tried.until.max(now) + MINUTE / per_minute.max(1);
        if after - now <= MINUTE {
            tried.until = after;
            return true;
        }
        if tried.held == 0 {
            tried.since = now;
        }
        tried.held += 1;
        tried.last = event.clone();
        false
    }

    /// What was held back for a minute, as a row each; sources of which there is nothing more to know are forgotten.
    fn due(&mut self, now: Nanos) -> Vec<Event> {
        let mut rows = Vec::new();
        self.0.retain(|_, tried| {
            if tried.held > 0 && now - tried.since >= MINUTE {
                rows.push(tried.row());
            }
            tried.held > 0 || tried.until > now
        });
        rows
    }
}

impl Tried {
    /// The row of all that was held back.
    fn row(&mut self) -> Event {
        let last = self.last.reason.clone();
        let event = Event { reason: Denial::TooMany.key().into(), ..self.last.clone() };
        event.with("attempts", std::mem::take(&mut self.held)).with("last_reason", last)
    }
}

impl Source {
    fn of(by: &By) -> Self {
        // An extension that is nobody's may be another one with each call.
        Self(by.via, if by.via == Via::Phone { by.user.clone() } else { by.address.clone() })
    }

    fn others() -> Self {
        Self(Via::Node, String::new())
    }
}

impl Desk {
    /// Something is refused. What its source is told: that, or to wait.
    pub(super) fn refused(
        &mut self,
        by: By,
        target: &str,
        call: Option<CallId>,
        session: Option<SessionId>,
        mode: Option<Mode>,
        denial: Denial,
    ) -> Denial {
        let on = On { extension: target.to_owned(), ..On::default() };
        let event = Event { on, call, session, mode, reason: denial.key().into(), ..Event::new(What::Refused, by) };
        let denial = if self.attempts.take(self.now, &event, self.monitoring.refusals_per_minute) {
            self.outputs.push_back(Output::Audit(event));
            denial
        } else {
            Denial::TooMany
        };
        self.counters.refused.count(denial);
        denial
    }

    /// Time goes by; `audit_fails` is for how long the audit could not be written by now.
    pub fn tick(&mut self, now: Nanos, audit_fails: Option<Duration>) {
        self.now = self.now.max(now);
        self.audit_fails(audit_fails);
        let rows = self.attempts.due(self.now);
        self.outputs.extend(rows.into_iter().map(Output::Audit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(via: Via, user: &str, address: &str) -> Event {
        let by = By { user: user.into(), extension: "200".into(), via, address: address.into() };
        Event { reason: Denial::NoRule.key().into(), ..Event::new(What::Refused, by) }
    }

    #[test]
    fn a_source_has_so_many_a_minute_and_one_row_for_the_rest() {
        let (mut attempts, start) = (Attempts::default(), Nanos(1_000_000_000));
        let (ann, joe) = (refusal(Via::Phone, "ann", ""), refusal(Via::Phone, "joe", ""));
        assert_eq!((0..100).filter(|_| attempts.take(start, &ann, 6)).count(), 6);
        assert!(attempts.take(start, &joe, 6), "others are others");
        assert_eq!(attempts.due(start + Duration::from_secs(59)), []);
        let later = start + MINUTE;
        let rows = attempts.due(later);
        let [row] = &rows[..] else { panic!("one row, not {rows:?}") };
        assert_eq!((row.by.user.as_str(), row.reason.as_str()), ("ann", "too-many-refusals"));
        assert_eq!((&row.details["attempts"], &row.details["last_reason"]), (&94.into(), &"no-rule".into()));
        assert!(attempts.0.is_empty(), "nothing more is to be known");
        assert!(attempts.take(later, &ann, 6));
        let meanwhile = |seconds: u64| later + Duration::from_secs(seconds);
        let taken = (0..60).filter(|at| attempts.take(meanwhile(*at), &ann, 6)).count();
        assert_eq!(taken, 5 + 5, "five at once, and one every ten seconds");
    }

    #[test]
    fn a_source_is_what_cannot_be_made_up() {
        let of = |event: &Event| Source::of(&event.by);
        assert_eq!(of(&refusal(Via::Phone, "", "a")), of(&refusal(Via::Phone, "", "b")), "whoever is nobody");
        assert_ne!(of(&refusal(Via::Api, "ann", "a")), of(&refusal(Via::Api, "ann", "b")));
        assert_eq!(of(&refusal(Via::Api, "ann", "a")), of(&refusal(Via::Api, "joe", "a")));
        assert_ne!(of(&refusal(Via::Api, "", "")), of(&refusal(Via::Phone, "", "")));
    }

    #[test]
    fn there_is_an_end_to_sources() {
        let mut attempts = Attempts::default();
        for number in 0..SOURCES_MAX + 100 {
            attempts.take(Nanos(0), &refusal(Via::Api, "", &number.to_string()), 1);
        }
        assert_eq!(attempts.0.len(), SOURCES_MAX + 1);
    }
}
