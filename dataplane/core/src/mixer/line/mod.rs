//! A stream that is listened to: packets in, sound by position out.
//!
//! A [`Line`] puts packets in order and decodes them as early as it can. Who wants to hear has a [`Reader`], which decides
//! how long to wait: when it comes to sound that is not there, what is missing is concealed, and what follows is heard
//! later by as much. So a line has no timer, and its delay is no longer than the network makes it.

mod arrivals;
mod interpolate;
mod order;
mod reader;
mod ring;
#[cfg(test)]
mod tests;

pub(super) use self::reader::Reader;
use self::{arrivals::Arrivals, order::Order, ring::Ring};
use super::{
    Format, SampleRate,
    codec::{CodecError, Decoder, SAMPLES_MAX},
    packet::Packet,
};

/// A step of the sequence number beyond this is a sender that has begun anew (RFC 3550 A.1).
const DROPOUT_MAX: u16 = 3000;
/// Packets from this far behind are late and not anew.
const MISORDER_MAX: u16 = 100;
/// How long a source has to be silent before another one is heard in its place, in nanoseconds.
const RIVAL_AFTER_NS: u64 = 100_000_000;
/// A pause in timestamps that is heard as one, in milliseconds; a longer one is a clock that has jumped.
const PAUSE_MS_MAX: usize = 1000;
/// What is put in front of sound that comes late after a silence, in milliseconds.
const HEADWAY_MS: usize = 10;
/// Concealment beyond this is silence, in milliseconds.
const CONCEALED_MS_MAX: usize = 120;

/// Packets that are known to have been given up.
const GIVEN_UP: usize = 16;

/// Where sound is decoded to.
pub(super) type Scratch = [i16; SAMPLES_MAX];

/// A stream that is listened to.
pub(super) struct Line {
    format: Format,
    decoder: Decoder,
    ring: Ring,
    order: Order,
    arrivals: Arrivals,
    /// Numbers of packets that were not waited for any longer.
    given_up: [Option<u16>; GIVEN_UP],
    stream: Option<Stream>,
    /// Another source, and the sequence number that it would go on with.
    rival: Option<(u32, u16)>,
    /// Samples at the head that nobody sent.
    dry: usize,
    counts: Counts,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that are heard.
    pub heard: u64,
    /// Packets that came when their time was over, or twice.
    pub late: u64,
    /// Packets of another source.
    pub rival: u64,
    /// Packets that could not be decoded.
    pub bad: u64,
    /// Samples that were made up for packets that did not come in time.
    pub concealed: u64,
}

/// The source that is heard.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    /// The sequence number that is missing.
    next: u16,
    /// A timestamp, and the sample that it is.
    timestamp: u32,
    position: u64,
    heard_ns: u64,
}

impl Line {
    pub(super) fn new(format: Format) -> Result<Self, CodecError> {
        Ok(Self {
            format,
            decoder: Decoder::new(format.codec)?,
            ring: Ring::new(format.codec.rate()),
            order: Order::default(),
            arrivals: Arrivals::default(),
            given_up: [None; GIVEN_UP],
            stream: None,
            rival: None,
            dry: 0,
            counts: Counts::default(),
        })
    }

    /// The rate of its samples.
    pub(super) const fn rate(&self) -> SampleRate {
        self.format.codec.rate()
    }

