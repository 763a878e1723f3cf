//! How well a stream came in, from all that ever came in.

use std::collections::HashSet;

use undertone_abi::limits::{SEEN_WINDOW, SEQUENCE_DROPOUT_MAX, SEQUENCE_MISORDER_MAX};

use super::media::Heard;

/// What is to be reported of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Report {
    pub(super) lost: u32,
    pub(super) reordered: u32,
    pub(super) duplicates: u32,
    pub(super) ssrc: u32,
    pub(super) ssrc_changes: u32,
}

impl Report {
    /// Goes through all RTP packets of a stream, in the order in which they came.
    pub(super) fn of(history: &[Heard]) -> Self {
        let mut report = Self::default();
        let mut run: Option<Run> = None;
        for packet in history {
            let goes_on =
                run.as_mut().is_some_and(|run| run.ssrc == packet.ssrc && run.hear(packet.sequence, &mut report));
            if !goes_on {
                report.ssrc_changes += u32::from(run.is_some());
                report.lost += run.map_or(0, |run| run.lost());
                report.ssrc = packet.ssrc;
                run = Some(Run::begin(packet));
            }
        }
        report.lost += run.map_or(0, |run| run.lost());
        report
    }
}

/// The packets of one source between its start and its end, or its next start.
struct Run {
    ssrc: u32,
    /// Sequence numbers without wrapping.
    highest: i64,
    seen: HashSet<i64>,
    /// Packets that came, each but once as far as can be told.
    came: i64,
    /// The sequence number that would confirm a new start.
    confirming: Option<u16>,
}

impl Run {
    fn begin(packet: &Heard) -> Self {
        let first = i64::from(packet.sequence);
        Self { ssrc: packet.ssrc, highest: first, seen: HashSet::from([first]), came: 1, confirming: None }
    }

    /// Takes one more packet. False when it is the sender's new start.
    fn hear(&mut self, sequence: u16, report: &mut Report) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let behind = ahead.wrapping_neg();
        if (1..SEQUENCE_DROPOUT_MAX).contains(&ahead) {
            self.highest += i64::from(ahead);
            self.keep(self.highest);
        } else if behind <= SEQUENCE_MISORDER_MAX {
            let number = self.highest - i64::from(behind);
            // Further back than the window, a packet is taken for one that never came before.
            if u32::from(behind) < SEEN_WINDOW && self.seen.contains(&number) {
                report.duplicates += 1;
            } else {
                report.reordered += 1;
                self.keep(number);
            }
        } else if self.confirming == Some(sequence) {
            return false;
        } else {
            self.confirming = Some(sequence.wrapping_add(1));
        }
        true
    }

    fn keep(&mut self, number: i64) {
        self.seen.insert(number);
        self.came += 1;
    }

    /// Sequence numbers between the lowest and the highest of which no packet came.
    fn lost(&self) -> u32 {
        let lowest = self.seen.iter().min().copied().unwrap_or(self.highest);
        (self.highest - lowest + 1 - self.came).max(0) as u32
    }
}
