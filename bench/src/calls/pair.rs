//! Both sides on a clock of their own, with a network that loses what a test says.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use undertone_control_core::sip::message::Message;

use super::{
    media::{Codec, Silence},
    sip::{Datagram, Io},
    tally::Outcome,
    uac::{Extent, Pace, Plan, Uac},
    uas::{Manner, Uas},
};

const CALLER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5060);
const CALLED: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 5060);
/// One way through the network.
const WAY: Duration = Duration::from_millis(10);

struct Pair {
    uac: Uac,
    uas: Uas,
    media: Silence,
    start: Instant,
    now: Instant,
    /// What is under way, in the order in which it arrives.
    under_way: Vec<(Instant, SocketAddr, Datagram)>,
    /// First lines of everything that was sent, lost or not.
    sent: Vec<String>,
    loses: Box<dyn FnMut(&str) -> bool>,
}

impl Pair {
    /// One call of two seconds that rings for one. `loses` says of each first line whether the network loses it.
    fn new(loses: impl FnMut(&str) -> bool + 'static) -> Self {
        let start = Instant::now();
        let plan = Plan {
            target: CALLED,
            local: CALLER,
            number: "5{n}".to_owned(),
            from: "caller".to_owned(),
            hold: Duration::from_secs(2),
            concurrent_max: 10,
            codec: Codec::Pcmu,
            needs_media: true,
        };
        let manner = Manner { local: CALLED, ringing: Duration::from_secs(1), codec: Codec::Pcmu };
        Self {
            uac: Uac::new(plan, Pace::new(1.0, Extent::Calls(1), start)),
            uas: Uas::new(manner),
            media: Silence::default(),
            start,
            now: start,
            under_way: Vec::new(),
            sent: Vec::new(),
            loses: Box::new(loses),
        }
    }

