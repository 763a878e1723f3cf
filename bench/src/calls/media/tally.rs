//! What is counted of the sound of all calls.

use std::time::Duration;

use super::stream::Stream;
use crate::calls::tally::Times;

/// What was sent and what arrived.
#[derive(Clone, Debug, Default)]
pub(in crate::calls) struct Heard {
    /// Packets that were sent.
    pub(in crate::calls) sent: u64,
    /// Packets that the kernel did not take.
    pub(in crate::calls) unsent: u64,
    /// Streams that arrived.
    pub(in crate::calls) streams: u64,
    /// Streams that something was missing of.
    pub(in crate::calls) streams_with_loss: u64,
    /// Ends that sent and heard nothing.
    pub(in crate::calls) deaf: u64,
    /// Packets that arrived, each counted once.
    pub(in crate::calls) received: u64,
    /// Packets that are missing between others that arrived.
    pub(in crate::calls) lost: u64,
    /// The most that one stream is missing.
    pub(in crate::calls) lost_max: u64,
    /// Packets that came after later ones.
    pub(in crate::calls) late: u64,
    /// Packets that came once more.
    pub(in crate::calls) doubles: u64,
    /// Datagrams that were no RTP.
    pub(in crate::calls) strange: u64,
    /// One way, of each packet that says when it was sent.
    pub(in crate::calls) latency: Times,
    /// Of each stream.
    pub(in crate::calls) jitter: Times,
    /// From an end's first sending to its first hearing.
    pub(in crate::calls) first: Times,
    /// How late our own sending was.
    pub(in crate::calls) pacing: Times,
}

impl Heard {
    /// Counts a stream that is over.
    pub(super) fn count(&mut self, stream: &Stream) {
        self.streams += 1;
        self.received += stream.received;
        self.lost += stream.lost();
        self.lost_max = self.lost_max.max(stream.lost());
        self.streams_with_loss += u64::from(stream.lost() > 0);
        self.late += stream.late;
        self.doubles += stream.doubles;
        if stream.received > 1 {
            self.jitter.record(Duration::from_nanos(stream.jitter_ns()));
        }
    }

    /// The share of packets that are missing.
    pub(in crate::calls) fn loss_ratio(&self) -> f64 {
        self.lost as f64 / (self.lost + self.received).max(1) as f64
    }
}
