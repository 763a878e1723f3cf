//! What is counted of one stream that arrives.

use super::packet::Arrived;

/// Packets behind the newest that are remembered, to tell late ones from doubles.
const WINDOW: u64 = 64;
/// The first packet's place, so that earlier ones have one too.
const ORIGIN: u64 = 1 << 32;

/// A stream from one source.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Its source.
    pub(super) ssrc: u32,
    first: u64,
    highest: u64,
    /// Which of the newest arrived, the newest in the lowest bit.
    seen: u64,
    /// Packets that arrived, each counted once.
    pub(super) received: u64,
    /// Packets that came once more.
    pub(super) doubles: u64,
    /// Packets that came after later ones.
    pub(super) late: u64,
    transit_ns: i64,
    jitter_ns: f64,
}

impl Stream {
    /// Begins with its first packet.
    pub(super) fn new(packet: &Arrived, now_ns: u64) -> Self {
        let at = ORIGIN + u64::from(packet.sequence);
        Self {
            ssrc: packet.ssrc,
            first: at,
            highest: at,
            seen: 1,
            received: 1,
            doubles: 0,
            late: 0,
            transit_ns: transit(packet, now_ns),
            jitter_ns: 0.0,
        }
    }

    /// Takes the next packet.
    pub(super) fn take(&mut self, packet: &Arrived, now_ns: u64) {
        let ahead = packet.sequence.wrapping_sub(self.highest as u16) as i16;
        let at = self.highest.wrapping_add_signed(i64::from(ahead));
        if ahead > 0 {
            self.seen = self.seen.checked_shl(u32::from(ahead.unsigned_abs())).unwrap_or(0) | 1;
            self.highest = at;
        } else {
            let behind = self.highest - at;
            let bit = if behind < WINDOW { 1 << behind } else { 0 };
            if self.seen & bit != 0 {
                self.doubles += 1;
                return;
            }
            self.seen |= bit;
            self.late += 1;
            self.first = self.first.min(at);
        }
        self.received += 1;
        let transit = transit(packet, now_ns);
        // RFC 3550 §6.4.1.
        self.jitter_ns += ((transit - self.transit_ns).unsigned_abs() as f64 - self.jitter_ns) / 16.0;
        self.transit_ns = transit;
    }

    /// Packets that are missing between the first and the newest that arrived (RFC 3550, appendix A.3).
    pub(super) const fn lost(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.received)
    }

    /// The jitter, by the times that packets were sent where they say so, else by their timestamps.
    pub(super) const fn jitter_ns(&self) -> u64 {
        self.jitter_ns as u64
    }
}

/// How long a packet was on its way, but for a constant.
fn transit(packet: &Arrived, now_ns: u64) -> i64 {
    const SAMPLE_NS: u64 = 125_000;
    let sent = packet.sent_ns.unwrap_or(u64::from(packet.timestamp) * SAMPLE_NS);
    now_ns.wrapping_sub(sent) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of these numbers, each on its way as many milliseconds as are given with it.
    fn stream(packets: &[(u16, u64)]) -> Stream {
        let packet = |sequence| Arrived { ssrc: 1, sequence, timestamp: 0, sent_ns: Some(1_000) };
        let mut arrived = packets.iter().map(|(sequence, ms)| (packet(*sequence), 1_000 + ms * 1_000_000));
        let (first, at) = arrived.next().unwrap();
        let mut stream = Stream::new(&first, at);
        arrived.for_each(|(packet, at)| stream.take(&packet, at));
        stream
    }

    #[test]
    fn what_is_missing_in_between_is_lost() {
        let counts = |stream: &Stream| (stream.received, stream.lost(), stream.late, stream.doubles);
        let table: [(&[u16], _); 5] = [
            (&[1, 2, 3], (3, 0, 0, 0)),
            (&[65_534, 65_535, 0, 2], (4, 1, 0, 0)),
            (&[5, 7, 6, 7, 6], (3, 0, 1, 2)),
            (&[5, 4, 6], (3, 0, 1, 0)),
            (&[5, 1000, 6], (3, 993, 1, 0)),
        ];
        for (numbers, expected) in table {
            let packets: Vec<_> = numbers.iter().map(|number| (*number, 3)).collect();
            assert_eq!(counts(&stream(&packets)), expected, "{numbers:?}");
        }
    }

    #[test]
    fn jitter_follows_the_changes_of_the_way() {
        assert_eq!(stream(&[(1, 3), (2, 3), (3, 3)]).jitter_ns(), 0);
        assert_eq!(stream(&[(1, 3), (2, 19)]).jitter_ns(), 1_000_000);
    }
}
