//! RTCP with a supervisor's phone (RFC 3550 §6): what either end says of how the other one's packets come.

mod reception;
mod wire;

use undertone_abi::Endpoint;

use self::{
    reception::Reception,
    wire::{Block, Sender},
};
use super::packet::Packet;

/// The mean time between two reports, in nanoseconds: the least that RFC 3550 §6.2 has.
const INTERVAL_NS: u64 = 5_000_000_000;

/// How one end's packets come to the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Packets that were lost, ever. Those that came twice count against it.
    pub lost: i32,
    /// How many of the last packets were lost, in 256ths.
    pub lost_256ths: u8,
    /// How unevenly they come, in nanoseconds (RFC 3550 §6.4.1).
    pub jitter_ns: u64,
}

/// What is known by RTCP of a phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Qualities {
    /// How the phone's packets come here; `None` before the first.
    pub from_phone: Option<Quality>,
    /// How ours come there, as the phone says; `None` while it does not.
    pub to_phone: Option<Quality>,
    /// The time to the phone and back, in nanoseconds, as far as its reports tell.
    pub round_trip_ns: Option<u64>,
    /// When a packet of RTCP was last heard, on the clock of what the mixer is told.
    pub heard_ns: Option<u64>,
}

/// The RTCP of one session.
pub(super) struct Rtcp {
    /// Names us (RFC 7022): what nobody has elsewhere.
    name: u64,
    reception: Reception,
    to_phone: Option<Quality>,
    round_trip_ns: Option<u64>,
    heard_ns: Option<u64>,
    /// Where it came from, where that is a port of its own.
    pub(super) learned: Option<Endpoint>,
    /// The phone's last report: the middle of its time, and when it came.
    last: Option<(u32, u64)>,
    next_ns: u64,
    /// Packets and octets that we have sent, and packets by the last report.
    sent: u32,
    octets: u32,
    told: u32,
}

/// Our stream, at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) ssrc: u32,
    /// The timestamp of now.
    pub(super) timestamp: u32,
    /// Units of it a second.
    pub(super) hz: u32,
}

impl Rtcp {
    pub(super) const fn new(now_ns: u64, seed: u64) -> Self {
        Self {
            name: seed,
            reception: Reception::new(),
            to_phone: None,
            round_trip_ns: None,
            heard_ns: None,
            learned: None,
            last: None,
            // The first one comes after half the time (RFC 3550 §6.2).
            next_ns: now_ns + spread(INTERVAL_NS / 2, seed),
            sent: 0,
            octets: 0,
            told: 0,
        }
    }

    /// What is known.
    pub(super) fn qualities(&self, hz: u32) -> Qualities {
        Qualities {
            from_phone: self.reception.quality(hz),
            to_phone: self.to_phone,
            round_trip_ns: self.round_trip_ns,
            heard_ns: self.heard_ns,
        }
    }

    /// A packet of the phone's has come. `is_sound`: its timestamp is of when it was sent, unlike that of telephone events.
    pub(super) fn note(&mut self, now_ns: u64, packet: &Packet<'_>, hz: u32, is_sound: bool) {
        self.reception.note(now_ns, packet, hz, is_sound);
    }

    /// A packet of so many octets of sound has left.
    pub(super) const fn count(&mut self, octets: usize) {
        self.sent = self.sent.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }

    /// Takes a compound packet of the phone's in. What cannot be read says nothing.
    pub(super) fn take(&mut self, now_ns: u64, bytes: &[u8], ours: Ours) {
        let mut is_any = false;
        for packet in wire::packets(bytes) {
            is_any = true;
            if let Some(time) = packet.sender_time() {
                self.last = Some((time, now_ns));
            }
            for block in packet.blocks().filter(|block| block.ssrc == ours.ssrc) {
                self.to_phone = Some(Quality {
                    lost: block.lost,
                    lost_256ths: block.lost_256ths,
                    jitter_ns: u64::from(block.jitter) * 1_000_000_000 / u64::from(ours.hz.max(1)),
                });
                self.round_trip_ns = round_trip(now_ns, &block).or(self.round_trip_ns);
            }
        }
        if is_any {
            self.heard_ns = Some(now_ns);
        }
    }

    /// Whether a report is due.
    pub(super) const fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.next_ns
    }

    /// The report that is due, if one is: its length in `out`.
    pub(super) fn report(&mut self, now_ns: u64, ours: Ours, seed: u64, out: &mut [u8]) -> Option<usize> {
        if !self.is_due(now_ns) {
            return None;
        }
        self.next_ns = now_ns + spread(INTERVAL_NS, seed);
        // Who has sent nothing since the last reports is a receiver (RFC 3550 §6.4).
        let is_sender = self.sent != self.told;
        self.told = self.sent;
        let sender = is_sender.then_some(Sender {
            time: ntp(now_ns),
            timestamp: ours.timestamp,
            packets: self.sent,
            octets: self.octets,
        });
        let (last, since) = self.last.map_or((0, 0), |(last, at_ns)| (last, shorts(now_ns.saturating_sub(at_ns))));
        let block = self.reception.report().map(|block| Block { last, since, ..block });
        wire::write(out, ours.ssrc, sender, block, self.name)
    }
}

