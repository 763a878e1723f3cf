//! Payloads into linear samples and back, without an allocation per packet.

mod g722;
mod opus;

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

use super::format::{Codec, SampleRate};
use super::plc::Concealer;

/// The longest packet of a codec other than Opus, in milliseconds.
pub const PACKET_MS_MAX: usize = 60;

/// The longest Opus packet, in milliseconds (RFC 6716 §2).
pub const OPUS_PACKET_MS_MAX: usize = 120;

/// The most samples of a packet: 120 ms at 48 kHz.
pub const SAMPLES_MAX: usize = SampleRate::Hz48000.samples(OPUS_PACKET_MS_MAX);

/// The most octets that an encoder makes of one packet, and wants room for: an Opus packet of 50 ms is five frames.
pub const PAYLOAD_MAX: usize = 5 * 1_276;
const _: () = assert!(PAYLOAD_MAX >= 2 * SampleRate::Hz48000.samples(PACKET_MS_MAX), "linear samples at 48 kHz fit");

/// Why a payload is not decoded, or samples are not encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No packet of the codec is so long: octets of a payload, or samples of a packet.
    #[error("{0} octets or samples are no packet of this codec")]
    Length(usize),
    /// The room given is too small for what is so long.
    #[error("the result takes room for {0}")]
    Room(usize),
    /// The codec makes no packets of so many milliseconds.
    #[error("the codec has no packets of {0} ms")]
    PacketTime(u8),
    /// Octets that are no Opus packet.
    #[error("malformed Opus packet")]
    Opus,
    /// The Opus library has no memory for a codec.
    #[error("no memory for an Opus codec")]
    Memory,
}

/// Turns one stream's payloads into samples at its codec's rate.
pub struct Decoder {
    codec: Codec,
    state: Decoding,
}

enum Decoding {
    /// A codec whose octets each stand for themselves.
    Plain(Concealer),
    G722(Box<g722::Decoder>, Concealer),
    Opus(opus::Decoder),
}

impl Decoder {
    /// A decoder at the start of a stream. The only error is that of memory, and only for Opus.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let concealer = || Concealer::new(codec.rate());
        let state = match codec {
            Codec::Pcmu | Codec::Pcma | Codec::L16(_) => Decoding::Plain(concealer()),
            Codec::G722 => Decoding::G722(Box::new(g722::Decoder::new()), concealer()),
            Codec::Opus => Decoding::Opus(opus::Decoder::new()?),
        };
        Ok(Self { codec, state })
    }

    /// What it decodes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Decodes a payload into `pcm` and tells how many samples it was: up to [`PACKET_MS_MAX`], or [`OPUS_PACKET_MS_MAX`].
    /// After an error nothing has changed, and the packet is as good as lost.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        let (samples, concealer) = match &mut self.state {
            Decoding::Plain(concealer) => (decode_plain(self.codec, payload, pcm)?, concealer),
            Decoding::G722(decoder, concealer) => (decoder.decode(payload, pcm)?, concealer),
            Decoding::Opus(decoder) => return decoder.decode(payload, pcm),
        };
        concealer.heard(&mut pcm[..samples]);
        Ok(samples)
    }

    /// Fills `pcm` with what might have been in packets that are lost. The next payload is joined to it softly.
    pub fn conceal(&mut self, pcm: &mut [i16]) {
        match &mut self.state {
            Decoding::Plain(concealer) | Decoding::G722(_, concealer) => concealer.conceal(pcm),
            Decoding::Opus(decoder) => decoder.conceal(pcm),
        }
    }

    /// Fills `pcm` with the lost packet that came before `next`, which is to be decoded after this. An Opus packet may
    /// carry a rough copy of its predecessor (RFC 6716 §2.1.7); all else is [`Decoder::conceal`].
    pub fn conceal_before(&mut self, next: &[u8], pcm: &mut [i16]) {
        match &mut self.state {
            Decoding::Opus(decoder) => decoder.conceal_before(next, pcm),
            _ => self.conceal(pcm),
        }
    }

    /// A second decoder that stands where this one does, but for Opus, whose state cannot be copied. What this one has
    /// concealed is nothing to the second.
    pub fn fork(&self) -> Option<Self> {
        let state = match &self.state {
            Decoding::Plain(concealer) => Decoding::Plain(concealer.without_gap()),
            Decoding::G722(decoder, concealer) => Decoding::G722(decoder.clone(), concealer.without_gap()),
            Decoding::Opus(_) => return None,
        };
        Some(Self { codec: self.codec, state })
    }
}

/// Turns samples at a codec's rate into payloads of one stream.
pub struct Encoder {
    codec: Codec,
    state: Encoding,
}

enum Encoding {
    Plain,
    G722(Box<g722::Encoder>),
    Opus(opus::Encoder),
}

impl Encoder {
    /// An encoder at the start of a stream of packets of 10 to 60 ms, in whole tens.
    pub fn new(codec: Codec, packet_ms: u8) -> Result<Self, CodecError> {
        if !packet_ms.is_multiple_of(10) || !(10..=PACKET_MS_MAX).contains(&usize::from(packet_ms)) {
            return Err(CodecError::PacketTime(packet_ms));
        }
        let state = match codec {
            Codec::Pcmu | Codec::Pcma | Codec::L16(_) => Encoding::Plain,
            Codec::G722 => Encoding::G722(Box::new(g722::Encoder::new())),
            Codec::Opus => Encoding::Opus(opus::Encoder::new(packet_ms)?),
        };
        Ok(Self { codec, state })
    }