    /// Lets time pass until `seconds` after the start.
    fn run_until(&mut self, seconds: f64) {
        let until = self.start + Duration::from_secs_f64(seconds);
        loop {
            let arrival = self.under_way.first().map(|(when, ..)| *when);
            let next = [arrival, self.uac.deadline(), self.uas.deadline()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = next.max(self.now);
            if arrival == Some(next) {
                let (_, source, datagram) = self.under_way.remove(0);
                let message = Message::parse(&datagram.bytes).unwrap();
                if datagram.to == CALLER {
                    self.with_uac(|uac, io| uac.handle_message(&message, source, io));
                } else {
                    self.with_uas(|uas, io| uas.handle_message(&message, source, io));
                }
            }
            self.with_uac(Uac::handle_time);
            self.with_uas(Uas::handle_time);
        }
        self.now = until;
    }

    fn with_uac(&mut self, act: impl FnOnce(&mut Uac, &mut Io<'_>)) {
        let mut out = Vec::new();
        act(&mut self.uac, &mut Io { now: self.now, out: &mut out, media: &mut self.media });
        self.send(CALLER, out);
    }

    fn with_uas(&mut self, act: impl FnOnce(&mut Uas, &mut Io<'_>)) {
        let mut out = Vec::new();
        act(&mut self.uas, &mut Io { now: self.now, out: &mut out, media: &mut self.media });
        self.send(CALLED, out);
    }

    fn send(&mut self, source: SocketAddr, out: Vec<Datagram>) {
        for datagram in out {
            let text = String::from_utf8_lossy(&datagram.bytes);
            let line = text.lines().next().unwrap_or_default().to_owned();
            if !(self.loses)(&line) {
                self.under_way.push((self.now + WAY, source, datagram));
            }
            self.sent.push(line);
        }
    }

    fn count(&self, start: &str) -> usize {
        self.sent.iter().filter(|line| line.starts_with(start)).count()
    }

    fn outcomes(&self) -> Vec<(Outcome, u64)> {
        self.uac.placed().outcomes.iter().map(|(outcome, calls)| (*outcome, *calls)).collect()
    }
}

/// Loses the first `count` messages of which the first line begins with `start`.
fn first(start: &'static str, mut count: usize) -> impl FnMut(&str) -> bool {
    move |line| {
        let is_lost = line.starts_with(start) && count > 0;
        count -= usize::from(is_lost);
        is_lost
    }
}

#[test]
fn a_call_is_six_messages() {
    let mut pair = Pair::new(|_| false);
    pair.run_until(10.0);
    let methods: Vec<_> = pair.sent.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let uri = format!("sip:51@{CALLED}");
    let contact = format!("sip:undertone-bench@{CALLED}");
    let (invite, ack, bye) = (format!("INVITE {uri}"), format!("ACK {contact}"), format!("BYE {contact}"));
    assert_eq!(methods, [&*invite, "SIP/2.0 180", "SIP/2.0 200", &ack, &bye, "SIP/2.0 200"]);
    assert_eq!(pair.outcomes(), [(Outcome::Completed, 1)]);
    let placed = pair.uac.placed();
    assert_eq!((placed.setup.quantile_ms(1.0), placed.ringing.quantile_ms(1.0)), (Some(1020.415), Some(20.015)));
    assert!(pair.uac.is_done() && pair.uas.answered().running == 0);
}

#[test]
fn whatever_is_lost_is_sent_again() {
    for start in ["INVITE", "SIP/2.0 180", "SIP/2.0 200", "ACK", "BYE"] {
        let mut pair = Pair::new(first(start, 2));
        pair.run_until(60.0);
        assert_eq!(pair.outcomes(), [(Outcome::Completed, 1)], "{start}: {:?}", pair.sent);
        assert_eq!((pair.uas.answered().ended, pair.uas.answered().unacknowledged), (1, 0), "{start}");
        assert!(pair.uac.is_done() && pair.uas.answered().running == 0, "{start}");
    }
}

#[test]
fn silence_is_given_up() {
    let mut pair = Pair::new(|_| true);
    pair.run_until(31.9);
    assert_eq!((pair.count("INVITE"), pair.outcomes()), (7, vec![]));
    pair.run_until(32.1);
    assert_eq!(pair.outcomes(), [(Outcome::NoAnswer, 1)]);

    let mut pair = Pair::new(first("BYE", usize::MAX));
    pair.run_until(60.0);
    assert_eq!(pair.outcomes(), [(Outcome::ByeUnanswered, 1)]);

    let mut pair = Pair::new(first("ACK", usize::MAX));
    pair.run_until(60.0);
    assert_eq!(pair.outcomes(), [(Outcome::Completed, 1)]);
}

#[test]
fn what_rings_is_cancelled_when_the_run_is_stopped() {
    for lost in ["", "CANCEL", "SIP/2.0 487", "ACK"] {
        let mut pair = Pair::new(first(lost, usize::from(!lost.is_empty())));
        pair.run_until(0.5);
        pair.with_uac(Uac::stop);
        pair.run_until(60.0);
        assert_eq!(pair.outcomes(), [(Outcome::Stopped, 1)], "{lost}");
        let answered = pair.uas.answered();
        // A CANCEL that comes too late finds a call that is up, and the 200 is answered with a BYE.
        assert_eq!(answered.cancelled + answered.ended, 1, "{lost}: {:?}", pair.sent);
        assert!(pair.uac.is_done() && answered.running == 0, "{lost}");
    }
}

#[test]
fn what_is_up_is_ended_when_the_run_is_stopped() {
    let mut pair = Pair::new(|_| false);
    pair.run_until(2.0);
    pair.with_uac(Uac::stop);
    pair.run_until(2.1);
    assert_eq!((pair.outcomes(), pair.count("BYE")), (vec![(Outcome::Stopped, 1)], 1));

    let mut pair = Pair::new(|_| false);
    pair.run_until(2.0);
    pair.with_uas(Uas::stop);
    pair.run_until(2.1);
    assert_eq!(pair.outcomes(), [(Outcome::EndedEarly, 1)]);
    assert_eq!(pair.uas.answered().running, 0);
}
