//! What became of one stream: what was said, what arrived where, and what is wrong with it.

use std::{cell::OnceCell, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;
use undertone_tests::{
    lab::Family,
    rtp::{Packet, Received},
    speech::{SAMPLE_RATE, decode_pcmu, similarity},
};

use super::script::Party;

/// How many monitor ports a stream is copied to.
pub(crate) const MONITORS: usize = 2;

/// How alike what was said and what a telephone recorded must be: between them are G.711, real time and a jitter buffer.
const HEARD_MIN: f64 = 0.95;

/// The same for monitor ports, where nothing but G.711 is between them, which leaves more than 0.999 of speech.
const COPIED_MIN: f64 = 0.99;

/// Less than this of a sentence says too little: half a second.
const SENTENCE_MIN: usize = SAMPLE_RATE as usize / 2;

/// A stream that has crossed the appliance.
pub(crate) struct Crossing {
    /// Who sent it.
    pub(crate) party: Party,
    pub(crate) family: Family,
    /// The path of the interface that it arrived at.
    pub(crate) path: String,
    /// What was said, sentence by sentence.
    pub(crate) said: Vec<Vec<i16>>,
    /// What the other party's telephone recorded.
    pub(crate) heard: Vec<i16>,
    /// What reached each monitor port.
    pub(crate) monitors: [Arrivals; MONITORS],
    /// Where those are.
    pub(crate) monitor_ports: [SocketAddr; MONITORS],
    /// How many packets came when the copies were there: so many each monitor port has, at least.
    pub(crate) copies_due: u64,
    /// How the appliance saw it arrive, by the call's record.
    pub(crate) measured: Measured,
    /// What is wrong with the record itself.
    pub(crate) wrong: Vec<String>,
    /// What [`Self::alike`] has found, which takes a moment.
    pub(crate) alike: OnceCell<Alike>,
}

/// The figures of a stream in a call's record.
pub(crate) struct Measured {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) jitter_ms: f64,
    /// None when too little came to tell.
    pub(crate) mos: Option<f64>,
}

/// How alike what was said is to what was heard of it where it was heard worst: 1 is the same.
#[derive(Clone, Copy)]
pub(crate) struct Alike {
    /// At the other party's telephone.
    pub(crate) heard: f64,
    /// At the monitor ports.
    pub(crate) copied: f64,
}

/// The copies of a stream that arrived at a monitor port.
pub(crate) struct Arrivals {
    packets: Vec<Packet>,
    datagrams: Vec<Vec<u8>>,
    /// Silence before the first, in samples, where it is heard.
    late: usize,
    /// What is not there between the first and the last.
    missing: usize,
    /// What came twice, or behind a later one.
    out_of_order: usize,
}

impl Crossing {
    /// Packets lost on the way to the appliance, of all that should have come: 0 to 1.
    pub(crate) fn loss(&self) -> f64 {
        let Measured { packets, lost, .. } = self.measured;
        if lost > 0 { lost as f64 / (packets + lost) as f64 } else { 0.0 }
    }

    /// Whether both monitor ports have the same bytes in the same order.
    pub(crate) fn is_identical(&self) -> bool {
        let [one, other] = &self.monitors;
        // The second one's copy was set up a moment later.
        let later = one.datagrams.len().abs_diff(other.datagrams.len());
        let (longer, shorter) = if one.datagrams.len() > other.datagrams.len() { (one, other) } else { (other, one) };
        !shorter.datagrams.is_empty() && longer.datagrams[later..] == shorter.datagrams[..]
    }

    /// How much of what was said was heard, at its worst.
    pub(crate) fn alike(&self) -> Alike {
        *self.alike.get_or_init(|| {
            let said = || self.said.iter().filter(|said| said.len() >= SENTENCE_MIN);
            let worst = |heard: &[i16]| {
                said().map(|said| similarity(said, heard, heard.len()).score).fold(f64::INFINITY, f64::min)
            };
            let copied = self.monitors.iter().map(|copied| worst(&copied.audio())).fold(f64::INFINITY, f64::min);
            Alike { heard: worst(&self.heard), copied }
        })
    }

