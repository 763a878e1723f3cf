//! Opus (RFC 6716) by the reference library.

use opus::{Application, Bandwidth, Bitrate, Channels};

use super::{CodecError, OPUS_PACKET_MS_MAX};
use crate::mixer::format::{Codec, SampleRate};

const RATE: SampleRate = Codec::Opus.rate();
/// Samples of the shortest frame, 2.5 ms, of which the library conceals whole numbers.
const FRAME_MIN: usize = RATE.samples(5) / 2;
/// Samples of the longest packet.
const PACKET_MAX: usize = RATE.samples(OPUS_PACKET_MS_MAX);
/// The most octets of a frame (RFC 6716 §3.2.1), with its table of contents. What we encode is far from it.
const FRAME_OCTETS_MAX: usize = 1_276;

/// Turns packets into samples at 48 kHz, of one channel whatever they have.
pub(super) struct Decoder(opus::Decoder);

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        opus::Decoder::new(RATE.hz(), Channels::Mono).map(Self).map_err(|_| CodecError::Memory)
    }

    pub(super) fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        // The library takes an empty payload for a loss.
        if payload.is_empty() {
            return Err(CodecError::Length(0));
        }
        let samples = self.0.get_nb_samples(payload).map_err(|_| CodecError::Opus)?;
        let pcm = pcm.get_mut(..samples).ok_or(CodecError::Room(samples))?;
        self.0.decode(payload, pcm, false).map_err(|_| CodecError::Opus)
    }

    pub(super) fn conceal(&mut self, pcm: &mut [i16]) {
        self.fill(&[], pcm);
    }

    pub(super) fn conceal_before(&mut self, next: &[u8], pcm: &mut [i16]) {
        self.fill(next, pcm);
    }

    /// Fills `pcm` with whole shortest frames, and cuts the last where they do not fit.
    fn fill(&mut self, next: &[u8], pcm: &mut [i16]) {
        for part in pcm.chunks_mut(PACKET_MAX) {
            let mut frames = [0; PACKET_MAX];
            let whole = part.len().next_multiple_of(FRAME_MIN);
            // What the library cannot conceal stays silent: it refuses packets, never lengths of its own frames.
            let _ = self.0.decode(next, &mut frames[..whole], !next.is_empty());
            part.copy_from_slice(&frames[..part.len()]);
        }
    }
}

/// Turns samples at 48 kHz into packets of one channel.
pub(super) struct Encoder(opus::Encoder);

/// The transform codec alone, with the bits of G.711: a quarter of the time that the speech codec takes at half of them,
/// 2.5 ms of delay instead of 6.5, and a little better by ITU-T P.862.2.
const APPLICATION: Application = Application::LowDelay;
const BITRATE: i32 = 64_000;
const COMPLEXITY: i32 = 0;

impl Encoder {
    pub(super) fn new(packet_ms: u8) -> Result<Self, CodecError> {
        if packed(RATE.samples(packet_ms.into())).is_none() {
            return Err(CodecError::PacketTime(packet_ms));
        }
        let mut library = opus::Encoder::new(RATE.hz(), Channels::Mono, APPLICATION).map_err(|_| CodecError::Memory)?;
        let settings = [
            library.set_bitrate(Bitrate::Bits(BITRATE)),
            library.set_complexity(COMPLEXITY),
            library.set_bandwidth(Bandwidth::Fullband),
        ];
        if settings.iter().any(Result::is_err) {
            return Err(CodecError::Memory);
        }
        Ok(Self(library))
    }

    pub(super) fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let (frame, frames) = packed(pcm.len()).ok_or(CodecError::Length(pcm.len()))?;
        let most = FRAME_OCTETS_MAX * frames;
        if payload.len() < most {
            return Err(CodecError::Room(most));
        }
        if frames == 1 {
            return self.0.encode(pcm, payload).map_err(|_| CodecError::Opus);
        }
        self.encode_several(pcm, frame, frames, payload)
    }

    /// A packet of several frames of different lengths (RFC 6716 §3.2.5). They have their table of contents in common:
    /// the mode and the band are fixed.
    fn encode_several(
        &mut self,
        pcm: &[i16],
        frame: usize,
        frames: usize,
        payload: &mut [u8],
    ) -> Result<usize, CodecError> {
        let mut octets = [0; FRAME_OCTETS_MAX * FRAMES_MAX];
        let mut end = 0;
        let mut head = 0;
        let mut lengths = 0;
        for (at, pcm) in pcm.chunks_exact(frame).enumerate() {
            let mut packet = [0; FRAME_OCTETS_MAX];
            let len = self.0.encode(pcm, &mut packet).map_err(|_| CodecError::Opus)?;
            head = packet[0];
            octets[end..end + len - 1].copy_from_slice(&packet[1..len]);
            end += len - 1;
            // The last frame is what remains.
            if at + 1 < frames {
                lengths += write_length(len - 1, &mut payload[2 + lengths..]);
            }
        }
        payload[0] = head | CODE_SEVERAL;
        payload[1] = VARIABLE | frames as u8;
        let begin = 2 + lengths;
        payload[begin..begin + end].copy_from_slice(&octets[..end]);
        Ok(begin + end)
    }
}

/// Samples of a frame, and how many frames a packet of so many samples has: 2.5, 5, 10, 20, 40 or 60 ms in one, 30 and 50 ms
/// in tens.
const fn packed(samples: usize) -> Option<(usize, usize)> {
    const TEN: usize = RATE.samples(10);
    match samples {
        120 | 240 | 480 | 960 | 1_920 | 2_880 => Some((samples, 1)),
        1_440 | 2_400 => Some((TEN, samples / TEN)),
        _ => None,
    }
}

/// The most frames that a packet of ours has: 50 ms in tens.
const FRAMES_MAX: usize = 5;
/// The code of packets with any number of frames, and the mark of their different lengths.
const CODE_SEVERAL: u8 = 3;
const VARIABLE: u8 = 0x80;

/// One octet, or two from 252 on (RFC 6716 §3.2.1).
fn write_length(len: usize, to: &mut [u8]) -> usize {
    if len < 252 {
        to[0] = len as u8;
        return 1;
    }
    to[0] = 252 + (len & 3) as u8;
    to[1] = ((len - usize::from(to[0])) >> 2) as u8;
    2
}