/// From half to one and a half times as long (RFC 3550 §6.3.1).
const fn spread(interval_ns: u64, seed: u64) -> u64 {
    interval_ns / 2 + (seed >> 16) % interval_ns
}

/// A time on a clock that began somewhere, as NTP writes it (RFC 3550 §6.4.1): seconds and their 2³²nds.
const fn ntp(now_ns: u64) -> u64 {
    let (seconds, rest) = (now_ns / 1_000_000_000, now_ns % 1_000_000_000);
    let part = (rest << 32) / 1_000_000_000;
    (seconds << 32) | part
}

/// A time span in 65,536ths of a second.
const fn shorts(ns: u64) -> u32 {
    (ntp(ns) >> 16) as u32
}

/// The time there and back, by when our report left and how long the phone had it (RFC 3550 §6.4.1).
fn round_trip(now_ns: u64, block: &Block) -> Option<u64> {
    let shorts = shorts(now_ns).wrapping_sub(block.last).wrapping_sub(block.since);
    // More than a minute is a clock that has jumped, or a report of something else.
    (block.last != 0 && shorts < 60 << 16).then(|| (u64::from(shorts) * 1_000_000_000) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const ROOM: usize = 128;
    const OURS: Ours = Ours { ssrc: 7, timestamp: 160, hz: 8_000 };

    fn packet(sequence: u16, timestamp: u32) -> Packet<'static> {
        Packet { header: &[], payload: &[0; 160], payload_type: 0, sequence, timestamp, ssrc: 9 }
    }

    /// One end that sends 50 packets a second, of which the other one gets some.
    fn pair(gets: impl Fn(u16) -> bool) -> [Rtcp; 2] {
        let mut ends = [Rtcp::new(0, 1), Rtcp::new(0, 2)];
        for number in 0..500_u16 {
            let now_ns = u64::from(number) * 20 * MS;
            ends[0].count(160);
            if gets(number) {
                ends[1].note(now_ns + 5 * MS, &packet(number, u32::from(number) * 160), 8_000, true);
            }
        }
        ends
    }

    #[test]
    fn what_one_end_reports_the_other_one_knows() {
        let [mut sender, mut receiver] = pair(|number| number % 10 != 3);
        let (mut out, now_ns) = ([0; ROOM], 10_000 * MS);
        let length = sender.report(now_ns, Ours { ssrc: 9, ..OURS }, 0, &mut out).expect("it is due");
        receiver.take(now_ns + 5 * MS, &out[..length], OURS);
        let length = receiver.report(now_ns + 105 * MS, OURS, 0, &mut out).expect("it is due");
        sender.take(now_ns + 110 * MS, &out[..length], Ours { ssrc: 9, ..OURS });
        let known = sender.qualities(8_000);
        let heard = known.to_phone.expect("it was told");
        assert_eq!((heard.lost, heard.lost_256ths, heard.jitter_ns), (50, 25, 0));
        let there_and_back = known.round_trip_ns.expect("both have reported");
        assert!(there_and_back.abs_diff(10 * MS) < MS / 10, "{there_and_back}");
        assert_eq!(known.heard_ns, Some(now_ns + 110 * MS));
        let own = receiver.qualities(8_000).from_phone.expect("it has heard");
        assert_eq!((own.lost, own.jitter_ns), (50, 0));
    }

    #[test]
    fn reports_are_as_far_apart_as_the_rfc_has_it_and_say_nothing_of_what_is_not_sent() {
        let [mut sender, mut silent] = pair(|_| false);
        let mut out = [0; ROOM];
        let due = |end: &mut Rtcp, out: &mut [u8; ROOM]| {
            (0..60_000).filter_map(|ms| Some((ms, end.report(ms * MS, OURS, ms << 20, out)?))).collect::<Vec<_>>()
        };
        let reports = due(&mut sender, &mut out);
        let gaps: Vec<_> = reports.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(gaps.iter().all(|gap| (2_500..=7_500).contains(gap)), "{gaps:?}");
        assert_eq!(out[1], 201, "a receiver's by now");
        assert!(due(&mut silent, &mut out).iter().all(|_| out[1] == 201));
    }

    #[test]
    fn what_is_no_report_about_us_says_nothing_of_us() {
        let [mut sender, mut receiver] = pair(|_| true);
        let mut out = [0; ROOM];
        let length = receiver.report(10_000 * MS, OURS, 0, &mut out).expect("it is due");
        sender.take(0, &out[..length], Ours { ssrc: 8, ..OURS });
        assert_eq!((sender.to_phone, sender.heard_ns), (None, Some(0)));
        for cut in 0..length {
            let mut other = Rtcp::new(0, 1);
            other.take(0, &out[..cut], OURS);
        }
    }
}
