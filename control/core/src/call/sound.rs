//! What the sound of a call is made of, as its parties have agreed.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use undertone_core::mixer::{Codec, Format};

use crate::sdp::{MediaKind, MediaLine};

/// Codecs of one description that are remembered: the most wanted.
const CODECS: usize = 4;
/// Milliseconds of sound in a packet where nothing is said (RFC 3551 §4.2).
const PACKET_MS: u16 = 20;

/// What of a media line the mixer can do something with: what its party wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "KeptHeard", into = "KeptHeard")]
pub(super) struct Heard {
    pub(super) is_sound: bool,
    /// Whether only the parties can read it.
    is_secret: bool,
    codecs: [Known; CODECS],
    telephone_event: Number,
    comfort_noise: Number,
    packet_ms: u8,
}

/// A payload type, or none: a byte, for there are two of these for every line of every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(u8);

impl Number {
    const NONE: Self = Self(u8::MAX);

    const fn get(self) -> Option<u8> {
        if self.0 < 128 { Some(self.0) } else { None }
    }
}

impl Default for Number {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<Option<u8>> for Number {
    fn from(number: Option<u8>) -> Self {
        number.map_or(Self::NONE, Self)
    }
}

/// A codec with its payload type: its place among all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    number: Number,
    place: u8,
}

impl Known {
    fn new(number: u8, codec: Codec) -> Self {
        let place = Codec::ALL.into_iter().position(|other| other == codec).unwrap_or_default();
        Self { number: Number(number), place: place as u8 }
    }

    fn get(self) -> Option<(u8, Codec)> {
        Some((self.number.get()?, *Codec::ALL.get(usize::from(self.place))?))
    }
}

const _: () = assert!(size_of::<Heard>() <= 16);

impl Heard {
    pub(super) fn of(line: &MediaLine<'_>) -> Self {
        let mut heard = Self {
            is_sound: line.kind == MediaKind::Audio,
            is_secret: line.transport.is_encrypted_rtp(),
            packet_ms: line.ptime_ms.unwrap_or(PACKET_MS).clamp(10, 60) as u8 / 10 * 10,
            ..Self::default()
        };
        let mut places = 0..CODECS;
        for format in &line.formats {
            let (Some(number), Some(codec)) = (format.payload_type, format.codec) else { continue };
            if codec.is("telephone-event") {
                heard.telephone_event = heard.telephone_event.get().or(Some(number)).into();
            } else if codec.is("CN") {
                heard.comfort_noise = heard.comfort_noise.get().or(Some(number)).into();
            } else if let Some(codec) = Codec::of(codec.name, codec.clock_rate_hz, codec.channels)
                && let Some(place) = places.next().and_then(|place| heard.codecs.get_mut(place))
            {
                *place = Known::new(number, codec);
            }
        }
        heard
    }

    fn codecs(&self) -> impl Iterator<Item = (u8, Codec)> {
        self.codecs.into_iter().filter_map(Known::get)
    }
}

/// What one party of a call sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundStream {
    /// The media port that it comes to.
    pub at: SocketAddr,
    /// What the party itself wants to hear.
    pub(super) said: Heard,
    /// What the other one wants to hear.
    pub(super) heard: Heard,
}

impl SoundStream {
    /// Whether only the parties can read it.
    pub const fn is_secret(&self) -> bool {
        self.said.is_secret || self.heard.is_secret
    }

    /// What payload types of its sound stand for.
    pub fn codecs(&self) -> impl Iterator<Item = (u8, Codec)> {
        self.heard.codecs()
    }

