//! RTP packets that say when they were sent.
//!
//! The time stands in a header extension (RFC 8285, one-byte form), so that the payload is what the codec made of the
//! sound. Who does not know the extension skips it (RFC 3550 §5.3.1).

use std::{fs, sync::LazyLock};

use nix::time::{ClockId, clock_gettime};
use rtp_rs::{RtpPacketBuilder, RtpReader};

use super::{Codec, sound::FRAME};

/// The one-byte form.
const PROFILE: u16 = 0xbede;
/// Element 1, of twelve bytes.
const ELEMENT: u8 = 0x1b;

/// Tells clocks of different machines apart: monotonic time means something only since the same boot.
static CLOCK: LazyLock<u32> = LazyLock::new(|| {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u32::from_str_radix(boot.get(..8).unwrap_or_default(), 16).unwrap_or_else(|_| std::process::id())
});

/// Nanoseconds on the clock that every process of this machine sees.
pub(super) fn now_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// The numbering of a stream that is sent.
#[derive(Debug)]
pub(super) struct Numbering {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Which packet of the sound comes next.
    pub(super) frame: usize,
}

impl Numbering {
    /// From anywhere on (RFC 3550 §5.1), as `seed` says.
    pub(super) const fn new(seed: u64) -> Self {
        Self { ssrc: (seed >> 32) as u32, sequence: seed as u16 & 0x7fff, timestamp: seed as u32, frame: 0 }
    }

    /// The next packet, sent at `now_ns`.
    pub(super) fn next(&mut self, codec: Codec, payload: &[u8], now_ns: u64) -> Vec<u8> {
        let mut extension = [0; 16];
        extension[0] = ELEMENT;
        extension[1..5].copy_from_slice(&CLOCK.to_be_bytes());
        extension[5..13].copy_from_slice(&now_ns.to_be_bytes());
        let packet = RtpPacketBuilder::new()
            .payload_type(codec.payload_type())
            .marked(self.frame == 0)
            .sequence(self.sequence.into())
            .timestamp(self.timestamp)
            .ssrc(self.ssrc)
            .extension(PROFILE, &extension)
            .payload(payload)
            .build();
        self.frame += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        // Seven bits of payload type and four words of extension: such a packet can be built.
        packet.unwrap_or_default()
    }
}

/// What is read of a packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// When it was sent, on our own clock; `None` when it does not say, or comes from another machine.
    pub(super) sent_ns: Option<u64>,
}

impl Arrived {
    /// Reads a packet; `None` when it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let packet = RtpReader::new(bytes).ok()?;
        let sent_ns = packet.extension().and_then(|(profile, extension)| sent(profile, extension));
        let sequence = packet.sequence_number().into();
        Some(Self { ssrc: packet.ssrc(), sequence, timestamp: packet.timestamp(), sent_ns })
    }
}

fn sent(profile: u16, extension: &[u8]) -> Option<u64> {
    let (&element, rest) = extension.split_first()?;
    let (clock, rest) = rest.split_first_chunk()?;
    let is_ours = profile == PROFILE && element == ELEMENT && u32::from_be_bytes(*clock) == *CLOCK;
    is_ours.then(|| rest.first_chunk().map(|time| u64::from_be_bytes(*time)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_when_it_was_sent() {
        let mut numbering = Numbering::new(0x0102_0304_ffff_ffff);
        let first = numbering.next(Codec::Pcma, &[7; FRAME], 5);
        let second = numbering.next(Codec::Pcma, &[7; FRAME], 20_000_005);
        assert_eq!((first.len(), &first[..4]), (12 + 20 + FRAME, &[0x90, 0x88, 0x7f, 0xff][..]));
        let read = |bytes: &[u8]| Arrived::read(bytes).unwrap();
        let sent_ns = Some(5);
        assert_eq!(read(&first), Arrived { ssrc: 0x0102_0304, sequence: 0x7fff, timestamp: u32::MAX, sent_ns });
        let sent_ns = Some(20_000_005);
        assert_eq!(read(&second), Arrived { ssrc: 0x0102_0304, sequence: 0x8000, timestamp: 159, sent_ns });
    }

    #[test]
    fn other_clocks_and_other_packets_say_nothing() {
        let mut packet = Numbering::new(0).next(Codec::Pcmu, &[0; FRAME], 5);
        packet[17] ^= 1;
        assert_eq!(Arrived::read(&packet).unwrap().sent_ns, None);
        assert_eq!(Arrived::read(&packet[..20]), None);
        assert_eq!(Arrived::read(b""), None);
    }
}
