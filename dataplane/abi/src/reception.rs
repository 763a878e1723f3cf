//! How well a stream arrives: loss, order, duplicates, jitter and gaps, from RTP itself (RFC 3550, appendix A).

use crate::{
    Clock, Row, gap,
    limits::{GAP_MS_MIN, SEEN_WINDOW, SEQUENCE_DROPOUT_MAX, SEQUENCE_MISORDER_MAX},
    row::{GAP_BITS, coarse},
};

/// The fields of an RTP header that reception is judged by, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in ticks of the stream's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

const GAP_MIN: u32 = coarse(GAP_MS_MIN * 1_000_000);

/// The longest gap beside the packet counter.
const GAP: u64 = (1 << GAP_BITS) - 1;

/// A step back in time up to this, in [`coarse`] units, is another CPU's view of the same moment, not a long gap.
const BACKWARDS_MAX: u32 = 1024;

/// A transit time that differs by more than this many ticks is a sender's new timestamp offset, not jitter.
const TRANSIT_STEP_MAX: u32 = 1 << 24;

/// What a sequence number says of its packet.
enum Order {
    /// A new highest: so many after the last.
    Ahead(u32),
    /// Not seen before, but later than one after it: so many before the highest.
    Late(u32),
    /// Seen before.
    Duplicate,
    /// The sender has started afresh.
    Restart,
    /// Out of all order; the next packet will tell why.
    Astray,
}

impl Row {
    /// Counts an admitted packet of `length` bytes of UDP payload.
    #[inline(always)]
    pub fn count(&self, length: u32, now_ns: u64) {
        let live = &self.live;
        let counted = live.packets.load();
        live.packets.store(counted.wrapping_add(1 << GAP_BITS));
        live.bytes.store(live.bytes.load().wrapping_add(length as u64));
        let now = coarse(now_ns);
        let gap = now.wrapping_sub(live.last_seen.load());
        // Two CPUs that serve one stream may come here in another order than they looked at the clock.
        if gap > u32::MAX - BACKWARDS_MAX {
            return;
        }
        live.last_seen.store(now);
        if gap >= GAP_MIN && gap > gap::unpack(counted as u16) && counted >> GAP_BITS > 0 {
            let longest = gap::pack(gap) as u64;
            live.packets.store(counted.wrapping_add(1 << GAP_BITS) & !GAP | longest);
        }
    }

    /// Leaves a counted packet out of the RTP sequence: RTCP on the same port.
    #[inline(always)]
    pub fn count_outside(&self) {
        self.account.outside.store(self.account.outside.load().wrapping_add(1));
    }

    /// Counts a packet that is not what the rule wants.
    #[inline(never)]
    pub fn count_invalid(&self) {
        // It may be the first packet of its stream.
        self.enter(self.epoch());
        self.account.invalid.store(self.account.invalid.load().wrapping_add(1));
    }

    /// Judges an RTP packet that was counted.
    #[inline(always)]
    pub fn receive(&self, rtp: &Rtp, clock: Clock, now_ns: u64) {
        let live = &self.live;
        self.set_payload_type(rtp.payload_type);
        if live.ssrc.load() != rtp.ssrc || live.seen.load() == 0 {
            return self.begin(rtp, clock, now_ns);
        }
        match self.order(rtp.sequence) {
            Order::Ahead(step) => {
                live.highest.store(live.highest.load().wrapping_add(step));
                let seen = if step < SEEN_WINDOW { live.seen.load() << step } else { 0 };
                live.seen.store(seen | 1);
                self.judge_transit(rtp, clock, now_ns);
            }
            Order::Late(behind) => {
                self.expect_from(live.highest.load().wrapping_sub(behind));
                self.account.reordered.store(self.account.reordered.load().wrapping_add(1));
                self.judge_transit(rtp, clock, now_ns);
            }
            Order::Duplicate => {
                self.account.duplicates.store(self.account.duplicates.load().wrapping_add(1));
                self.judge_transit(rtp, clock, now_ns);
            }
            Order::Restart => self.begin(rtp, clock, now_ns),
            Order::Astray => {
                self.account.outside.store(self.account.outside.load().wrapping_add(1));
                self.account.restart.store(0x1_0000 | rtp.sequence.wrapping_add(1) as u32);
            }
        }
    }

    #[inline(always)]
    fn order(&self, sequence: u16) -> Order {
        let ahead = sequence.wrapping_sub(self.live.highest.load() as u16);
        let behind = ahead.wrapping_neg();
        if ahead == 0 {
            Order::Duplicate
        } else if ahead < SEQUENCE_DROPOUT_MAX {
            Order::Ahead(ahead as u32)
        } else if behind <= SEQUENCE_MISORDER_MAX {
            let bit = if (behind as u32) < SEEN_WINDOW { 1_u32 << behind } else { 0 };
            let seen = self.live.seen.load();
            self.live.seen.store(seen | bit);
            if seen & bit == 0 { Order::Late(behind as u32) } else { Order::Duplicate }
        } else if self.account.restart.load() == 0x1_0000 | sequence as u32 {
            Order::Restart
        } else {
            Order::Astray
        }
    }

