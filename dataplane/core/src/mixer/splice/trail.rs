//! What a stream looks like to whoever hears it: numbers and timestamps of what leaves, and when something has to.
//!
//! Timestamps of slipped-in packets follow the wall clock, one packet and the network's unevenness behind it, so that
//! the sender's next packet is later than all of them whenever it comes. Where it is not, because it was very late or
//! because the sender's clock stood still meanwhile, its timestamp is moved behind them, and that of all that follow by
//! as much, until the sender pauses for longer than that. As long as timestamps are moved, the stream cannot be given back.

use super::{
    numbers::{Numbers, Order, Placed},
    pace::Pace,
};
use crate::mixer::{Format, packet::Packet};

/// How much later than usual a packet may be before its sender is taken to be silent, in nanoseconds: twice what a
/// network takes on a bad day.
const OVERDUE_NS: u64 = 60_000_000;

/// One stream as it leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    numbers: Numbers,
    pace: Pace,
    last: Option<Left>,
    moved: Moved,
    event: Option<Event>,
}

/// What left last.
#[derive(Clone, Copy, Debug)]
struct Left {
    ssrc: u32,
    sequence: u16,
    /// Of the last packet of sound or comfort noise.
    timestamp: u32,
    /// The moment that this stands for.
    at_ns: u64,
    /// When a packet is slipped in unless the party sends one.
    next_ns: u64,
    by: By,
    /// The sender's number of its last packet, and the timestamp that it left with.
    number: u16,
    number_timestamp: u32,
}

/// Whose the last sound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Sender,
    /// Ours, and the next one goes on with it or not.
    Us {
        goes_on: bool,
    },
}

/// What is added to timestamps.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    ticks: u32,
    /// Since the packet of this number; and what was added before it.
    since: u16,
    before: u32,
}

/// A telephone event: all of its packets have one timestamp (RFC 4733 §2.5.1.2).
#[derive(Clone, Copy, Debug)]
struct Event {
    came_with: u32,
    left_with: u32,
}

/// What a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sound that voices are added to.
    Sound,
    /// Sound of another codec.
    Other,
    ComfortNoise,
    Event,
}

/// What a packet leaves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaves {
    pub(super) placed: Placed,
    pub(super) timestamp: u32,
}

/// What a packet that is slipped in leaves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlippedIn {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
}

impl Kind {
    pub(super) fn of(payload_type: u8, format: &Format) -> Self {
        match Some(payload_type) {
            this if this == Some(format.payload_type) => Self::Sound,
            this if this == format.comfort_noise => Self::ComfortNoise,
            this if this == format.telephone_event => Self::Event,
            _ => Self::Other,
        }
    }
}

impl Trail {
    /// `inserted`: packets that were slipped into the stream before.
    pub(super) fn new(inserted: u16) -> Self {
        Self {
            numbers: Numbers::new(inserted),
            pace: Pace::default(),
            last: None,
            moved: Moved::default(),
            event: None,
        }
    }

    /// Packets that were slipped in, ever.
    pub(super) const fn inserted(&self) -> u16 {
        self.numbers.inserted()
    }

    /// Whether what the sender sends next may leave with the timestamp that it comes with.
    pub(super) fn is_true(&self) -> bool {
        self.moved.ticks == 0 && self.last.is_none_or(|last| last.by == By::Sender)
    }