    /// What it encodes to.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Encodes a packet and tells how many octets it is. Opus takes packets of 2.5, 5, 10, 20, 30, 40, 50 and 60
    /// ms, whatever [`Encoder::new`] was given; the others take any up to [`PACKET_MS_MAX`].
    pub fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        match &mut self.state {
            Encoding::Plain => encode_plain(self.codec, pcm, payload),
            Encoding::G722(encoder) => encoder.encode(pcm, payload),
            Encoding::Opus(encoder) => encoder.encode(pcm, payload),
        }
    }

    /// Goes on with the stream that `base` decodes: what is encoded next is heard by somebody who has decoded the same
    /// packets as `base`, and no click is to be heard. To be called before `base` decodes the first packet that is
    /// replaced. Only G.722 has a state that matters here.
    pub fn follow(&mut self, base: &Decoder) {
        if let (Encoding::G722(encoder), Decoding::G722(base, _)) = (&mut self.state, &base.state) {
            encoder.follow(base);
        }
    }

    /// Encodes `mixed` in the place of `original`, which `base` has just decoded to `pcm`; what was added to `pcm` may
    /// be nothing. Where nothing was added, the octets stay those of `original`: of G.711 and L16 always, of G.722
    /// while [`Encoder::in_step`]. G.722 adds no delay to the stream, and 1.4 ms to what is added. An Opus packet is
    /// encoded anew, with the delay of its encoder.
    pub fn encode_onto(
        &mut self,
        base: &Decoder,
        original: &[u8],
        pcm: &[i16],
        mixed: &[i16],
        payload: &mut [u8],
    ) -> Result<usize, CodecError> {
        match (&mut self.state, &base.state) {
            (Encoding::Plain, Decoding::Plain(_)) if self.codec == base.codec => {
                let octets = encode_plain(self.codec, mixed, payload)?;
                if original.len() != octets || pcm.len() != mixed.len() {
                    return Err(CodecError::Length(original.len()));
                }
                let of_sample = octets / mixed.len();
                let places = payload.chunks_exact_mut(of_sample).zip(original.chunks_exact(of_sample));
                for ((place, original), _) in places.zip(mixed.iter().zip(pcm)).filter(|(_, (mixed, pcm))| mixed == pcm)
                {
                    place.copy_from_slice(original);
                }
                Ok(octets)
            }
            (Encoding::G722(encoder), Decoding::G722(base, _)) => {
                encoder.encode_onto(base, original, pcm, mixed, payload)
            }
            _ => self.encode(mixed, payload),
        }
    }

    /// Whether the followed stream may be given back to its sender unheard: what the sender sends next means the same
    /// to those who decoded this encoder's packets as to those who decoded the sender's. Always for G.711 and L16, never
    /// for Opus; for G.722 it is so until something is added, and seldom again after.
    pub fn in_step(&self) -> bool {
        match &self.state {
            Encoding::Plain => true,
            Encoding::G722(encoder) => encoder.in_step(),
            Encoding::Opus(_) => false,
        }
    }
}

/// Octets and samples of a packet of so many of either, if it is not longer than a packet may be.
fn sized(codec: Codec, length: usize, samples: usize) -> Result<usize, CodecError> {
    let most = codec.rate().samples(PACKET_MS_MAX);
    if samples == 0 || samples > most { Err(CodecError::Length(length)) } else { Ok(samples) }
}

fn decode_plain(codec: Codec, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
    let samples = match codec {
        Codec::L16(_) if !payload.len().is_multiple_of(2) => return Err(CodecError::Length(payload.len())),
        Codec::L16(_) => payload.len() / 2,
        _ => payload.len(),
    };
    let samples = sized(codec, payload.len(), samples)?;
    let pcm = pcm.get_mut(..samples).ok_or(CodecError::Room(samples))?;
    match codec {
        Codec::Pcmu => pcm.iter_mut().zip(payload).for_each(|(sample, &octet)| *sample = decode_ulaw(octet)),
        Codec::Pcma => pcm.iter_mut().zip(payload).for_each(|(sample, &octet)| *sample = decode_alaw(octet)),
        _ => {
            let pairs = payload.as_chunks::<2>().0;
            pcm.iter_mut().zip(pairs).for_each(|(sample, &octets)| *sample = i16::from_be_bytes(octets));
        }
    }
    Ok(samples)
}

fn encode_plain(codec: Codec, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
    let samples = sized(codec, pcm.len(), pcm.len())?;
    let octets = if matches!(codec, Codec::L16(_)) { 2 * samples } else { samples };
    let payload = payload.get_mut(..octets).ok_or(CodecError::Room(octets))?;
    match codec {
        Codec::Pcmu => payload.iter_mut().zip(pcm).for_each(|(octet, &sample)| *octet = encode_ulaw(sample)),
        Codec::Pcma => payload.iter_mut().zip(pcm).for_each(|(octet, &sample)| *octet = encode_alaw(sample)),
        _ => {
            let pairs = payload.as_chunks_mut::<2>().0;
            pairs.iter_mut().zip(pcm).for_each(|(octets, &sample)| *octets = sample.to_be_bytes());
        }
    }
    Ok(octets)
}

#[cfg(test)]
mod tests;
