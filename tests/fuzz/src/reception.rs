//! A port's row keeps its word whatever comes.

use arbitrary::{Result, Unstructured};
use undertone_abi::{Address, Admission, Clock, Endpoint, Epoch, Policy, Row, Rtp};

/// Who may send: the first is where the SDP says, the second another port of that host, the others are elsewhere.
const SOURCES: [Endpoint; 4] = [source(1, 4000), source(1, 4002), source(2, 4000), source(3, 4000)];

const fn source(host: u8, port: u16) -> Endpoint {
    Endpoint { address: Address::v4(u32::from_ne_bytes([10, 0, 0, host])), port }
}

/// A stream's life, step by step.
pub fn reception(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut life = Life::new();
    // The input ends somewhere in a step.
    while !input.is_empty() && life.step(&mut input).is_ok() {}
}

/// A row, and what is known of it from outside.
struct Life {
    row: Row,
    epoch: Epoch,
    policy: Policy,
    now_ns: u64,
    admitted: u64,
    strangers: u64,
    /// The SDP's own source was heard in this epoch.
    is_locked: bool,
}

impl Life {
    fn new() -> Self {
        let epoch = Epoch::default().next_stream();
        let row = Row::default();
        row.set_epoch(epoch);
        Self { row, epoch, policy: Policy::Latch, now_ns: 1 << 40, admitted: 0, strangers: 0, is_locked: false }
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.int_in_range(0..=15)? {
            0 => self.begin(self.epoch.next_stream(), input)?,
            1 => self.begin(self.epoch.next_source(), input)?,
            _ => self.packet(input)?,
        }
        self.check();
        Ok(())
    }

    fn begin(&mut self, epoch: Epoch, input: &mut Unstructured<'_>) -> Result<()> {
        if epoch.generation() != self.epoch.generation() {
            (self.admitted, self.strangers) = (0, 0);
        }
        self.policy = *input.choose(&[Policy::Strict, Policy::SameHost, Policy::Latch])?;
        self.epoch = epoch;
        self.is_locked = false;
        self.row.set_epoch(epoch);
        Ok(())
    }

    fn packet(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let from = *input.choose(&SOURCES)?;
        // Up to two seconds on, or a little back, as another CPU may see it.
        let step_ms = i64::from(input.int_in_range(-5..=2000_i16)?);
        self.now_ns = self.now_ns.wrapping_add_signed(step_ms * 1_000_000);
        let rtp = Rtp {
            payload_type: input.int_in_range(0..=127)?,
            sequence: input.arbitrary()?,
            timestamp: input.arbitrary()?,
            ssrc: input.int_in_range(1..=2)?,
        };
        let admission = self.row.admit(self.policy, self.epoch, from, || Some(SOURCES[0]), self.now_ns);
        if admission == Admission::Stranger {
            self.strangers += 1;
            assert_ne!(from, SOURCES[0], "the signalled source always comes in");
            return Ok(());
        }
        match self.policy {
            Policy::Strict => assert_eq!(from, SOURCES[0]),
            Policy::SameHost => assert_eq!(from.address, SOURCES[0].address),
            Policy::Latch => {}
        }
        assert!(!self.is_locked || from == SOURCES[0], "a locked port stays with its source");
        self.is_locked |= from == SOURCES[0];
        self.admitted += 1;
        self.row.count(172, self.now_ns);
        self.row.receive(&rtp, Clock::Hz8000, self.now_ns);
        Ok(())
    }

    fn check(&self) {
        let statistics = self.row.statistics(Clock::Hz8000);
        assert_eq!((statistics.packets, statistics.strangers), (self.admitted, self.strangers));
        assert_eq!(statistics.bytes, 172 * self.admitted);
        let told_apart = u64::from(statistics.duplicates) + u64::from(statistics.reordered);
        assert!(told_apart <= self.admitted, "{statistics:?}");
    }
}
