//! What was to be added to packets that have not come yet.
//!
//! A voice goes on while packets of its stream are missing. One that comes late gets its own part; one that does not come
//! takes it along, and is concealed by whoever hears.

use crate::mixer::{Format, codec::PACKET_MS_MAX};

/// Packets that may be missing at a time.
pub(super) const MISSING_MAX: u16 = 3;

/// Sums of voices, by their packets.
#[derive(Debug)]
pub(super) struct Stash {
    parts: [Part; MISSING_MAX as usize],
    /// The part that is taken next.
    next: usize,
}

#[derive(Debug)]
struct Part {
    number: Option<u16>,
    length: usize,
    sum: Box<[i32]>,
}

impl Stash {
    /// Room for packets of a format.
    pub(super) fn new(format: &Format) -> Self {
        let length = format.codec.rate().samples(usize::from(format.packet_ms).min(PACKET_MS_MAX));
        let part = || Part { number: None, length: 0, sum: vec![0; length].into() };
        Self { parts: [part(), part(), part()], next: 0 }
    }

    /// Keeps a packet's sum; one that is longer than packets were said to be is not kept.
    pub(super) fn keep(&mut self, number: u16, sum: &[i32]) {
        let Some(part) = self.parts.get_mut(self.next) else { return };
        let Some(place) = part.sum.get_mut(..sum.len()) else { return };
        place.copy_from_slice(sum);
        (part.number, part.length) = (Some(number), sum.len());
        self.next = (self.next + 1) % self.parts.len();
    }

    /// The sum for a packet, once.
    pub(super) fn take(&mut self, number: u16) -> Option<&[i32]> {
        let part = self.parts.iter_mut().find(|part| part.number == Some(number))?;
        part.number = None;
        part.sum.get(..part.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::Codec;

    #[test]
    fn a_packet_gets_its_own_part_and_once() {
        let format =
            Format { codec: Codec::Pcmu, payload_type: 0, telephone_event: None, comfort_noise: None, packet_ms: 10 };
        let mut stash = Stash::new(&format);
        for number in 1..=4 {
            stash.keep(number, &[i32::from(number); 80]);
        }
        stash.keep(9, &[9; 81]);
        assert_eq!(stash.take(1), None, "the oldest made room");
        assert_eq!(stash.take(3), Some(&[3; 80][..]));
        assert_eq!(stash.take(3), None);
        assert_eq!(stash.take(9), None);
    }
}
