//! RTP as the telephones send and read it.

use super::Side;

/// Samples, and octets, of a packet's sound: 20 ms of G.711.
const SOUND: usize = 160;
const HEADER: usize = 12;
/// A header extension (RFC 3550 §5.3.1) of two words: the time when it was sent.
const EXTENSION: usize = 4 + 8;
/// Bytes of a party's packet.
pub(super) const LENGTH: usize = HEADER + EXTENSION + SOUND;
/// The payload type of telephone events.
pub(in crate::mixer) const EVENT_TYPE: u8 = 101;

/// What each side says, over and over.
pub(super) const fn sound(side: Side) -> &'static [u8; SOUND] {
    // Of another loudness each, so that sums differ from all of them.
    static SOUNDS: [[u8; SOUND]; 3] = [waves(0x15), waves(0x25), waves(0x1d)];
    match side {
        Side::Caller => &SOUNDS[0],
        Side::Agent => &SOUNDS[1],
        Side::Supervisor => &SOUNDS[2],
    }
}

/// A square wave of 500 Hz.
const fn waves(octet: u8) -> [u8; SOUND] {
    let mut sound = [octet; SOUND];
    let mut at = 0;
    while at < SOUND {
        sound[at] |= if at / 8 % 2 == 1 { 0x80 } else { 0 };
        at += 1;
    }
    sound
}

/// A packet of a side's, whose numbers are still to be written.
pub(super) fn template(side: Side) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    packet[0] = 0x90;
    packet[HEADER..HEADER + 4].copy_from_slice(&[0xbe, 0xde, 0, 2]);
    packet[HEADER + EXTENSION..].copy_from_slice(sound(side));
    packet
}

/// Writes the numbers of a packet.
pub(super) fn number(packet: &mut [u8; LENGTH], turn: u64, ssrc: u32) {
    packet[2..4].copy_from_slice(&(turn as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(turn as u32).wrapping_mul(SOUND as u32).to_be_bytes());
    packet[8..HEADER].copy_from_slice(&ssrc.to_be_bytes());
}

/// Writes the time when it is sent.
pub(super) fn stamp(packet: &mut [u8; LENGTH], now_ns: u64) {
    packet[HEADER + 4..HEADER + EXTENSION].copy_from_slice(&now_ns.to_be_bytes());
}

/// The only packet of a key that was pressed for no longer than a packet lasts: begin and end in one (RFC 4733 §2.3).
/// Sent in the place of sound; its length.
pub(super) fn event(packet: &mut [u8; LENGTH], turn: u64, first: u64, ssrc: u32, event: u8) -> usize {
    number(packet, turn, ssrc);
    packet[0] = 0x80;
    packet[1] = EVENT_TYPE | u8::from(turn == first) << 7;
    // All packets of a key have its first one's time.
    packet[4..8].copy_from_slice(&(first as u32).wrapping_mul(SOUND as u32).to_be_bytes());
    let [high, low] = (SOUND as u16).to_be_bytes();
    packet[HEADER..HEADER + 4].copy_from_slice(&[event, 0x80 | 0x0a, high, low]);
    HEADER + 4
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrived<'a> {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// When it was sent, where it says so.
    pub(super) sent_ns: Option<u64>,
    pub(super) sound: &'a [u8],
}

impl<'a> Arrived<'a> {
    /// Reads a packet of RTP; RTCP comes with it (RFC 5761 §4).
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if (192..=223).contains(bytes.get(1)?) {
            return None;
        }
        let word = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
        let (sent_ns, start) = if first & 0x10 == 0 {
            (None, HEADER)
        } else {
            let stamp = bytes.get(HEADER + 4..).and_then(<[u8]>::first_chunk::<8>)?;
            (Some(u64::from_be_bytes(*stamp)), HEADER + EXTENSION)
        };
        Some(Self {
            sequence: u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]),
            timestamp: u32::from_be_bytes(*word(4)?),
            sent_ns,
            sound: bytes.get(start..)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rtp_rs::RtpReader;

    use super::*;

    #[test]
    fn a_packet_says_when_it_was_sent_and_nothing_else_in_its_sound() {
        let mut packet = template(Side::Agent);
        number(&mut packet, 70_000, 7);
        stamp(&mut packet, 123_456_789_000);
        let reader = RtpReader::new(&packet).unwrap();
        assert_eq!((reader.ssrc(), reader.timestamp(), reader.payload_type()), (7, 70_000 * 160, 0));
        assert_eq!(reader.payload(), sound(Side::Agent));
        let arrived = Arrived::read(&packet).unwrap();
        assert_eq!((arrived.sent_ns, arrived.sequence), (Some(123_456_789_000), 4_464));
        assert_eq!(arrived.sound, sound(Side::Agent));
    }

    #[test]
    fn a_key_is_an_event_that_ends() {
        let mut packet = template(Side::Supervisor);
        let length = event(&mut packet, 5, 5, 9, 3);
        let reader = RtpReader::new(&packet[..length]).unwrap();
        assert_eq!(
            (reader.payload_type(), reader.mark(), reader.payload()),
            (EVENT_TYPE, true, &[3, 0x8a, 0, 160][..])
        );
        assert_eq!(Arrived::read(&packet[..3]), None);
    }

    #[test]
    fn a_report_is_no_sound() {
        let mut report = [0; LENGTH];
        report[..2].copy_from_slice(&[0x80, 200]);
        assert_eq!(Arrived::read(&report), None);
    }

    #[test]
    fn each_side_says_something_else() {
        let [caller, agent, supervisor] = Side::ALL.map(sound);
        assert!(caller != agent && agent != supervisor && supervisor != caller);
    }
}
