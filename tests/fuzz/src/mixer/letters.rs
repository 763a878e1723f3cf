//! RTP that no telephone sends.

use arbitrary::Arbitrary;

use super::{EVENT, NOISE, OTHER, SOUND};

/// A packet with a header, and with whatever in it.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub(super) struct Letter {
    kind: u8,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    source: u8,
    length: u16,
    fill: u8,
}

/// Longer than anything that comes from a network.
const LENGTH_MAX: u16 = 3_000;

impl Letter {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let payload_type = [SOUND, EVENT, NOISE, OTHER, self.kind & 0x7f][usize::from(self.kind % 5)];
        let ssrc = u32::from(self.source % 4) << 8;
        let header = [u8::from(self.marker) << 7 | payload_type];
        let mut bytes = [&[0x80][..], &header, &self.sequence.to_be_bytes(), &self.timestamp.to_be_bytes()].concat();
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend(noise(self.length % LENGTH_MAX, self.fill));
        bytes
    }
}

/// So many octets, the same for the same `fill`.
pub(super) fn noise(length: u16, fill: u8) -> impl Iterator<Item = u8> {
    (0..length).map(move |at| if fill < 64 { fill } else { (at.wrapping_mul(u16::from(fill)) >> 3) as u8 })
}
