//! What the two ends of a call of ours have agreed on.

use std::net::SocketAddr;

use undertone_core::{Dscp, Policy, mixer::Format};

/// The media of a call of our own, as the mixer is to handle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLeg {
    /// Where media comes to.
    pub local: SocketAddr,
    /// Where it goes; `None` where the other end has never said so, and then nothing is sent.
    pub remote: Option<SocketAddr>,
    /// Where RTCP goes; `remote` where it is muxed.
    pub remote_rtcp: Option<SocketAddr>,
    /// What is sent, by the payload types that the other end gave.
    pub format: Format,
    /// What comes, by the payload types that we gave. Another one than `format` only where we have made the offer and the
    /// other end took other numbers for its answer.
    pub arriving: Format,
    /// How the other end wants Opus (RFC 7587 §7); what is not said where it is another codec.
    pub opus: OpusWishes,
    /// Whether we may send.
    pub sends: bool,
    /// Whether the other end sends.
    pub receives: bool,
    /// Whether RTCP comes and goes on the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
    /// The code point of what is sent.
    pub dscp: Option<Dscp>,
    /// Who may teach the port its source.
    pub learn: Policy,
}

/// What an `a=fmtp` of Opus says to the encoder at the far end (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusWishes {
    /// Whether forward error correction is of use (`useinbandfec`).
    pub inband_fec: bool,
    /// Whether silence may go unsent (`usedtx`).
    pub dtx: bool,
    /// Whether the bit rate is to be constant (`cbr`).
    pub constant_rate: bool,
    /// Bits a second at most (`maxaveragebitrate`, 6,000 to 510,000).
    pub bitrate_max: Option<u32>,
    /// Samples a second beyond which sound is wasted (`maxplaybackrate`, 8,000 to 48,000).
    pub playback_hz: u32,
}

impl Default for OpusWishes {
    fn default() -> Self {
        Self { inband_fec: false, dtx: false, constant_rate: false, bitrate_max: None, playback_hz: 48_000 }
    }
}

impl OpusWishes {
    /// Reads what stands behind the payload type. What is out of bounds, or not to be read, is as if it did not stand there.
    pub(super) fn read(parameters: &[u8]) -> Self {
        let mut wishes = Self::default();
        for parameter in parameters.split(|byte| *byte == b';') {
            let mut halves = parameter.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
            let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
            let number = || std::str::from_utf8(value).ok()?.parse::<u32>().ok();
            if name.eq_ignore_ascii_case(b"useinbandfec") {
                wishes.inband_fec = value == b"1";
            } else if name.eq_ignore_ascii_case(b"usedtx") {
                wishes.dtx = value == b"1";
            } else if name.eq_ignore_ascii_case(b"cbr") {
                wishes.constant_rate = value == b"1";
            } else if name.eq_ignore_ascii_case(b"maxaveragebitrate") {
                wishes.bitrate_max = number().filter(|rate| (6_000..=510_000).contains(rate));
            } else if name.eq_ignore_ascii_case(b"maxplaybackrate") {
                wishes.playback_hz = number().filter(|hz| (8_000..=48_000).contains(hz)).unwrap_or(48_000);
            }
        }
        wishes
    }
}
