//! What became of one stream: what was sent, what arrived where, and what is wrong with it.

use std::{cell::OnceCell, collections::HashMap, net::SocketAddr};

use undertone_dataplane::{Path, Quality, Statistics, mos};
use undertone_tests::{
    lab::Family,
    rtp::{Packet, Received},
    speech::{decode_pcmu, similarity},
};

use super::script::{FRAME, Party};

/// How many monitor ports a stream is copied to.
pub(crate) const MONITORS: usize = 2;

/// How alike what was said and what was heard must be. G.711 alone leaves more than 0.999 of speech.
const SIMILARITY_MIN: f64 = 0.99;

/// A stream that has crossed the appliance.
pub(crate) struct Crossing {
    /// Who sent it.
    pub(crate) party: Party,
    pub(crate) family: Family,
    /// The path of the interface that it arrived at.
    pub(crate) path: Path,
    /// What was said into the microphone.
    pub(crate) spoken: Vec<i16>,
    /// The RTP timestamp of its first sample.
    pub(crate) first_timestamp: u32,
    /// The datagrams that left the sender.
    pub(crate) sent: Vec<Vec<u8>>,
    /// What reached the other party.
    pub(crate) far_end: Arrivals,
    /// What reached each monitor port.
    pub(crate) monitors: [Arrivals; MONITORS],
    /// Where those are.
    pub(crate) monitor_ports: [SocketAddr; MONITORS],
    /// How the appliance saw it arrive.
    pub(crate) statistics: Statistics,
    /// What [`Self::similarity`] has found, which takes a moment.
    pub(crate) similarity: OnceCell<f64>,
}

/// The datagrams that arrived somewhere, held against those that were sent.
pub(crate) struct Arrivals {
    datagrams: Vec<Vec<u8>>,
    /// Sent, but not here.
    missing: usize,
    /// Here, but not sent, or here more often than sent.
    foreign: usize,
    identical: bool,
}

impl Crossing {
    /// Packets lost on the way to the appliance, of all that should have come: 0 to 1.
    pub(crate) fn loss(&self) -> f64 {
        let lost = f64::from(self.statistics.lost);
        if lost > 0.0 { lost / (self.statistics.packets as f64 + lost) } else { 0.0 }
    }

    pub(crate) fn jitter_ms(&self) -> f64 {
        f64::from(self.statistics.jitter_ns) / 1e6
    }

    pub(crate) fn mos(&self) -> f64 {
        mos(Quality { loss: self.loss(), jitter_ms: self.jitter_ms() })
    }

    /// Whether every byte arrived everywhere, in order and once.
    pub(crate) fn is_identical(&self) -> bool {
        self.arrivals().all(|(_, arrivals)| arrivals.identical)
    }

    /// How alike what was said is to what was heard where it was heard worst: 1 is the same.
    pub(crate) fn similarity(&self) -> f64 {
        *self.similarity.get_or_init(|| {
            let mut heard: Vec<_> = self.arrivals().map(|(_, arrivals)| self.audio(arrivals)).collect();
            heard.dedup();
            heard.iter().map(|heard| similarity(&self.spoken, heard, FRAME).score).fold(1.0, f64::min)
        })
    }

    /// What was heard at a monitor port, as long as what was said.
    pub(crate) fn heard(&self, monitor: usize) -> Vec<i16> {
        self.audio(&self.monitors[monitor])
    }

    /// Everything that is not as it should be, a sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let sent = self.sent.len();
        let stream = self.name();
        let mut problems: Vec<_> = self
            .arrivals()
            .filter_map(|(place, arrivals)| Some(format!("{stream}: {}", arrivals.problem(sent, &place)?)))
            .collect();
        if self.statistics.packets != sent as u64 {
            problems.push(format!("{stream}: the appliance counted {} of {sent} packets", self.statistics.packets));
        }
        if self.statistics.lost > 0 {
            problems.push(format!("{stream}: the appliance counted {} packets as lost", self.statistics.lost));
        }
        let similarity = self.similarity();
        if similarity < SIMILARITY_MIN {
            problems.push(format!("{stream}: what was heard is like what was said by only {similarity:.3}"));
        }
        problems
    }

    fn name(&self) -> String {
        format!("{} → {} over IPv{}", self.party.name(), self.party.other().name(), version(self.family))
    }

    /// All places where it arrived.
    fn arrivals(&self) -> impl Iterator<Item = (String, &Arrivals)> {
        let far_end = (format!("the {}", self.party.other().name()), &self.far_end);
        let monitors = (1..).map(|number| format!("monitor port {number}")).zip(&self.monitors);
        std::iter::once(far_end).chain(monitors)
    }

    /// Puts each packet where its timestamp says; silence stands for what did not arrive.
    fn audio(&self, arrivals: &Arrivals) -> Vec<i16> {
        let mut audio = vec![0; self.spoken.len()];
        for packet in arrivals.datagrams.iter().filter_map(|datagram| Packet::parse(datagram).ok()) {
            let at = packet.timestamp.wrapping_sub(self.first_timestamp) as usize;
            let samples = decode_pcmu(&packet.payload);
            if let Some(place) = at.checked_add(samples.len()).and_then(|end| audio.get_mut(at..end)) {
                place.copy_from_slice(&samples);
            }
        }
        audio
    }
}