    /// When a packet is slipped in unless the sender sends one; `None` while nothing was heard of it.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.last.map(|last| last.next_ns)
    }

    /// The stream has another codec: packets may be of another length and clock.
    pub(super) fn change_format(&mut self) {
        self.pace = Pace::default();
    }

    /// Takes note of a packet that leaves, or is about to; also of one that was noted before.
    pub(super) fn note(&mut self, now_ns: u64, packet: &Packet<'_>, format: &Format) -> Leaves {
        let kind = Kind::of(packet.payload_type, format);
        let placed = self.numbers.place(packet, kind != Kind::Event);
        let is_next = match placed.order {
            Order::Late => return Leaves { placed, timestamp: self.timestamp_of_late(packet, placed.number) },
            Order::Anew => {
                (self.moved, self.event, self.last) = (Moved::default(), None, None);
                self.pace = Pace::default();
                false
            }
            Order::Next { missing } => missing == 0,
        };
        let timestamp = match kind {
            Kind::Event => self.timestamp_of_event(packet, format),
            Kind::ComfortNoise if self.is_between_ours() => self.timestamp_between(packet, format),
            _ => self.timestamp_of_sound(packet, placed.number, is_next, format),
        };
        self.leave(now_ns, packet, kind, Leaves { placed, timestamp }, is_next, format);
        Leaves { placed, timestamp }
    }

    /// A packet of ours is due: what it leaves with. `since_ns` and `seed` are what to begin with where nothing was ever
    /// heard of the sender.
    pub(super) fn slip_in(&mut self, now_ns: u64, format: &Format, since_ns: u64, seed: u64) -> SlippedIn {
        let packet_ns = packet_ns(format);
        let last = self.last.unwrap_or_else(|| Left::invented(since_ns, seed));
        // After a pause, or a stop of this process or of the machine, nothing is made up for.
        let due_ns = if now_ns.saturating_sub(last.next_ns) > packet_ns { now_ns } else { last.next_ns };
        let packets = (due_ns.saturating_sub(last.at_ns) / packet_ns).saturating_sub(1).max(1);
        let ticks = packet_ticks(format);
        let passed = (packets as u32).wrapping_mul(ticks);
        // As if nothing was moved, if there is time for it.
        let mut timestamp = last.timestamp.wrapping_add(passed);
        if self.moved.ticks != 0 && u64::from(self.moved.ticks) <= (packets - 1).saturating_mul(ticks.into()) {
            timestamp = timestamp.wrapping_sub(self.moved.ticks);
            self.move_by(0, last.number.wrapping_add(1));
        }
        self.numbers.insert();
        let sequence = last.sequence.wrapping_add(1);
        let marker = last.by != By::Us { goes_on: true };
        self.last = Some(Left {
            sequence,
            timestamp,
            at_ns: last.at_ns + packets * packet_ns,
            next_ns: due_ns + packet_ns,
            by: By::Us { goes_on: true },
            ..last
        });
        SlippedIn { ssrc: last.ssrc, sequence, timestamp, marker }
    }

    /// A packet of ours is due, and there is nothing to say.
    pub(super) fn let_pass(&mut self, now_ns: u64, format: &Format) {
        self.pause();
        if let Some(last) = &mut self.last {
            last.next_ns = now_ns.max(last.next_ns) + packet_ns(format);
        }
    }

    /// No packet of ours follows on the last one.
    pub(super) fn pause(&mut self) {
        if let Some(Left { by: By::Us { goes_on }, .. }) = &mut self.last {
            *goes_on = false;
        }
    }

    fn timestamp_of_late(&self, packet: &Packet<'_>, number: u16) -> u32 {
        match self.last {
            Some(last) if last.number == number => last.number_timestamp,
            _ if number.wrapping_sub(self.moved.since).cast_signed() < 0 => {
                packet.timestamp.wrapping_add(self.moved.before)
            }
            _ => packet.timestamp.wrapping_add(self.moved.ticks),
        }
    }

    fn timestamp_of_event(&mut self, packet: &Packet<'_>, format: &Format) -> u32 {
        if let Some(event) = self.event.filter(|event| event.came_with == packet.timestamp) {
            return event.left_with;
        }
        let left_with = if self.is_between_ours() {
            self.timestamp_between(packet, format)
        } else {
            packet.timestamp.wrapping_add(self.moved.ticks)
        };
        self.event = Some(Event { came_with: packet.timestamp, left_with });
        left_with
    }

    /// Whether what comes now stands between packets of ours.
    fn is_between_ours(&self) -> bool {
        self.last.is_some_and(|last| last.by == By::Us { goes_on: true })
    }

    /// A timestamp behind the last packet of ours, and before the next.
    fn timestamp_between(&self, packet: &Packet<'_>, format: &Format) -> u32 {
        let timestamp = packet.timestamp.wrapping_add(self.moved.ticks);
        let Some(last) = self.last else { return timestamp };
        let behind = timestamp.wrapping_sub(last.timestamp).cast_signed();
        last.timestamp.wrapping_add(behind.clamp(1, packet_ticks(format) as i32 - 1).cast_unsigned())
    }

    fn timestamp_of_sound(&mut self, packet: &Packet<'_>, number: u16, is_next: bool, format: &Format) -> u32 {
        let came_with = packet.timestamp;
        let Some(last) = self.last else { return came_with };
        let ticks = packet_ticks(format);
        // How much later than just behind what left last.
        let spare = |timestamp: u32| timestamp.wrapping_sub(last.timestamp.wrapping_add(ticks)).cast_signed();
        if self.moved.ticks != 0 && is_next && spare(came_with) >= 0 {
            self.move_by(0, number);
        }
        let leaves_with = came_with.wrapping_add(self.moved.ticks);
        if last.by != By::Sender && spare(leaves_with) < 0 {
            self.move_by(last.timestamp.wrapping_add(ticks).wrapping_sub(came_with), number);
        }
        came_with.wrapping_add(self.moved.ticks)
    }

    const fn move_by(&mut self, ticks: u32, since: u16) {
        self.moved = Moved { ticks, since, before: self.moved.ticks };
    }

    /// Keeps what a packet of the sender's leaves with.
    fn leave(&mut self, now_ns: u64, packet: &Packet<'_>, kind: Kind, leaves: Leaves, is_next: bool, format: &Format) {
        let Leaves { placed: Placed { number, leaves_as: sequence, .. }, timestamp } = leaves;
        let packet_ns = packet_ns(format);
        let hz = format.codec.clock().hz();
        let is_sound = matches!(kind, Kind::Sound | Kind::Other);
        let at_ns = if kind == Kind::Event {
            now_ns
        } else {
            self.pace.note(now_ns, packet.timestamp, hz, is_next && is_sound)
        };
        let overdue_ns = self.pace.span_ns(packet_ns).max(packet_ns) + OVERDUE_NS;
        let here = Left {
            ssrc: packet.ssrc,
            sequence,
            timestamp,
            at_ns,
            next_ns: at_ns + if kind == Kind::ComfortNoise { 2 * packet_ns } else { overdue_ns },
            by: By::Sender,
            number,
            number_timestamp: timestamp,
        };
        let Left { number_timestamp, .. } = here;
        self.last = Some(match (self.last, kind) {
            (Some(last), Kind::ComfortNoise) if last.by == (By::Us { goes_on: true }) => {
                Left { sequence, number, number_timestamp, ..last }
            }
            (Some(last), Kind::Event) => {
                let by = if last.by == By::Sender { By::Sender } else { By::Us { goes_on: false } };
                let next_ns = last.next_ns.max(here.next_ns);
                Left { sequence, next_ns, by, number, number_timestamp, ..last }
            }
            _ => here,
        });
    }
}

impl Left {
    /// What to go on from where the sender was never heard of.
    const fn invented(since_ns: u64, seed: u64) -> Self {
        Self {
            ssrc: (seed >> 32) as u32,
            sequence: (seed >> 16) as u16 & 0x7fff,
            timestamp: seed as u32,
            at_ns: since_ns,
            next_ns: since_ns + OVERDUE_NS,
            by: By::Sender,
            number: 0,
            number_timestamp: 0,
        }
    }
}

/// When a packet is slipped in where the sender was never heard of.
pub(super) const fn first_ns(since_ns: u64) -> u64 {
    since_ns + OVERDUE_NS
}

pub(super) fn packet_ns(format: &Format) -> u64 {
    u64::from(format.packet_ms) * 1_000_000
}

fn packet_ticks(format: &Format) -> u32 {
    format.codec.clock().hz() / 1000 * u32::from(format.packet_ms)
}
