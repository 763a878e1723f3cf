//! What is counted, beside what is told.

use std::{collections::BTreeMap, time::Duration};

use crate::sip::message::Method;

/// Upper bounds of the buckets of [`SetupTimes`], in seconds.
pub const SETUP_BOUNDS_S: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// Counters, from the start on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages from addresses that are no peer's.
    pub strangers: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Requests that came, repetitions not counted.
    pub requests: u64,
    /// Responses that came.
    pub responses: u64,
    /// Responses to nothing that is known.
    pub strays: u64,
    /// Calls that began.
    pub calls: u64,
    /// Calls that we have ourselves, answered or placed, that began.
    pub own: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were refused before any peer was tried.
    pub refused: u64,
    /// Calls that went on to another peer after a failure.
    pub failovers: u64,
    /// Second answers of forked calls, which were ended.
    pub forks: u64,
    /// Calls that ended because no media came.
    pub silent: u64,
    /// Calls without a free media port.
    pub no_port: u64,
    /// Responses that came, by what they say.
    pub received: Responses,
    /// Responses that were sent, repetitions not counted, by what they say.
    pub sent: Responses,
    /// How long calls took to be answered.
    pub setup: SetupTimes,
}

/// Responses by method and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Responses(BTreeMap<(&'static str, u16), u64>);

impl Responses {
    /// Counts one. A status that RFC 3261 has no class for is left out, and methods that we do not know are one, so that
    /// nobody can make the table grow.
    pub(super) fn count(&mut self, method: &Method, status: u16) {
        if (100..700).contains(&status) {
            *self.0.entry((name(method), status)).or_default() += 1;
        }
    }

    /// Method, status, and how many there were.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u16, u64)> + '_ {
        self.0.iter().map(|((method, status), count)| (*method, *status, *count))
    }
}

/// How long calls took from INVITE to 200: a histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupTimes {
    counts: [u64; SETUP_BOUNDS_S.len() + 1],
    sum_ns: u64,
}

impl SetupTimes {
    pub(super) fn count(&mut self, took: Duration) {
        let bucket = SETUP_BOUNDS_S.partition_point(|bound| *bound < took.as_secs_f64());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_ns = self.sum_ns.saturating_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many took no longer than each of [`SETUP_BOUNDS_S`], but longer than the bound before it. The last took longer
    /// than all bounds.
    pub const fn counts(&self) -> &[u64; SETUP_BOUNDS_S.len() + 1] {
        &self.counts
    }

    /// Their times together, in seconds.
    pub const fn sum_s(&self) -> f64 {
        Duration::from_nanos(self.sum_ns).as_secs_f64()
    }
}

/// The name of a method in metrics.
const fn name(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Register => "REGISTER",
        Method::Options => "OPTIONS",
        Method::Info => "INFO",
        Method::Prack => "PRACK",
        Method::Update => "UPDATE",
        Method::Subscribe => "SUBSCRIBE",
        Method::Notify => "NOTIFY",
        Method::Refer => "REFER",
        Method::Message => "MESSAGE",
        Method::Publish => "PUBLISH",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_method_or_status_does_not_make_the_table_grow() {
        let mut responses = Responses::default();
        for number in 0..1000_u16 {
            responses.count(&Method::Other(format!("X{number}").into()), 200);
            responses.count(&Method::Invite, 700 + number);
        }
        responses.count(&Method::Invite, 486);
        assert_eq!(responses.iter().collect::<Vec<_>>(), [("INVITE", 486, 1), ("other", 200, 1000)]);
    }

    #[test]
    fn a_bucket_has_what_took_no_longer_than_its_bound() {
        let mut setup = SetupTimes::default();
        for ms in [10, 11, 120_000, 120_001] {
            setup.count(Duration::from_millis(ms));
        }
        let [first, second, .., last_but_one, last] = setup.counts();
        assert_eq!([*first, *second, *last_but_one, *last], [1; 4]);
        assert!((setup.sum_s() - 240.022).abs() < 1e-9);
    }
}