    /// What decodes it, as it is after all that was heard.
    pub(super) const fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Whether the packet is the one that follows on what was heard.
    pub(super) fn expects(&self, packet: &Packet<'_>) -> bool {
        self.stream.is_some_and(|stream| stream.ssrc == packet.ssrc && stream.next == packet.sequence)
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// When the source was last heard of.
    pub(super) fn heard_ns(&self) -> Option<u64> {
        self.stream.map(|stream| stream.heard_ns)
    }

    /// The stream goes on with another codec or other payload types.
    pub(super) fn set_format(&mut self, format: Format) -> Result<(), CodecError> {
        if format.codec.rate() != self.rate() {
            *self = Self { counts: self.counts, ..Self::new(format)? };
        } else if format.codec != self.format.codec {
            // Who hears it goes on from where it is.
            self.decoder = Decoder::new(format.codec)?;
            self.order.clear();
        }
        self.format = format;
        Ok(())
    }

    /// Takes a packet in. False when it is not of the source that is heard.
    pub(super) fn receive(&mut self, now_ns: u64, packet: &Packet<'_>, scratch: &mut Scratch) -> bool {
        let Some(stream) = self.source(now_ns, packet) else {
            self.counts.rival += 1;
            return false;
        };
        self.stream = Some(Stream { heard_ns: now_ns, ..stream });
        let ahead = packet.sequence.wrapping_sub(stream.next);
        if ahead == 0 {
            self.take(packet, scratch);
            self.drain(scratch);
            self.note_arrival(now_ns, &self.stream.unwrap_or(stream), packet);
        } else if ahead < MISORDER_MAX.wrapping_neg() && self.hold(packet, scratch) {
            self.note_arrival(now_ns, &stream, packet);
        } else {
            self.counts.late += 1;
            self.note_late(now_ns, &stream, packet);
        }
        true
    }

    /// The source that a packet is of, if it is heard: the one before, or one in its place.
    fn source(&mut self, now_ns: u64, packet: &Packet<'_>) -> Option<Stream> {
        let anew = Stream {
            ssrc: packet.ssrc,
            next: packet.sequence,
            timestamp: packet.timestamp,
            position: self.ring.head(),
            heard_ns: now_ns,
        };
        let Some(stream) = self.stream else { return Some(anew) };
        let step = packet.sequence.wrapping_sub(stream.next);
        let is_near = step <= DROPOUT_MAX || step >= MISORDER_MAX.wrapping_neg();
        if stream.ssrc == packet.ssrc && is_near {
            self.rival = None;
            return Some(stream);
        }
        // Two packets in a row: one alone may be a stray (RFC 3550 A.1).
        let is_second = self.rival == Some((packet.ssrc, packet.sequence));
        self.rival = Some((packet.ssrc, packet.sequence.wrapping_add(1)));
        let is_free = stream.ssrc == packet.ssrc || now_ns.saturating_sub(stream.heard_ns) >= RIVAL_AFTER_NS;
        if !is_second || !is_free {
            return None;
        }
        self.rival = None;
        self.order.clear();
        // A decoder of the stream before will do for the moment that it takes to find its way.
        if let Ok(decoder) = Decoder::new(self.format.codec) {
            self.decoder = decoder;
        }
        Some(anew)
    }

    /// Lets a packet wait for those before it; when too many do, no longer.
    fn hold(&mut self, packet: &Packet<'_>, scratch: &mut Scratch) -> bool {
        if self.order.is_full() {
            self.reach(self.ring.head() + 1, scratch);
        }
        self.order.hold(packet.sequence, packet.timestamp, self.sound(packet))
    }

    /// What of a packet is sound: nothing where it is of telephone events or comfort noise, whose time is silence.
    fn sound<'a>(&self, packet: &Packet<'a>) -> &'a [u8] {
        if packet.payload_type == self.format.payload_type { packet.payload } else { &[] }
    }

    /// A packet that was given up tells how much longer to wait for the next; one that came twice tells nothing.
    fn note_late(&mut self, now_ns: u64, stream: &Stream, packet: &Packet<'_>) {
        if let Some(place) = self.given_up.iter_mut().find(|number| **number == Some(packet.sequence)) {
            *place = None;
            self.note_arrival(now_ns, stream, packet);
        }
    }

    /// A packet of sound tells how long packets take. What is none does not: all of a telephone event have the timestamp of
    /// its beginning.
    fn note_arrival(&mut self, now_ns: u64, stream: &Stream, packet: &Packet<'_>) {
        if !self.sound(packet).is_empty() {
            self.arrivals.note(self.position(stream, packet.timestamp), now_ns);
        }
    }

    fn take(&mut self, packet: &Packet<'_>, scratch: &mut Scratch) {
        self.place(packet.sequence, packet.timestamp, self.sound(packet), scratch);
    }

    /// Takes the packets that have waited for the one that came.
    fn drain(&mut self, scratch: &mut Scratch) {
        while let Some(stream) = self.stream
            && let Some(held) = self.order.take(stream.next)
        {
            self.place(held.sequence, held.timestamp, &held.payload, scratch);
            self.order.give_back(held);
        }
    }

    /// Decodes the packet that is next, and puts it where its timestamp says, or at the head where that is over.
    fn place(&mut self, sequence: u16, timestamp: u32, sound: &[u8], scratch: &mut Scratch) {
        let Some(mut stream) = self.stream else { return };
        stream.next = sequence.wrapping_add(1);
        self.stream = Some(stream);
        if sound.is_empty() {
            return;
        }
        let Ok(length) = self.decoder.decode(sound, scratch) else {
            self.counts.bad += 1;
            return;
        };
        self.counts.heard += 1;
        let pause = self.position(&stream, timestamp).saturating_sub(self.ring.head());
        let audible = self.rate().samples(CONCEALED_MS_MAX);
        if pause == 0 && self.dry >= audible {
            // Who comes late after a silence may as well come a little later, and then be in time.
            self.ring.push_silence(self.rate().samples(HEADWAY_MS));
        } else if pause <= self.rate().samples(PAUSE_MS_MAX) as u64 {
            self.ring.push_silence(pause as usize);
        }
        let position = self.ring.head();
        self.ring.push(scratch.get(..length).unwrap_or_default());
        self.dry = 0;
        self.stream = Some(Stream { timestamp, position, ..stream });
    }

    /// The sample that a timestamp is.
    fn position(&self, stream: &Stream, timestamp: u32) -> u64 {
        let factor = self.rate().hz() / self.format.codec.clock().hz();
        let ticks = timestamp.wrapping_sub(stream.timestamp) as i32;
        stream.position.saturating_add_signed(i64::from(ticks) * i64::from(factor))
    }

    /// Whether there has been a source.
    const fn has_begun(&self) -> bool {
        self.stream.is_some()
    }

    /// Makes sound until this position: of packets that wait, and for those that did not come.
    fn reach(&mut self, until: u64, scratch: &mut Scratch) {
        while self.ring.head() < until
            && let Some(stream) = self.stream
        {
            let Some((sequence, timestamp)) = self.order.first(stream.next) else {
                let missing = (until - self.ring.head()) as usize;
                return self.conceal(missing, scratch);
            };
            let missing = self.position(&stream, timestamp).saturating_sub(self.ring.head());
            self.conceal((missing as usize).min(self.rate().samples(PAUSE_MS_MAX)), scratch);
            self.give_up(stream.next, sequence);
            self.stream = Some(Stream { next: sequence, ..stream });
            self.drain(scratch);
        }
    }

    /// Waits no longer for the packets from `first` on, as far as before `next`.
    fn give_up(&mut self, first: u16, next: u16) {
        for offset in 0..next.wrapping_sub(first).min(GIVEN_UP as u16) {
            let number = first.wrapping_add(offset);
            if let Some(place) = self.given_up.get_mut(number as usize % GIVEN_UP) {
                *place = Some(number);
            }
        }
    }

    /// Makes up so many samples.
    fn conceal(&mut self, count: usize, scratch: &mut Scratch) {
        let mut left = count;
        while left > 0 {
            let (audible, part) = (self.rate().samples(CONCEALED_MS_MAX), left.min(scratch.len()));
            let sound = scratch.get_mut(..part).unwrap_or_default();
            if self.dry < audible {
                self.decoder.conceal(sound);
            } else {
                sound.fill(0);
            }
            self.ring.push(sound);
            self.counts.concealed += part as u64;
            self.dry += part;
            left -= part;
        }
    }
}
