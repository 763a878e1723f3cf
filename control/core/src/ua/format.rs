//! Codecs and payload types of media lines.

use undertone_core::mixer::{Codec, Format};

use super::{OpusWishes, Order};
use crate::sdp::{self, MediaLine, Sdp};

/// Milliseconds of sound in a packet where nobody says how many (RFC 3551 §4.2).
const PACKET_MS: u16 = 20;
/// The fewest and the most that are sent.
const PACKET_MS_RANGE: [u16; 2] = [10, 60];

/// Bytes of linear samples in a packet at most.
const LINEAR_BYTES: usize = 1_400;

/// The payload type that most give to telephone events of 8,000 Hz.
const EVENT: u8 = 101;

/// What a media line says of the codec that is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    pub(super) format: Format,
    /// The clock of its telephone events.
    pub(super) event_hz: u32,
    pub(super) opus: OpusWishes,
}

/// Which codec a format is, of those of the mixer.
pub(super) fn codec_of(format: &sdp::Format<'_>) -> Option<(Codec, u8)> {
    let payload_type = format.payload_type?;
    let known = format.codec.filter(|_| !format.is_companion())?;
    Some((Codec::of(known.name, known.clock_rate_hz, known.channels)?, payload_type))
}

/// The codec that both speak: of the codecs of a line that are among `ours`, the first in the order that decides.
pub(super) fn choose(line: &MediaLine<'_>, ours: &[Codec], order: Order) -> Option<(Codec, u8)> {
    let rank = |codec: &Codec| ours.iter().position(|known| known == codec);
    let mut spoken = line.formats.iter().filter_map(codec_of).filter(|(codec, _)| rank(codec).is_some());
    match order {
        Order::Theirs => spoken.next(),
        Order::Ours => spoken.min_by_key(|(codec, _)| rank(codec)),
    }
}

/// All that a line says of a codec of it.
pub(super) fn read(sdp: &Sdp<'_>, line: &MediaLine<'_>, (codec, payload_type): (Codec, u8)) -> Spoken {
    let clock_hz = codec.clock().hz();
    let companion = |name: &str, hz: u32| {
        let is_it =
            |format: &&sdp::Format<'_>| format.is(name) && format.codec.is_some_and(|codec| codec.clock_rate_hz == hz);
        line.formats.iter().find(is_it)?.payload_type
    };
    // On the clock of the codec (RFC 4733 §2.1), else on what there is: phones that speak Opus have events of 8,000 Hz alone
    // often enough.
    let events = [clock_hz, 8_000, 16_000, 48_000].map(|hz| (companion("telephone-event", hz), hz));
    let (telephone_event, event_hz) = events.into_iter().find(|(event, _)| event.is_some()).unwrap_or((None, clock_hz));
    let format = Format {
        codec,
        payload_type,
        telephone_event,
        comfort_noise: companion("CN", clock_hz),
        packet_ms: packet_ms(sdp, line, codec),
    };
    let parameters = sdp.values(line, "fmtp").find_map(|value| {
        let at = value.iter().position(u8::is_ascii_whitespace)?;
        let (number, parameters) = value.split_at_checked(at)?;
        let number: u8 = std::str::from_utf8(number).ok()?.parse().ok()?;
        (number == payload_type).then_some(parameters)
    });
    let opus = if codec == Codec::Opus { parameters } else { None };
    Spoken { format, event_hz, opus: opus.map(OpusWishes::read).unwrap_or_default() }
}

/// Milliseconds of sound in a packet that is sent to who wrote a line: as it asks, within what it takes and we make.
fn packet_ms(sdp: &Sdp<'_>, line: &MediaLine<'_>, codec: Codec) -> u8 {
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u16>().ok();
    let most = sdp.values(line, "maxptime").find_map(number).unwrap_or(u16::MAX);
    let [least, longest] = PACKET_MS_RANGE;
    let wanted = line.ptime_ms.unwrap_or(PACKET_MS).min(most).clamp(least, longest) as u8;
    match codec {
        // Its frames are of these lengths (RFC 6716 §2.1.4).
        Codec::Opus => [60, 40, 20].into_iter().find(|frame| *frame <= wanted).unwrap_or(10),
        // No longer than what any network takes in one piece.
        Codec::L16(rate) => (wanted / 10 * 10).min((LINEAR_BYTES / rate.samples(10) / 2 * 10) as u8),
        _ => wanted / 10 * 10,
    }
}

/// The payload types of an offer of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbering {
    /// Codecs, the most wanted first.
    pub(super) codecs: Vec<(Codec, u8)>,
    /// Telephone events, by their clocks.
    pub(super) events: Vec<(u32, u8)>,
    /// Comfort noise, of the clock of the first codec: only where there was some before.
    pub(super) comfort_noise: Option<u8>,
}

impl Numbering {
    /// What is `spoken` already, with telephone events of this clock: it alone.
    pub(super) fn of(spoken: &Format, event_hz: u32) -> Self {
        Self {
            codecs: vec![(spoken.codec, spoken.payload_type)],
            events: spoken.telephone_event.map(|number| (event_hz, number)).into_iter().collect(),
            comfort_noise: spoken.comfort_noise,
        }
    }

    /// The same with all the other `codecs`, and events of each clock. What stands for something in a session stands for
    /// nothing else (RFC 3264 §8.3.2).
    pub(super) fn with(mut self, codecs: &[Codec]) -> Self {
        let (spoken, events) = (self.codecs.iter().map(|it| it.1), self.events.iter().map(|it| it.1));
        let taken: Vec<u8> = spoken.chain(events).chain(self.comfort_noise).collect();
        let is_free = |number: &u8| !taken.contains(number);
        let mut free = (96..=127).filter(is_free).filter(|number| *number != EVENT);
        for codec in codecs {
            if self.codecs.iter().all(|(known, _)| known != codec) {
                let number = sdp::Codec::assigned(codec.rtpmap()).filter(is_free).or_else(|| free.next());
                self.codecs.extend(number.map(|number| (*codec, number)));
            }
        }
        for (codec, _) in &self.codecs {
            let hz = codec.clock().hz();
            if self.events.iter().all(|(known, _)| *known != hz) {
                let usual = Some(EVENT).filter(|number| hz == 8_000 && is_free(number));
                self.events.extend(usual.or_else(|| free.next()).map(|number| (hz, number)));
            }
        }
        self
    }

    /// What of the offer an answer's line takes: our numbers for it, and theirs.
    pub(super) fn agree(&self, sdp: &Sdp<'_>, line: &MediaLine<'_>) -> Option<(Format, Spoken)> {
        let (codec, theirs, ours) = line.formats.iter().find_map(|format| {
            let theirs = format.payload_type?;
            let by_name = codec_of(format).and_then(|(codec, _)| self.codecs.iter().find(|(known, _)| *known == codec));
            // Some leave out what a number stands for that they were given.
            let by_number = || self.codecs.iter().find(|(_, ours)| *ours == theirs && format.codec.is_none());
            let (codec, ours) = by_name.or_else(by_number)?;
            Some((*codec, theirs, *ours))
        })?;
        let spoken = read(sdp, line, (codec, theirs));
        let event = self.events.iter().find(|(hz, _)| *hz == spoken.event_hz).map(|(_, number)| *number);
        let arriving = Format {
            payload_type: ours,
            telephone_event: spoken.format.telephone_event.and(event),
            comfort_noise: spoken.format.comfort_noise.and(self.comfort_noise),
            ..spoken.format
        };
        Some((arriving, spoken))
    }
}