    /// Lowers the first number of the sequence to `number`: it came late, and first is what was sent first.
    #[inline(always)]
    fn expect_from(&self, number: u32) {
        if (number.wrapping_sub(self.account.base.load()) as i32) < 0 {
            self.account.base.store(number);
        }
    }

    /// RFC 3550 A.8.
    #[inline(always)]
    fn judge_transit(&self, rtp: &Rtp, clock: Clock, now_ns: u64) {
        let live = &self.live;
        let transit = clock.ticks(now_ns).wrapping_sub(rtp.timestamp);
        let step = transit.wrapping_sub(live.transit.load());
        live.transit.store(transit);
        let step = if step >> 31 == 0 { step } else { step.wrapping_neg() };
        if step < TRANSIT_STEP_MAX {
            let jitter = live.jitter.load();
            live.jitter.store(jitter.wrapping_add(step).wrapping_sub((jitter.wrapping_add(8)) >> 4));
        }
    }

    /// Starts an SSRC's sequence with this packet, and closes the account of the one before.
    #[inline(never)]
    fn begin(&self, rtp: &Rtp, clock: Clock, now_ns: u64) {
        let (live, account) = (&self.live, &self.account);
        // This packet is counted already, and is the first of the new sequence.
        let before = ((live.packets.load() >> GAP_BITS) as u32).wrapping_sub(1);
        if live.seen.load() != 0 {
            account.ssrc_changes.store(account.ssrc_changes.load().wrapping_add(1));
            account.lost_before.store(self.lost(before as u64));
        }
        account.outside.store(before.wrapping_sub(account.duplicates.load()));
        account.restart.store(0);
        // Above zero, so that a late packet of before the first one does not wrap below it.
        let highest = 0x1_0000 | rtp.sequence as u32;
        account.base.store(highest);
        live.highest.store(highest);
        live.seen.store(1);
        live.ssrc.store(rtp.ssrc);
        live.transit.store(clock.ticks(now_ns).wrapping_sub(rtp.timestamp));
    }

    /// Packets lost so far, when `packets` came.
    #[inline(always)]
    pub(crate) fn lost(&self, packets: u64) -> u32 {
        let (live, account) = (&self.live, &self.account);
        if live.seen.load() == 0 {
            return 0;
        }
        let expected = live.highest.load().wrapping_sub(account.base.load()).wrapping_add(1);
        let received = (packets as u32).wrapping_sub(account.duplicates.load()).wrapping_sub(account.outside.load());
        // A duplicate from beyond the window is taken for a late packet, which makes more arrive than were expected.
        let lost = if received > expected { 0 } else { expected.wrapping_sub(received) };
        account.lost_before.load().wrapping_add(lost)
    }