    /// How its packets are to be read, where the mixer can. `payload_type`: that of the last packet, if one has come; else it
    /// is the first codec that both parties want.
    pub fn format(&self, payload_type: Option<u8>) -> Option<Format> {
        let wanted = |codec: Codec| self.said.codecs().any(|(_, other)| other == codec);
        let seen = payload_type.and_then(|number| self.heard.codecs().find(|(other, _)| *other == number));
        let (payload_type, codec) = seen.or_else(|| self.heard.codecs().find(|(_, codec)| wanted(*codec)))?;
        Some(Format {
            codec,
            payload_type,
            telephone_event: self.heard.telephone_event.get(),
            comfort_noise: self.heard.comfort_noise.get(),
            packet_ms: self.heard.packet_ms.max(10),
        })
    }
}

/// The same as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
struct KeptHeard {
    sound: bool,
    secret: bool,
    /// Payload types, and what their `a=rtpmap` says.
    codecs: Vec<(u8, String)>,
    telephone_event: Option<u8>,
    comfort_noise: Option<u8>,
    packet_ms: u8,
}

impl From<Heard> for KeptHeard {
    fn from(heard: Heard) -> Self {
        Self {
            sound: heard.is_sound,
            secret: heard.is_secret,
            codecs: heard.codecs().map(|(number, codec)| (number, codec.rtpmap().to_owned())).collect(),
            telephone_event: heard.telephone_event.get(),
            comfort_noise: heard.comfort_noise.get(),
            packet_ms: heard.packet_ms,
        }
    }
}

impl From<KeptHeard> for Heard {
    fn from(kept: KeptHeard) -> Self {
        let mut codecs = [Known::default(); CODECS];
        for (place, (number, rtpmap)) in codecs.iter_mut().zip(kept.codecs) {
            let codec = Codec::ALL.into_iter().find(|codec| codec.rtpmap() == rtpmap);
            *place = codec.map_or(Known::default(), |codec| Known::new(number, codec));
        }
        Self {
            is_sound: kept.sound,
            is_secret: kept.secret,
            codecs,
            telephone_event: kept.telephone_event.into(),
            comfort_noise: kept.comfort_noise.into(),
            packet_ms: kept.packet_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use undertone_core::mixer::SampleRate;

    use super::*;
    use crate::sdp::Sdp;

    fn heard(description: &str) -> Heard {
        Heard::of(&Sdp::parse(description.as_bytes()).unwrap().media()[0])
    }

    #[test]
    fn a_stream_is_read_as_its_hearer_has_numbered_it() {
        let caller = heard(
            "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 18 96 0 101\r\na=rtpmap:96 L16/16000\r\na=rtpmap:101 telephone-event/8000\r\n",
        );
        let callee =
            heard("c=IN IP4 192.0.2.2\r\nm=audio 4000 RTP/AVP 0 97\r\na=rtpmap:97 L16/16000\r\na=ptime:30\r\n");
        let at = SocketAddr::from(([192, 0, 2, 9], 20_000));
        let stream = SoundStream { at, said: caller, heard: callee };
        let first = stream.format(None).unwrap();
        assert_eq!((first.codec, first.payload_type, first.packet_ms), (Codec::Pcmu, 0, 30));
        let wide = stream.format(Some(97)).unwrap();
        assert_eq!((wide.codec, wide.payload_type), (Codec::L16(SampleRate::Hz16000), 97));
        let back = SoundStream { at, said: callee, heard: caller };
        assert_eq!(back.format(None).unwrap().payload_type, 96);
        assert_eq!(back.format(None).unwrap().telephone_event, Some(101));
        assert!(!stream.is_secret());
    }

    #[test]
    fn what_is_not_known_or_not_to_be_read_is_no_format() {
        let fax = heard("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 18\r\n");
        let at = SocketAddr::from(([192, 0, 2, 9], 20_000));
        assert_eq!(SoundStream { at, said: fax, heard: fax }.format(Some(18)), None);
        let secret = heard("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 0\r\n");
        assert!(SoundStream { at, said: secret, heard: secret }.is_secret());
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let line = "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 8 9 96 101 13\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n";
        let heard = heard(line);
        let text = serde_json::to_string(&heard).unwrap();
        assert_eq!(serde_json::from_str::<Heard>(&text).unwrap(), heard);
    }
}
