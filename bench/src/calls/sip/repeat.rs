//! Sending again until an answer comes (RFC 3261 §17: Timers A and B, E and F, G and H).

use std::time::{Duration, Instant};

use super::{Datagram, Io};

/// The round trip that is assumed.
const T1: Duration = Duration::from_millis(500);
/// The longest wait between two of the same.
const T2: Duration = Duration::from_secs(4);
/// How long it is tried.
const GIVE_UP: Duration = Duration::from_secs(32);

/// A message that is sent again and again.
#[derive(Clone, Debug)]
pub(in crate::calls) struct Repeat {
    datagram: Datagram,
    /// When it is sent again; `None` when it need not be any more.
    next: Option<Instant>,
    interval: Duration,
    interval_max: Duration,
    until: Instant,
}

impl Repeat {
    /// Sends an INVITE: the waits double without a bound.
    pub(in crate::calls) fn invite(datagram: Datagram, io: &mut Io<'_>) -> Self {
        Self { interval_max: GIVE_UP, ..Self::new(datagram, io) }
    }

    /// Sends another request, or the final response to an INVITE: the waits double up to T2.
    pub(in crate::calls) fn new(datagram: Datagram, io: &mut Io<'_>) -> Self {
        io.send(datagram.clone());
        let (next, until) = (Some(io.now + T1), io.now + GIVE_UP);
        Self { datagram, next, interval: T1, interval_max: T2, until }
    }

    /// Sends it no more, and waits until `until` for what is still to come.
    pub(in crate::calls) fn hush(&mut self, until: Instant) {
        self.next = None;
        self.until = until;
    }

    /// When it has its next turn.
    pub(in crate::calls) fn deadline(&self) -> Instant {
        self.next.map_or(self.until, |next| next.min(self.until))
    }

    /// Sends it again if it is time to. True once it is in vain.
    pub(in crate::calls) fn turn(&mut self, io: &mut Io<'_>) -> bool {
        if io.now >= self.until {
            return true;
        }
        if self.next.is_some_and(|next| io.now >= next) {
            self.again(io);
            self.interval = (self.interval * 2).min(self.interval_max);
            self.next = Some(io.now + self.interval);
        }
        false
    }

    /// Sends it once more, at once.
    pub(in crate::calls) fn again(&self, io: &mut Io<'_>) {
        io.send(self.datagram.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::media::Silence;

    /// The seconds after which it is sent, from the first time on until it is given up.
    fn sent_at(start: impl Fn(Datagram, &mut Io<'_>) -> Repeat) -> Vec<f64> {
        let (from, mut media, mut out) = (Instant::now(), Silence::default(), Vec::new());
        let mut io = Io { now: from, out: &mut out, media: &mut media };
        let mut repeat = start(Datagram { to: ([127, 0, 0, 1], 5060).into(), bytes: "x".into() }, &mut io);
        let mut times = vec![0.0];
        loop {
            io.now = repeat.deadline();
            if repeat.turn(&mut io) {
                break;
            }
            times.push((io.now - from).as_secs_f64());
        }
        times.push((io.now - from).as_secs_f64());
        assert_eq!(out.len(), times.len() - 1);
        times
    }

    #[test]
    fn an_invite_waits_twice_as_long_each_time() {
        assert_eq!(sent_at(Repeat::invite), [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]);
    }

    #[test]
    fn others_wait_four_seconds_at_most() {
        let times = sent_at(Repeat::new);
        assert_eq!(times[..6], [0.0, 0.5, 1.5, 3.5, 7.5, 11.5]);
        assert_eq!(times.last(), Some(&32.0));
    }
}