    /// What was heard at a monitor port since the first copy of the call reached one.
    pub(crate) fn copied(&self, monitor: usize) -> Vec<i16> {
        self.monitors[monitor].audio()
    }

    /// Everything that is not as it should be, a sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let stream = self.name();
        let mut problems = self.wrong.clone();
        if self.measured.lost > 0 {
            problems.push(format!("{stream}: the appliance counted {} packets as lost", self.measured.lost));
        }
        for (number, copies) in (1..).zip(&self.monitors) {
            let problem = copies.problem(self.copies_due);
            problems.extend(problem.map(|problem| format!("{stream}: monitor port {number} received {problem}")));
        }
        if !self.is_identical() {
            problems.push(format!("{stream}: the monitor ports did not receive the same"));
        }
        let Alike { heard, copied } = self.alike();
        for (place, alike, min) in [("its telephone", heard, HEARD_MIN), ("a monitor port", copied, COPIED_MIN)] {
            // A number that is none, too, is a problem.
            if !(min..=1.0 + 1e-9).contains(&alike) {
                problems.push(format!("{stream}: what {place} heard is like what was said by only {alike:.3}"));
            }
        }
        problems
    }

    fn name(&self) -> String {
        format!("{} → {} over IPv{}", self.party.name(), self.party.other().name(), version(self.family))
    }
}

impl Measured {
    /// Reads a stream of a record in JSON.
    pub(crate) fn of(stream: &Value) -> Result<Self> {
        let read = || {
            Some(Self {
                packets: stream["packets"].as_u64()?,
                lost: stream["lost"].as_u64()?,
                jitter_ms: stream["jitter_ms"].as_f64()?,
                mos: stream["mos"].as_f64(),
            })
        };
        read().with_context(|| format!("no stream of a record: {stream}"))
    }
}

impl Arrivals {
    /// Copies in the order in which they came, heard by somebody who listens `since` then.
    pub(crate) fn of<'a>(received: impl Iterator<Item = &'a Received>, since: Duration) -> Self {
        let received: Vec<_> = received.collect();
        let packets: Vec<_> = received.iter().filter_map(|copy| copy.packet().ok()).collect();
        let steps = packets.windows(2).map(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence));
        let (mut missing, mut out_of_order) = (0, 0);
        for step in steps {
            match step {
                1 => {}
                0 | 0x8000.. => out_of_order += 1,
                _ => missing += usize::from(step) - 1,
            }
        }
        let late = received.first().map_or(Duration::ZERO, |first| first.at.saturating_sub(since));
        Self {
            late: (late.as_secs_f64() * f64::from(SAMPLE_RATE)) as usize,
            datagrams: received.into_iter().map(|copy| copy.bytes.clone()).collect(),
            packets,
            missing,
            out_of_order,
        }
    }

    /// How many arrived.
    pub(crate) const fn count(&self) -> usize {
        self.datagrams.len()
    }

    /// Each packet where its timestamp says; silence stands for what did not arrive.
    fn audio(&self) -> Vec<i16> {
        let Some(first) = self.packets.first() else { return Vec::new() };
        let place = |packet: &Packet| packet.timestamp.wrapping_sub(first.timestamp).cast_signed();
        let places = || self.packets.iter().filter_map(|packet| Some((usize::try_from(place(packet)).ok()?, packet)));
        let end = places().map(|(at, packet)| at + packet.payload.len()).max().unwrap_or(0);
        // A stream that leaps further than any call lasts is not audio of one.
        let mut audio = vec![0; self.late + end.min(self.packets.len() * 8 * 320)];
        for (at, packet) in places() {
            let at = self.late + at;
            if let Some(place) = audio.get_mut(at..at + packet.payload.len()) {
                place.copy_from_slice(&decode_pcmu(&packet.payload));
            }
        }
        audio
    }

    fn problem(&self, due: u64) -> Option<String> {
        let Self { packets, datagrams, missing, out_of_order, .. } = self;
        if packets.len() < datagrams.len() {
            return Some(format!("{} datagrams that are no RTP", datagrams.len() - packets.len()));
        }
        match (missing, out_of_order) {
            (0, 0) if packets.len() as u64 >= due => None,
            (0, 0) => Some(format!("{} packets of {due}", packets.len())),
            (missing, out_of_order) => {
                Some(format!("{} packets, {missing} missing between them, {out_of_order} out of order", packets.len()))
            }
        }
    }
}

