//! The life of a media port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Arbitrary, Unstructured};
use undertone_abi::{Admission, Clock, Endpoint, Epoch, Policy, Row, Rtp, Statistics, limits};

/// A packet that comes, or something that user space does. Its source and its SSRC are two of few, so that they meet
/// again.
#[derive(Debug, Arbitrary)]
struct Step {
    what: u8,
    who: u8,
    after_us: i32,
    length: u16,
    payload_type: u8,
    ssrc: u8,
    sequence: u16,
    timestamp: u32,
}

/// A port, and what is known of it from outside.
struct Port {
    row: Row,
    policy: Policy,
    clock: Clock,
    signalled: Option<Endpoint>,
    epoch: Epoch,
    now_ns: u64,
    told: Told,
}

/// What the present stream was told, and what must be counted of it.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    packets: u64,
    bytes: u64,
    rtp: u32,
    last: Option<(u8, u32)>,
    strangers: u64,
    invalid: u32,
    follows: bool,
}

/// Feeds packets to a row, from several sources and over several streams.
///
/// Each packet is counted once, as the stream's or as a stranger's. The signalled source always comes in, and nobody
/// takes its place until there is another epoch.
pub fn reception(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok((policy, clock, signalled, now_ns)) = input.arbitrary() else { return };
    let mut port = Port::new(policy, clock, signalled, now_ns);
    while !input.is_empty()
        && let Ok(step) = input.arbitrary()
    {
        let before = port.statistics();
        port.take(&step);
        port.compare(&before);
    }
}

impl Port {
    fn new(policy: u8, clock: u8, signalled: u8, now_ns: u64) -> Self {
        Self {
            row: Row::default(),
            policy: [Policy::Strict, Policy::SameHost, Policy::Latch][usize::from(policy % 3)],
            clock: Clock::ALL[usize::from(clock) % Clock::ALL.len()],
            signalled: match signalled % 4 {
                0 | 1 => Some(somebody(signalled)),
                2 => Some(Endpoint::NONE),
                _ => None,
            },
            epoch: Epoch::default(),
            now_ns,
            told: Told::default(),
        }
    }

    fn statistics(&self) -> Statistics {
        self.row.statistics(self.clock)
    }

    fn take(&mut self, step: &Step) {
        self.now_ns = self.now_ns.wrapping_add_signed(i64::from(step.after_us) * 1_000);
        match step.what % 16 {
            0 => self.begin(self.epoch.next_stream()),
            1 => self.begin(self.epoch.next_source()),
            2 => {
                self.row.follow();
                self.told.follows = true;
            }
            3 => {
                self.row.count_invalid();
                self.told.invalid += 1;
            }
            4 => self.hear(step, None),
            _ => {
                let rtp = Rtp {
                    payload_type: step.payload_type & 0x7f,
                    sequence: step.sequence,
                    timestamp: step.timestamp,
                    ssrc: u32::from(step.ssrc % 4),
                };
                self.hear(step, Some(rtp));
            }
        }
    }

    fn begin(&mut self, epoch: Epoch) {
        if epoch.generation() != self.epoch.generation() {
            self.told = Told { follows: self.told.follows, ..Told::default() };
        }
        self.epoch = epoch;
        self.row.set_epoch(epoch);
        assert_eq!(self.row.learned(), None, "learned in an epoch that has just begun");
    }

    /// A packet comes: RTP, or else RTCP.
    fn hear(&mut self, step: &Step, rtp: Option<Rtp>) {
        let from = somebody(step.who);
        let before = self.row.learned();
        let was_locked = self.statistics().locked;
        let admission = self.row.admit(self.policy, self.epoch, from, || self.signalled, self.now_ns);
        self.judge(admission, from, before, was_locked);
        if admission == Admission::Stranger {
            self.told.strangers += 1;
            return;
        }
        self.row.count(step.length.into(), self.now_ns);
        self.told.packets += 1;
        self.told.bytes += u64::from(step.length);
        match rtp {
            Some(rtp) => {
                self.row.receive(&rtp, self.clock, self.now_ns);
                self.told.rtp += 1;
                self.told.last = Some((rtp.payload_type, rtp.ssrc));
            }
            None => self.row.count_outside(),
        }
    }

    fn judge(&self, admission: Admission, from: Endpoint, before: Option<Endpoint>, was_locked: bool) {
        let is_signalled = self.signalled == Some(from) && !from.address.is_unspecified();
        let is_host = self.signalled.is_some_and(|end| end.address == from.address);
        let learned = self.row.learned();
        match admission {
            Admission::Stranger => assert_eq!(learned, before, "a stranger taught something"),
            Admission::Known => {
                assert!(before == Some(from) || before.is_none() && is_signalled, "{from:?} is not known");
            }
            Admission::Moved => assert_ne!(before, Some(from), "{from:?} was there already"),
        }
        if admission != Admission::Stranger {
            assert_eq!(learned, Some(from), "answers go to another");
            assert!(before == learned || !was_locked || is_signalled, "{from:?} took a port that was another's");
            let may_teach = match self.policy {
                Policy::Strict => is_signalled,
                Policy::SameHost => is_host,
                Policy::Latch => true,
            };
            assert!(may_teach, "{from:?} came in against {:?}", self.policy);
        }
        if is_signalled {
            assert!(admission != Admission::Stranger, "the signalled source is no stranger");
            assert!(self.statistics().locked, "the signalled source's place is its own");
        } else if was_locked && before.is_some() && before == self.signalled {
            assert_eq!(admission, Admission::Stranger, "{from:?} in the signalled source's place");
        }
    }

    fn compare(&self, before: &Statistics) {
        let (told, now) = (&self.told, self.statistics());
        assert_eq!((now.packets, now.bytes), (told.packets, told.bytes));
        assert_eq!((now.strangers, now.invalid), (told.strangers, told.invalid));
        assert_eq!(now.payload_type, told.last.map(|(payload_type, _)| payload_type));
        assert_eq!(now.ssrc, told.last.map_or(0, |(_, ssrc)| ssrc));
        assert_eq!((now.source, self.row.follows()), (self.row.learned(), told.follows));
        assert!(now.reordered + now.duplicates + now.ssrc_changes <= told.rtp, "more than came: {now:?}");
        let lost_max = told.rtp * u32::from(limits::SEQUENCE_DROPOUT_MAX + limits::SEQUENCE_MISORDER_MAX);
        assert!(now.lost <= lost_max, "more than one packet's step each: {now:?}");
        if now.packets > before.packets && before.packets > 0 {
            assert!(now.longest_gap_ns >= before.longest_gap_ns, "the longest gap became shorter");
            // RFC 3550 A.8: a packet takes a sixteenth of the jitter away, and less than a tick for rounding.
            let [now_ns, before_ns] = [now, *before].map(|statistics| u64::from(statistics.jitter_ns));
            let tick_ns = 1_000_000_000 / u64::from(self.clock.hz());
            assert!(now_ns + tick_ns >= before_ns - before_ns / 16, "{before_ns} ns of jitter became {now_ns}");
        }
    }
}

/// One of eight: two ports of each of four hosts, one of which is nobody.
fn somebody(who: u8) -> Endpoint {
    let address: IpAddr = match who >> 1 & 3 {
        0 => Ipv4Addr::new(192, 0, 2, 1).into(),
        1 => Ipv4Addr::new(192, 0, 2, 2).into(),
        2 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    Endpoint { address: address.into(), port: 4000 + u16::from(who & 1) }
}
