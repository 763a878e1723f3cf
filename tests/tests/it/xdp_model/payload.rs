//! What a datagram carries, as a sender would describe it.

/// A UDP payload.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Payload {
    /// RTP, RFC 3550, section 5.1.
    Rtp(Rtp),
    /// RTCP, RFC 3550, section 6.
    Rtcp {
        /// The packet type: 192 to 223, else it is something else.
        kind: u8,
        /// Words behind the first, as the header has it.
        words: u16,
        /// Bytes that are there.
        length: u8,
    },
    /// Anything that begins with this byte: STUN, DTLS, ZRTP and others by RFC 7983.
    Other {
        /// The first byte.
        first: u8,
        /// Bytes in all.
        length: u8,
    },
    /// No byte at all.
    Empty,
}

/// An RTP packet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rtp {
    /// The marker bit.
    pub(super) marker: bool,
    /// 0 to 127.
    pub(super) payload_type: u8,
    /// Its place in the stream.
    pub(super) sequence: u16,
    /// The synchronisation source.
    pub(super) ssrc: u32,
    /// Contributing sources, up to 15.
    pub(super) contributing: u8,
    /// Words of a header extension.
    pub(super) extension: Option<u8>,
    /// Bytes of padding, their count included.
    pub(super) padding: Option<u8>,
    /// Bytes of media.
    pub(super) media: u16,
}

impl Payload {
    /// The bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Rtp(rtp) => rtp.bytes(),
            Self::Rtcp { kind, words, length } => {
                let mut bytes = vec![0x81, *kind];
                bytes.extend(words.to_be_bytes());
                bytes.extend((0..*length).map(|byte| byte.wrapping_mul(29)));
                bytes
            }
            Self::Other { first, length } => {
                let mut bytes = vec![*first];
                bytes.extend((1..*length).map(|byte| byte.wrapping_mul(31)));
                bytes
            }
            Self::Empty => Vec::new(),
        }
    }
}

impl Rtp {
    /// Audio of 20 ms.
    pub(super) fn plain(sequence: u16, ssrc: u32) -> Self {
        Self {
            marker: false,
            payload_type: 0,
            sequence,
            ssrc,
            contributing: 0,
            extension: None,
            padding: None,
            media: 160,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let first =
            0x80 | flag(self.padding.is_some(), 0x20) | flag(self.extension.is_some(), 0x10) | self.contributing;
        let mut bytes = vec![first, flag(self.marker, 0x80) | self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend((160 * u32::from(self.sequence)).to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend((0..self.contributing).flat_map(|source| [0xc5, 0xcc, 0, source]));
        if let Some(words) = self.extension {
            bytes.extend([0xbe, 0xde, 0, words]);
            bytes.extend((0..words).flat_map(|word| [0xe0, word, 1, 2]));
        }
        bytes.extend((0..self.media).map(|sample| (sample * 7 + self.sequence % 251) as u8));
        if let Some(count @ 1..) = self.padding {
            bytes.extend(std::iter::repeat_n(0, count as usize - 1));
            bytes.push(count);
        }
        bytes
    }
}
