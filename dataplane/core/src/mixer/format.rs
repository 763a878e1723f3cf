//! How a stream's payloads are to be read.

use undertone_abi::Clock;

/// The rate of linear samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SampleRate {
    /// 8,000 a second: narrow band.
    Hz8000,
    /// 16,000 a second: wide band.
    Hz16000,
    /// 48,000 a second: full band.
    Hz48000,
}

impl SampleRate {
    /// Every rate.
    pub const ALL: [Self; 3] = [Self::Hz8000, Self::Hz16000, Self::Hz48000];

    /// Samples per second.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// Samples in so many milliseconds.
    pub const fn samples(self, ms: usize) -> usize {
        self.hz() as usize / 1000 * ms
    }
}

/// A codec that the mixer decodes and encodes. All are of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s, whose RTP clock is half its sample rate (RFC 3551 §4.5.2).
    G722,
    /// Linear samples of 16 bits in network byte order (RFC 3551 §4.5.11).
    L16(SampleRate),
    /// Opus (RFC 6716, RFC 7587).
    Opus,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 7] = [
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
        Self::L16(SampleRate::Hz8000),
        Self::L16(SampleRate::Hz16000),
        Self::L16(SampleRate::Hz48000),
        Self::Opus,
    ];

    /// The codec of an encoding name and RTP clock rate (RFC 8866 §6.6), if it is one of these.
    pub fn of(name: &str, clock_rate_hz: u32, channels: u8) -> Option<Self> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        Some(match (clock_rate_hz, channels) {
            (8_000, 1) if is("PCMU") => Self::Pcmu,
            (8_000, 1) if is("PCMA") => Self::Pcma,
            (8_000, 1) if is("G722") => Self::G722,
            (_, 1) if is("L16") => Self::L16(SampleRate::ALL.into_iter().find(|rate| rate.hz() == clock_rate_hz)?),
            // Always written as two channels, whatever is sent (RFC 7587 §7).
            (48_000, 2) if is("opus") => Self::Opus,
            _ => return None,
        })
    }

    /// The name and the rest of its `a=rtpmap`.
    pub const fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::G722 => "G722/8000",
            Self::L16(SampleRate::Hz8000) => "L16/8000",
            Self::L16(SampleRate::Hz16000) => "L16/16000",
            Self::L16(SampleRate::Hz48000) => "L16/48000",
            Self::Opus => "opus/48000/2",
        }
    }

    /// The rate of what it decodes to.
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma => SampleRate::Hz8000,
            Self::G722 => SampleRate::Hz16000,
            Self::L16(rate) => rate,
            Self::Opus => SampleRate::Hz48000,
        }
    }

    /// The rate of its RTP timestamps.
    pub const fn clock(self) -> Clock {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16(SampleRate::Hz8000) => Clock::Hz8000,
            Self::L16(SampleRate::Hz16000) => Clock::Hz16000,
            Self::L16(SampleRate::Hz48000) | Self::Opus => Clock::Hz48000,
        }
    }
}

/// What the payload types of one stream stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The codec of its sound.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone events (RFC 4733), where it has one.
    pub telephone_event: Option<u8>,
    /// The payload type of comfort noise (RFC 3389), where it has one.
    pub comfort_noise: Option<u8>,
    /// Milliseconds of sound in a packet: 10 to 60.
    pub packet_ms: u8,
}

impl Format {
    /// Whether packets of a payload type are to be expected.
    pub fn has(&self, payload_type: u8) -> bool {
        let number = Some(payload_type);
        payload_type == self.payload_type || number == self.telephone_event || number == self.comfort_noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_known_by_what_its_rtpmap_says() {
        for codec in Codec::ALL {
            let mut parts = codec.rtpmap().split('/');
            let name = parts.next().unwrap();
            let clock = parts.next().unwrap().parse().unwrap();
            let channels = parts.next().map_or(1, |channels| channels.parse().unwrap());
            assert_eq!(Codec::of(&name.to_uppercase(), clock, channels), Some(codec));
            assert_eq!(clock, codec.clock().hz());
        }
        assert_eq!(Codec::of("G729", 8_000, 1), None);
        assert_eq!(Codec::of("L16", 44_100, 1), None);
        assert_eq!(Codec::of("L16", 8_000, 2), None);
    }
}
