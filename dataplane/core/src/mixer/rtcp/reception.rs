//! How a stream comes, as reports tell it (RFC 3550 A.3 and A.8).

use super::{Quality, wire::Block};
use crate::mixer::packet::Packet;

/// A step of the sequence number beyond this is a sender that has begun anew (RFC 3550 A.1).
const DROPOUT_MAX: u16 = 3000;
/// The most that a report can say is lost: 24 bits with a sign.
const LOST_MAX: i64 = 0x7f_ffff;

/// What is counted of the stream that comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reception {
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    /// The first and the highest number, with what has wrapped above 16 bits.
    first: u32,
    highest: u32,
    received: u32,
    /// Expected and received by the last report, and what was lost between the last two.
    before: (u32, u32),
    lost_256ths: u8,
    /// How long the last packet took, in units of its clock from anywhere on.
    transit: Option<u32>,
    /// In 16ths of those units.
    jitter: u32,
}

impl Source {
    const fn new(packet: &Packet<'_>) -> Self {
        // Room to count down, should an earlier one come later.
        let first = 0x1_0000 | packet.sequence as u32;
        Self {
            ssrc: packet.ssrc,
            first,
            highest: first,
            received: 0,
            before: (0, 0),
            lost_256ths: 0,
            transit: None,
            jitter: 0,
        }
    }

    const fn expected(&self) -> u32 {
        self.highest.wrapping_sub(self.first).wrapping_add(1)
    }

    fn lost(&self) -> i32 {
        (i64::from(self.expected()) - i64::from(self.received)).clamp(-LOST_MAX - 1, LOST_MAX) as i32
    }

    /// The share that was lost since this was asked last.
    fn lost_since(&mut self) -> u8 {
        let (expected, received) = (self.expected(), self.received);
        let (more, came) = (expected.wrapping_sub(self.before.0), received.wrapping_sub(self.before.1));
        self.before = (expected, received);
        let lost = u64::from(more.saturating_sub(came));
        self.lost_256ths = if more == 0 { 0 } else { (lost * 256 / u64::from(more)).min(255) as u8 };
        self.lost_256ths
    }
}

impl Reception {
    pub(super) const fn new() -> Self {
        Self { source: None }
    }

    /// A packet has come.
    pub(super) fn note(&mut self, now_ns: u64, packet: &Packet<'_>, hz: u32, is_sound: bool) {
        let is_same = self.source.is_some_and(|source| {
            let step = packet.sequence.wrapping_sub(source.highest as u16);
            source.ssrc == packet.ssrc && (step <= DROPOUT_MAX || step >= DROPOUT_MAX.wrapping_neg())
        });
        let source = match &mut self.source {
            Some(source) if is_same => source,
            place => place.insert(Source::new(packet)),
        };
        let step = packet.sequence.wrapping_sub(source.highest as u16).cast_signed();
        if step > 0 {
            source.highest = source.highest.wrapping_add(step as u32);
        }
        source.received = source.received.wrapping_add(1);
        if !is_sound {
            return;
        }
        let arrival = (u128::from(now_ns) * u128::from(hz) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(packet.timestamp);
        if let Some(before) = source.transit.replace(transit) {
            let change = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A pause that the sender's clock leaves out says nothing of the network.
            if change < hz {
                source.jitter = source.jitter + change - ((source.jitter + 8) >> 4);
            }
        }
    }

    /// What a report says of it now; `None` before the first packet.
    pub(super) fn report(&mut self) -> Option<Block> {
        let source = self.source.as_mut()?;
        Some(Block {
            ssrc: source.ssrc,
            lost_256ths: source.lost_since(),
            lost: source.lost(),
            highest: source.highest,
            jitter: source.jitter >> 4,
            last: 0,
            since: 0,
        })
    }

    /// The same for people, as of the last report.
    pub(super) fn quality(&self, hz: u32) -> Option<Quality> {
        let source = self.source.as_ref()?;
        let jitter_ns = u64::from(source.jitter >> 4) * 1_000_000_000 / u64::from(hz.max(1));
        Some(Quality { lost: source.lost(), lost_256ths: source.lost_256ths, jitter_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32) -> Packet<'static> {
        Packet { header: &[], payload: &[0; 160], payload_type: 0, sequence, timestamp, ssrc: 9 }
    }

    #[test]
    fn numbers_wrap_and_late_packets_are_no_loss() {
        let mut reception = Reception::new();
        for number in [65_533_u16, 65_534, 0, 65_535, 1, 3, 2, 4] {
            reception.note(0, &packet(number, 0), 8_000, false);
        }
        let block = reception.report().unwrap();
        assert_eq!((block.lost, block.lost_256ths, block.highest), (0, 0, 0x2_0004));
        reception.note(0, &packet(9, 0), 8_000, false);
        let block = reception.report().unwrap();
        assert_eq!((block.lost, block.lost_256ths), (4, 204), "four of five");
        assert_eq!(reception.report().unwrap().lost_256ths, 0, "nothing since");
    }

    #[test]
    fn jitter_is_that_of_the_rfc() {
        let mut reception = Reception::new();
        for number in 0..1_000_u16 {
            // Every other packet is 10 ms late.
            let late = u64::from(number % 2) * 10;
            let now_ns = (u64::from(number) * 20 + late) * 1_000_000;
            reception.note(now_ns, &packet(number, u32::from(number) * 160), 8_000, true);
        }
        let jitter_ns = reception.quality(8_000).unwrap().jitter_ns;
        assert!(jitter_ns.abs_diff(10_000_000) < 200_000, "{jitter_ns}");
    }

    #[test]
    fn another_source_is_counted_anew() {
        let mut reception = Reception::new();
        reception.note(0, &packet(1, 0), 8_000, true);
        reception.note(0, &Packet { ssrc: 10, ..packet(50, 0) }, 8_000, true);
        reception.note(0, &Packet { ssrc: 10, ..packet(51, 0) }, 8_000, true);
        let block = reception.report().unwrap();
        assert_eq!((block.ssrc, block.lost), (10, 0));
        reception.note(0, &Packet { ssrc: 10, ..packet(20_000, 0) }, 8_000, true);
        assert_eq!(reception.report().unwrap().lost, 0, "numbers that begin anew");
    }
}
