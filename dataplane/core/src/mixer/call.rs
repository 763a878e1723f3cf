//! A call that is monitored: two streams, one from each party.

use undertone_abi::RowIndex;

use super::{CallKey, Format, Person, bench::Bench, codec::CodecError, line::Line, packet::Packet, splice::Splice};

/// Which of the two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The monitored one.
    Agent,
    /// The other one.
    Caller,
}

impl Party {
    /// Both, in the order in which they are kept.
    pub const BOTH: [Self; 2] = [Self::Agent, Self::Caller];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Agent => Self::Caller,
            Self::Caller => Self::Agent,
        }
    }

    /// As one of those who take part.
    pub const fn person(self) -> Person {
        match self {
            Self::Agent => Person::Agent,
            Self::Caller => Person::Caller,
        }
    }

    /// Its place among two: the agent stands first.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What one party sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// The media port that it comes to.
    pub row: RowIndex,
    /// How its packets are to be read; `None` for a codec that the mixer does not know, which nobody hears.
    pub format: Option<Format>,
    /// What the data plane adds to its sequence numbers: packets that were slipped in before.
    pub sequence_offset: u16,
}

/// A call.
pub(super) struct Call {
    pub(super) key: CallKey,
    /// What the agent sends, and what the caller sends.
    pub(super) streams: [Stream; 2],
    /// Who monitors it.
    pub(super) sessions: Vec<usize>,
    /// Whether the agent and whether the caller hear the consent tone.
    pub(super) consent: [bool; 2],
}

/// What one party sends.
pub(super) struct Stream {
    pub(super) row: RowIndex,
    /// What supervisors hear of it.
    pub(super) tap: Option<Line>,
    /// What is added to it on its way to the other party.
    pub(super) splice: Option<Splice>,
    format: Option<Format>,
    /// The payload type of its last packet, where that is none of the format's, and whether that was told.
    other: Option<(u8, bool)>,
}

impl Stream {
    pub(super) fn new(spec: &StreamSpec) -> Result<Self, CodecError> {
        Ok(Self {
            row: spec.row,
            tap: spec.format.map(Line::new).transpose()?,
            splice: spec.format.map(|format| Splice::new(format, spec.sequence_offset)),
            format: spec.format,
            other: None,
        })
    }

    /// Its packets are to be read in another way, as its tap and its splice know already.
    pub(super) const fn set_format(&mut self, format: Format) {
        (self.format, self.other) = (Some(format), None);
    }

    /// Whether it has to come by: something is added to it, or was a moment ago.
    pub(super) fn is_led(&self) -> bool {
        self.splice.as_ref().is_some_and(Splice::is_led)
    }

    /// Hears a copy of a packet. True when the party has begun to send a payload type that is none of the format's: two packets
    /// in a row have it, for one alone may be a stray.
    pub(super) fn hear(&mut self, now_ns: u64, bytes: &[u8], bench: &mut Bench) -> bool {
        let Some(packet) = Packet::read(bytes) else { return false };
        if let Some(tap) = &mut self.tap {
            if let Some(splice) = &mut self.splice {
                splice.note(now_ns, &packet, tap);
            }
            tap.receive(now_ns, &packet, &mut bench.scratch);
        }
        let number = packet.payload_type;
        if self.format.is_some_and(|format| format.has(number)) {
            self.other = None;
            return false;
        }
        let before = self.other.filter(|(other, _)| *other == number);
        self.other = Some((number, before.is_some()));
        before.is_some_and(|(_, is_told)| !is_told)
    }
}

impl Call {
    pub(super) const fn stream_mut(&mut self, party: Party) -> &mut Stream {
        let [agent, caller] = &mut self.streams;
        match party {
            Party::Agent => agent,
            Party::Caller => caller,
        }
    }

    pub(super) const fn stream(&self, party: Party) -> &Stream {
        let [agent, caller] = &self.streams;
        match party {
            Party::Agent => agent,
            Party::Caller => caller,
        }
    }
}
