//! What a receiver must count.

use std::time::Duration;

/// How many sequence numbers back from the highest one a receiver remembers which it has seen.
pub const WINDOW: i64 = 32;

/// The part of a packet's arrival that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// When it arrived, from any fixed moment on.
    pub at: Duration,
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
}

/// What a receiver must have counted after a row of arrivals of one stream.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Truth {
    /// Datagrams on the wire: duplicates count, lost packets do not.
    pub sent: u64,
    /// Sequence numbers from the lowest to the highest seen, both included.
    pub expected: u64,
    /// Expected, but never seen.
    pub lost: u64,
    /// Seen before, as far as [`WINDOW`] reaches.
    pub duplicates: u64,
    /// Not seen before, though a higher sequence number was.
    pub reordered: u64,
    /// So far behind that a receiver cannot tell which of the two it is; counts as neither, nor as seen.
    pub too_late: u64,
    /// Interarrival jitter after the last arrival (RFC 3550, section 6.4.1), over all arrivals in their order.
    pub jitter: Duration,
}

impl Truth {
    /// Counts arrivals in the order given, of a stream with this many timestamp units a second.
    pub fn of(arrivals: impl IntoIterator<Item = Arrival>, clock_rate: u32) -> Self {
        let mut arrivals = arrivals.into_iter();
        let Some(first) = arrivals.next() else {
            return Self::default();
        };
        let mut counter = Counter::new(first, clock_rate);
        arrivals.for_each(|arrival| counter.count(arrival));
        counter.truth()
    }

    /// The jitter in timestamp units, as an RTCP report has it.
    pub fn jitter_units(&self, clock_rate: u32) -> f64 {
        self.jitter.as_secs_f64() * f64::from(clock_rate)
    }
}

/// The state of a receiver.
struct Counter {
    truth: Truth,
    clock_rate: u32,
    lowest: i64,
    highest: i64,
    unique: u64,
    /// Bit n: the sequence number n below the highest was seen.
    seen: u32,
    previous: Arrival,
    jitter_s: f64,
}

impl Counter {
    fn new(first: Arrival, clock_rate: u32) -> Self {
        let sequence = i64::from(first.sequence);
        let truth = Truth { sent: 1, ..Truth::default() };
        Self {
            truth,
            clock_rate,
            lowest: sequence,
            highest: sequence,
            unique: 1,
            seen: 1,
            previous: first,
            jitter_s: 0.0,
        }
    }

    fn count(&mut self, arrival: Arrival) {
        self.truth.sent += 1;
        self.count_jitter(arrival);
        let sequence = self.extended(arrival.sequence);
        let behind = self.highest - sequence;
        match behind {
            ..0 => self.advance(-behind),
            WINDOW.. => self.truth.too_late += 1,
            _ if self.seen & (1 << behind) != 0 => self.truth.duplicates += 1,
            _ => self.fill_in(sequence, behind),
        }
    }

    fn advance(&mut self, by: i64) {
        self.highest += by;
        self.seen = if by < WINDOW { self.seen << by | 1 } else { 1 };
        self.unique += 1;
    }

    fn fill_in(&mut self, sequence: i64, behind: i64) {
        self.seen |= 1 << behind;
        self.lowest = self.lowest.min(sequence);
        self.unique += 1;
        self.truth.reordered += 1;
    }

    /// Moves the estimate by a sixteenth of its distance to the change in transit time since the previous arrival.
    fn count_jitter(&mut self, arrival: Arrival) {
        let on_arrival = arrival.at.as_secs_f64() - self.previous.at.as_secs_f64();
        let ticks = arrival.timestamp.wrapping_sub(self.previous.timestamp).cast_signed();
        let on_sending = f64::from(ticks) / f64::from(self.clock_rate);
        self.jitter_s += ((on_arrival - on_sending).abs() - self.jitter_s) / 16.0;
        self.previous = arrival;
    }

    /// The sequence number without wrapping: of all that it may stand for, the nearest to the highest.
    fn extended(&self, sequence: u16) -> i64 {
        let distance = sequence.wrapping_sub(self.highest as u16).cast_signed();
        self.highest + i64::from(distance)
    }

    fn truth(self) -> Truth {
        let expected = (self.highest - self.lowest + 1) as u64;
        Truth { expected, lost: expected - self.unique, jitter: Duration::from_secs_f64(self.jitter_s), ..self.truth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: u32 = 8000;

    /// Arrivals of these sequence numbers, 20 ms apart, with timestamps that fit the numbers.
    fn arrivals(sequences: &[u16]) -> Vec<Arrival> {
        let at = |index: usize| Duration::from_millis(20) * index as u32;
        let arrival = |(index, &sequence)| Arrival { at: at(index), sequence, timestamp: u32::from(sequence) * 160 };
        sequences.iter().enumerate().map(arrival).collect()
    }

    fn count(sequences: &[u16]) -> Truth {
        Truth::of(arrivals(sequences), CLOCK)
    }

    #[test]
    fn a_clean_stream_has_nothing_to_report() {
        let truth = count(&[1, 2, 3, 4]);
        assert_eq!(truth, Truth { sent: 4, expected: 4, ..Truth::default() });
    }

    #[test]
    fn a_late_packet_is_reordered_and_not_lost() {
        let truth = count(&[1, 3, 2, 5]);
        assert_eq!((truth.lost, truth.reordered, truth.duplicates), (1, 1, 0));
    }

    #[test]
    fn a_copy_is_a_duplicate_early_or_late() {
        let truth = count(&[1, 2, 2, 3, 1]);
        assert_eq!((truth.lost, truth.reordered, truth.duplicates), (0, 0, 2));
    }

    #[test]
    fn numbers_may_wrap() {
        let truth = count(&[65_534, 0, 65_535, 2, 0]);
        assert_eq!((truth.expected, truth.lost, truth.reordered, truth.duplicates), (5, 1, 1, 1));
    }

    #[test]
    fn the_window_ends_where_it_says() {
        let last_within: Vec<u16> = vec![1, 33, 2];
        let first_beyond: Vec<u16> = vec![1, 34, 2];
        assert_eq!((count(&last_within).reordered, count(&last_within).too_late), (1, 0));
        assert_eq!((count(&first_beyond).reordered, count(&first_beyond).too_late), (0, 1));
    }

    #[test]
    fn jitter_follows_the_formula() {
        let mut late = arrivals(&[1, 2, 3]);
        late[1].at += Duration::from_millis(8);
        // The second comes 8 ms late, the third 8 ms earlier after it: 8/16, then 0.5 + (8 - 0.5)/16.
        let expected_s = 0.008 / 16.0 + (0.008 - 0.008 / 16.0) / 16.0;
        let truth = Truth::of(late, CLOCK);
        assert!((truth.jitter.as_secs_f64() - expected_s).abs() < 1e-8, "{truth:?}");
        assert!((truth.jitter_units(CLOCK) - expected_s * 8000.0).abs() < 1e-3);
    }

    #[test]
    fn no_arrival_no_count() {
        assert_eq!(Truth::of([], CLOCK), Truth::default());
    }
}