impl Arrivals {
    pub(crate) fn of<'a>(sent: &[Vec<u8>], received: impl Iterator<Item = &'a Received>) -> Self {
        let datagrams: Vec<_> = received.map(|datagram| datagram.bytes.clone()).collect();
        let mut left: HashMap<&[u8], usize> = HashMap::new();
        for datagram in sent {
            *left.entry(datagram).or_default() += 1;
        }
        let mut foreign = 0;
        for datagram in &datagrams {
            match left.get_mut(datagram.as_slice()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => foreign += 1,
            }
        }
        Self { missing: left.values().sum(), foreign, identical: datagrams == sent, datagrams }
    }

    /// How many arrived.
    pub(crate) const fn count(&self) -> usize {
        self.datagrams.len()
    }

    fn problem(&self, sent: usize, place: &str) -> Option<String> {
        let Self { missing, foreign, identical, .. } = self;
        match (missing, foreign) {
            _ if *identical => None,
            (0, 0) => Some(format!("{place} received the packets in another order")),
            (0, _) => Some(format!("{place} received {foreign} packets that were not sent, or twice")),
            (_, 0) => Some(format!("{missing} of {sent} packets did not reach {place}")),
            _ => Some(format!(
                "{missing} of {sent} packets did not reach {place} as they were sent; {foreign} others came instead"
            )),
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
    use std::{net::Ipv4Addr, time::Duration};

    use undertone_tests::{rtp::Stream, speech::encode_pcmu};

    use super::*;

    /// A second of a tone, of which these packets arrived everywhere.
    fn crossing(arrived: impl Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>) -> Crossing {
        let spoken: Vec<i16> = (0..8000).map(|at| (f64::from(at) * 0.35).sin() * 9000.0).map(|s| s as i16).collect();
        let packets = Stream::pcmu(1).packets(&encode_pcmu(&spoken));
        let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000));
        let receive = |bytes| Received { at: Duration::ZERO, from, dscp: 0, bytes };
        let received: Vec<_> = arrived(sent.clone()).into_iter().map(receive).collect();
        let arrivals = || Arrivals::of(&sent, received.iter());
        Crossing {
            party: Party::Caller,
            family: Family::V4,
            path: Path::Sockets,
            spoken,
            first_timestamp: 0,
            far_end: arrivals(),
            monitors: [arrivals(), arrivals()],
            monitor_ports: [from; MONITORS],
            statistics: Statistics { packets: sent.len() as u64, ..Statistics::default() },
            similarity: OnceCell::new(),
            sent,
        }
    }

    #[test]
    fn what_arrived_as_it_was_sent_is_no_problem() {
        let crossing = crossing(|sent| sent);
        assert!(crossing.is_identical());
        assert!(crossing.similarity() > 0.999, "{}", crossing.similarity());
        assert_eq!(crossing.problems(), [""; 0]);
    }

    #[test]
    fn a_lost_packet_is_missed_everywhere() {
        let problems = crossing(|sent| [&sent[..10], &sent[11..]].concat()).problems();
        let places = ["the agent", "monitor port 1", "monitor port 2"];
        let missed = places.map(|place| format!("caller → agent over IPv4: 1 of 50 packets did not reach {place}"));
        assert_eq!(problems[..3], missed);
    }

    #[test]
    fn a_changed_byte_and_a_changed_order_are_told_apart() {
        let changed = crossing(|mut sent| {
            sent[3][40] ^= 1;
            sent
        });
        assert!(
            changed.problems()[0].contains("1 of 50 packets did not reach the agent as they were sent; 1 others"),
            "{:?}",
            changed.problems()
        );
        let swapped = crossing(|mut sent| {
            sent.swap(3, 4);
            sent
        });
        assert!(swapped.problems()[0].contains("another order"), "{:?}", swapped.problems());
    }

    #[test]
    fn silence_in_place_of_speech_is_told() {
        let problems = crossing(|_| Vec::new()).problems();
        assert!(problems.iter().any(|problem| problem.contains("like what was said by only")), "{problems:?}");
    }

    #[test]
    fn what_the_appliance_missed_is_loss() {
        let mut crossing = crossing(|sent| sent);
        crossing.statistics.packets = 45;
        crossing.statistics.lost = 5;
        assert!((crossing.loss() - 0.1).abs() < 1e-9);
        assert!(crossing.mos() < 4.0, "{}", crossing.mos());
        assert_eq!(crossing.problems().len(), 2);
    }
}
