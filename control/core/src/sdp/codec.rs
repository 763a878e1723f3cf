//! Formats of a media line, and the codecs that they stand for.

use std::ops::Range;

use super::edit::Piece;

/// A format of a media line.
#[derive(Clone, Debug)]
pub struct Format<'a> {
    /// Its payload type; `None` when it is no RTP format.
    pub payload_type: Option<u8>,
    /// What the payload type stands for: by its `a=rtpmap`, else by RFC 3551. `None` when nothing says so.
    pub codec: Option<Codec<'a>>,
    /// It, with what separates it from what stands before it.
    pub(super) span: Range<usize>,
}

/// A codec (RFC 8866 §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec<'a> {
    /// The encoding name, as it was written. Compare with [`is`](Self::is).
    pub name: &'a str,
    /// The rate of its RTP timestamps.
    pub clock_rate_hz: u32,
    /// How many channels, 1 unless it says otherwise.
    pub channels: u8,
}

/// RFC 3551, tables 4 and 5.
const STATIC: [(u8, Codec<'static>); 24] = [
    (0, Codec::new("PCMU", 8_000)),
    (3, Codec::new("GSM", 8_000)),
    (4, Codec::new("G723", 8_000)),
    (5, Codec::new("DVI4", 8_000)),
    (6, Codec::new("DVI4", 16_000)),
    (7, Codec::new("LPC", 8_000)),
    (8, Codec::new("PCMA", 8_000)),
    (9, Codec::new("G722", 8_000)),
    (10, Codec { channels: 2, ..Codec::new("L16", 44_100) }),
    (11, Codec::new("L16", 44_100)),
    (12, Codec::new("QCELP", 8_000)),
    (13, Codec::new("CN", 8_000)),
    (14, Codec::new("MPA", 90_000)),
    (15, Codec::new("G728", 8_000)),
    (16, Codec::new("DVI4", 11_025)),
    (17, Codec::new("DVI4", 22_050)),
    (18, Codec::new("G729", 8_000)),
    (25, Codec::new("CelB", 90_000)),
    (26, Codec::new("JPEG", 90_000)),
    (28, Codec::new("nv", 90_000)),
    (31, Codec::new("H261", 90_000)),
    (32, Codec::new("MPV", 90_000)),
    (33, Codec::new("MP2T", 90_000)),
    (34, Codec::new("H263", 90_000)),
];

impl<'a> Format<'a> {
    /// Reads a token of an RTP media line. `from` is where what stands before it ends.
    pub(super) fn rtp(token: Piece<'a>, from: usize) -> Self {
        let payload_type = token.number().filter(|number| *number < 128);
        Self { payload_type, codec: payload_type.and_then(Codec::of_payload_type), span: from..token.end() }
    }

    /// A token of any other media line.
    pub(super) fn other(token: Piece<'a>, from: usize) -> Self {
        Self { payload_type: None, codec: None, span: from..token.end() }
    }

    /// Whether it is a codec of this encoding name.
    pub fn is(&self, name: &str) -> bool {
        self.codec.is_some_and(|codec| codec.is(name))
    }

    /// Whether it accompanies a codec and carries no sound of its own: DTMF and comfort noise.
    pub fn is_companion(&self) -> bool {
        self.is("telephone-event") || self.is("CN")
    }
}

impl<'a> Codec<'a> {
    const fn new(name: &'a str, clock_rate_hz: u32) -> Self {
        Self { name, clock_rate_hz, channels: 1 }
    }

    /// What RFC 3551 assigns to a payload type.
    fn of_payload_type(payload_type: u8) -> Option<Self> {
        STATIC.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| *codec)
    }

    /// The payload type that RFC 3551 assigns to a codec, as `a=rtpmap` names it.
    pub fn assigned(rtpmap: &str) -> Option<u8> {
        let codec = Codec::read(Piece::whole(rtpmap.as_bytes()))?;
        let is_it = |known: &Codec<'_>| {
            known.is(codec.name) && (known.clock_rate_hz, known.channels) == (codec.clock_rate_hz, codec.channels)
        };
        STATIC.iter().find(|(_, known)| is_it(known)).map(|(number, _)| *number)
    }

    /// Reads the `opus/48000/2` of an `a=rtpmap`.
    pub(super) fn read(text: Piece<'a>) -> Option<Self> {
        let (name, rest) = text.split_once(b'/')?;
        let (rate, channels) = rest.split_once(b'/').map_or((rest, None), |(rate, channels)| (rate, Some(channels)));
        Some(Self {
            name: name.text()?,
            clock_rate_hz: rate.number().filter(|rate| *rate > 0)?,
            channels: channels.map_or(Some(1), Piece::number)?,
        })
    }

    /// Whether this is its encoding name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}