    /// Sets every counter to nothing, for another stream.
    #[inline(always)]
    pub(crate) fn forget_reception(&self) {
        let (live, account) = (&self.live, &self.account);
        live.packets.store(0);
        live.bytes.store(0);
        for word in [&live.ssrc, &live.highest, &live.transit, &live.jitter, &live.seen, &live.last_seen] {
            word.store(0);
        }
        account.strangers.store(0);
        for word in [
            &account.base,
            &account.lost_before,
            &account.outside,
            &account.reordered,
            &account.duplicates,
            &account.ssrc_changes,
            &account.restart,
            &account.window_start,
            &account.window_packets,
            &account.invalid,
        ] {
            word.store(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Statistics;

    const PTIME_NS: u64 = 20_000_000;

    /// Feeds sequence numbers, one each 20 ms, and says what the row thinks of them.
    fn after(sequence: impl IntoIterator<Item = u16>) -> Statistics {
        let row = Row::default();
        feed(&row, 7, sequence);
        row.statistics(Clock::Hz8000)
    }

    fn feed(row: &Row, ssrc: u32, sequence: impl IntoIterator<Item = u16>) {
        for (index, sequence) in sequence.into_iter().enumerate() {
            let now_ns = (1 + index as u64) * PTIME_NS;
            row.count(172, now_ns);
            let timestamp = index as u32 * 160;
            row.receive(&Rtp { payload_type: 0, sequence, timestamp, ssrc }, Clock::Hz8000, now_ns);
        }
    }

    #[test]
    fn a_clean_stream_has_nothing_to_report() {
        let statistics = after(65_000..=65_535);
        assert_eq!(statistics.packets, 536);
        assert_eq!(statistics.bytes, 536 * 172);
        assert_eq!((statistics.lost, statistics.reordered, statistics.duplicates), (0, 0, 0));
        assert_eq!(statistics.payload_type, Some(0));
        assert!(statistics.jitter_ns < 50_000, "{}", statistics.jitter_ns);
        assert_eq!(statistics.longest_gap_ns, 0);
    }

    #[test]
    fn numbers_wrap_without_loss() {
        let statistics = after((0..2_000_u32).map(|n| (64_000 + n) as u16));
        assert_eq!((statistics.lost, statistics.ssrc_changes), (0, 0));
    }

    #[test]
    fn loss_order_and_duplicates_are_told_apart() {
        let statistics = after([1, 2, 3, 5, 4, 4, 6, 9, 9, 8, 12]);
        // 7, 10 and 11 are missing; 4 and 8 came late; 4 and 9 came twice.
        assert_eq!((statistics.lost, statistics.reordered, statistics.duplicates), (3, 2, 2));
    }

    #[test]
    fn a_packet_from_before_the_first_hides_no_loss() {
        let statistics = after([10, 9, 11, 13]);
        assert_eq!((statistics.lost, statistics.reordered), (1, 1), "12 is missing");
    }

    #[test]
    fn a_new_ssrc_keeps_the_loss_of_the_old_one() {
        let row = Row::default();
        feed(&row, 7, [10, 12, 13]);
        feed(&row, 8, [500, 501, 504]);
        let statistics = row.statistics(Clock::Hz8000);
        assert_eq!((statistics.lost, statistics.ssrc_changes, statistics.packets), (3, 1, 6));
        assert_eq!(statistics.ssrc, 8);
    }

    #[test]
    fn a_restart_takes_two_packets_in_order() {
        let statistics = after([10, 11, 12, 40_000, 13, 14]);
        assert_eq!((statistics.lost, statistics.ssrc_changes), (0, 0), "one stray packet");
        let statistics = after([10, 11, 12, 40_000, 40_001, 40_002]);
        assert_eq!((statistics.lost, statistics.ssrc_changes), (0, 1), "a restart");
    }

    #[test]
    fn the_longest_gap_is_kept() {
        let row = Row::default();
        for (sequence, at_ms) in [(1_u16, 20_u64), (2, 40), (3, 300), (4, 320)] {
            row.count(172, at_ms * 1_000_000);
            let rtp = Rtp { payload_type: 0, sequence, timestamp: 0, ssrc: 1 };
            row.receive(&rtp, Clock::Hz8000, at_ms * 1_000_000);
        }
        let gap_ms = row.statistics(Clock::Hz8000).longest_gap_ns / 1_000_000;
        assert!((258..=262).contains(&gap_ms), "{gap_ms}");
    }

    #[test]
    fn a_clock_that_is_behind_makes_no_gap() {
        let row = Row::default();
        let at = |ms: u64| row.count(172, ms * 1_000_000);
        at(1000);
        at(1020);
        at(1010);
        assert_eq!(row.statistics(Clock::Hz8000).longest_gap_ns, 0);
        assert_eq!(row.statistics(Clock::Hz8000).packets, 3);
        assert!(row.statistics(Clock::Hz8000).idle_ns(1_021_000_000).unwrap() < 3_000_000, "the latest time counts");
        at(1120);
        let gap_ms = row.statistics(Clock::Hz8000).longest_gap_ns / 1_000_000;
        assert!((98..=101).contains(&gap_ms), "{gap_ms}");
    }

    #[test]
    fn jitter_beyond_what_can_be_told_is_the_most_that_can_be() {
        let row = Row::default();
        for (sequence, at_s) in [(1_u16, 1_u64), (2, 201)] {
            row.count(172, at_s * 1_000_000_000);
            let rtp = Rtp { payload_type: 0, sequence, timestamp: 0, ssrc: 1 };
            row.receive(&rtp, Clock::Hz8000, at_s * 1_000_000_000);
        }
        assert_eq!(row.statistics(Clock::Hz8000).jitter_ns, u32::MAX, "a sixteenth of 200 s");
    }

    #[test]
    fn jitter_follows_the_rfc() {
        let row = Row::default();
        let mut expected = 0.0_f64;
        let mut last = None;
        for index in 0..500_u64 {
            let delay_ns = (index * 7919 % 11) * 1_000_000;
            let now_ns = 1_000_000_000 + index * PTIME_NS + delay_ns;
            row.count(172, now_ns);
            let rtp = Rtp { payload_type: 0, sequence: index as u16, timestamp: index as u32 * 160, ssrc: 1 };
            row.receive(&rtp, Clock::Hz8000, now_ns);
            if let Some(last) = last.replace(delay_ns as f64) {
                expected += ((delay_ns as f64 - last).abs() - expected) / 16.0;
            }
        }
        let jitter = f64::from(row.statistics(Clock::Hz8000).jitter_ns);
        assert!((jitter / expected - 1.0).abs() < 0.02, "{jitter} against {expected}");
    }
}