/// The number of an IP version.
pub(crate) const fn version(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use undertone_tests::{rtp::Stream, speech::encode_pcmu};

    use super::*;

    /// A second of a tone, of which these packets arrived at the monitor ports.
    fn crossing(arrived: impl Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>) -> Crossing {
        let said: Vec<i16> = (0..8000).map(|at| (f64::from(at) * 0.35).sin() * 9000.0).map(|s| s as i16).collect();
        let packets = Stream::pcmu(1).packets(&encode_pcmu(&said));
        let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000));
        let receive = |bytes| Received { at: Duration::from_secs(7), from, dscp: 0, bytes };
        let measured = Measured { packets: sent.len() as u64, lost: 0, jitter_ms: 0.1, mos: Some(4.4) };
        let received: Vec<_> = arrived(sent).into_iter().map(receive).collect();
        let arrivals = || Arrivals::of(received.iter(), Duration::from_secs(6));
        Crossing {
            party: Party::Caller,
            family: Family::V4,
            path: "io-uring".into(),
            heard: said.clone(),
            said: vec![said],
            monitors: [arrivals(), arrivals()],
            monitor_ports: [from; MONITORS],
            copies_due: measured.packets,
            measured,
            wrong: Vec::new(),
            alike: OnceCell::new(),
        }
    }

    #[test]
    fn what_arrived_as_it_was_said_is_no_problem() {
        let crossing = crossing(|sent| sent);
        assert!(crossing.is_identical());
        assert!(crossing.alike().copied > 0.999, "{}", crossing.alike().copied);
        assert_eq!(crossing.problems(), [""; 0]);
    }

    #[test]
    fn a_copy_is_heard_when_it_came() {
        let copied = crossing(|sent| sent).copied(0);
        assert_eq!(copied.len(), 16_000);
        assert!(copied[..8000].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_lost_copy_is_missed() {
        let problems = crossing(|sent| [&sent[..10], &sent[11..]].concat()).problems();
        let missed = [1, 2].map(|port| {
            format!("caller → agent over IPv4: monitor port {port} received 49 packets, 1 missing between them, 0 out of order")
        });
        assert_eq!(problems[..2], missed);
    }

    #[test]
    fn copies_that_begin_late_and_a_changed_order_are_told() {
        let late = crossing(|sent| sent[5..].to_vec()).problems();
        assert_eq!(late[0], "caller → agent over IPv4: monitor port 1 received 45 packets of 50");
        let swapped = crossing(|mut sent| {
            sent.swap(3, 4);
            sent
        });
        assert!(swapped.problems()[0].contains("out of order"), "{:?}", swapped.problems());
    }

    #[test]
    fn monitor_ports_that_differ_are_told_unless_one_only_began_later() {
        let whole = crossing(|sent| sent);
        let mut later = crossing(|sent| sent);
        later.monitors[1] = crossing(|sent| sent[1..].to_vec()).monitors.into_iter().next().expect("the first");
        assert!(later.is_identical() && whole.is_identical());
        let changed = |mut sent: Vec<Vec<u8>>| {
            sent[3][40] ^= 1;
            sent
        };
        later.monitors[1] = crossing(changed).monitors.into_iter().next().expect("the first");
        assert!(!later.is_identical());
    }

    #[test]
    fn silence_in_place_of_speech_is_told() {
        let mut silent = crossing(|_| Vec::new());
        silent.heard = Vec::new();
        let problems = silent.problems();
        let told = problems.iter().filter(|problem| problem.contains("like what was said by only"));
        assert_eq!(told.count(), 2, "{problems:?}");
    }

    #[test]
    fn what_the_appliance_missed_is_loss() {
        let mut crossing = crossing(|sent| sent);
        crossing.measured.packets = 45;
        crossing.measured.lost = 5;
        assert!((crossing.loss() - 0.1).abs() < 1e-9);
        assert_eq!(crossing.problems().len(), 1);
    }
}
