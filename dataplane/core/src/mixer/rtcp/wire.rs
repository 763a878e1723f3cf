//! Reports as they stand in packets (RFC 3550 §6.4 and §6.5).

const VERSION: u8 = 0x80;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
/// Octets of what stands before the blocks, of a sender's time and counts, and of a block.
const HEAD: usize = 8;
const SENDER: usize = 20;
const BLOCK: usize = 24;
/// The item of a description that names who sends.
const CNAME: u8 = 1;
/// Octets of our name: hexadecimal digits.
const NAME: usize = 16;

/// What is said of a stream that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Whose.
    pub(super) ssrc: u32,
    pub(super) lost_256ths: u8,
    /// 24 bits with a sign.
    pub(super) lost: i32,
    pub(super) highest: u32,
    /// In units of the stream's clock.
    pub(super) jitter: u32,
    /// The middle of the time in its last report, and how long that has been here, in 65,536ths of a second.
    pub(super) last: u32,
    pub(super) since: u32,
}

/// What a sender says of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) time: u64,
    pub(super) timestamp: u32,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

/// One packet of several that came together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report<'a> {
    kind: u8,
    count: u8,
    /// All behind the first four octets.
    rest: &'a [u8],
}

/// The packets of a datagram, as far as they can be read.
pub(super) fn packets(mut bytes: &[u8]) -> impl Iterator<Item = Report<'_>> {
    std::iter::from_fn(move || {
        let [first, kind, long, short, ..] = *bytes else { return None };
        let length = 4 * usize::from(u16::from_be_bytes([long, short]));
        let rest = bytes.get(4..4 + length).filter(|_| first & 0xc0 == VERSION)?;
        bytes = bytes.get(4 + length..)?;
        Some(Report { kind, count: first & 0x1f, rest })
    })
}

impl<'a> Report<'a> {
    /// The middle of a sender's time.
    pub(super) fn sender_time(&self) -> Option<u32> {
        let time = self.rest.get(6..10).filter(|_| self.kind == SENDER_REPORT)?;
        time.try_into().ok().map(u32::from_be_bytes)
    }

    /// What it says of streams.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block> + use<'a> {
        let skipped = match self.kind {
            SENDER_REPORT => Some(4 + SENDER),
            RECEIVER_REPORT => Some(4),
            _ => None,
        };
        let blocks = skipped.and_then(|skipped| self.rest.get(skipped..)).unwrap_or_default();
        blocks.as_chunks::<BLOCK>().0.iter().take(self.count.into()).map(Block::read)
    }
}

impl Block {
    fn read(bytes: &[u8; BLOCK]) -> Self {
        let [mut ssrc, mut lost, mut highest, mut jitter, mut last, mut since] = [0; 6];
        let places = [&mut ssrc, &mut lost, &mut highest, &mut jitter, &mut last, &mut since];
        for (place, word) in places.into_iter().zip(bytes.as_chunks::<4>().0) {
            *place = u32::from_be_bytes(*word);
        }
        // The sign is the highest of 24 bits.
        Self {
            ssrc,
            lost_256ths: (lost >> 24) as u8,
            lost: (lost << 8).cast_signed() >> 8,
            highest,
            jitter,
            last,
            since,
        }
    }

    fn words(&self) -> [u32; 6] {
        let lost = u32::from(self.lost_256ths) << 24 | self.lost.cast_unsigned() & 0xff_ffff;
        [self.ssrc, lost, self.highest, self.jitter, self.last, self.since]
    }
}

/// Writes a report and who it is from: its length, where there is room.
pub(super) fn write(
    out: &mut [u8],
    ssrc: u32,
    sender: Option<Sender>,
    block: Option<Block>,
    name: u64,
) -> Option<usize> {
    let mut room = out.iter_mut();
    let mut length = 0;
    let mut put = |bytes: &[u8]| {
        for byte in bytes {
            *room.next()? = *byte;
            length += 1;
        }
        Some(())
    };
    let (sent, blocks) = (if sender.is_some() { SENDER } else { 0 }, u8::from(block.is_some()));
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let words = (HEAD + sent + BLOCK * usize::from(blocks)) / 4 - 1;
    put(&[VERSION | blocks, kind])?;
    put(&(words as u16).to_be_bytes())?;
    put(&ssrc.to_be_bytes())?;
    if let Some(Sender { time, timestamp, packets, octets }) = sender {
        put(&time.to_be_bytes())?;
        [timestamp, packets, octets].iter().try_for_each(|word| put(&word.to_be_bytes()))?;
    }
    if let Some(block) = block {
        block.words().iter().try_for_each(|word| put(&word.to_be_bytes()))?;
    }
    // One chunk: source, item with its length, and zeros up to a whole word, of which there is always one.
    let item = 2 + NAME;
    let padding = 4 - item % 4;
    put(&[VERSION | 1, DESCRIPTION])?;
    put(&(((4 + item + padding) / 4) as u16).to_be_bytes())?;
    put(&ssrc.to_be_bytes())?;
    put(&[CNAME, NAME as u8])?;
    for at in (0..NAME).rev() {
        let digit = (name >> (4 * at) & 0xf) as u8;
        put(&[if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }])?;
    }
    put(&[0; 4][..padding])?;
    Some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SENT: Sender = Sender { time: 0x0102_0304_0506_0708, timestamp: 160, packets: 3, octets: 480 };
    const SEEN: Block = Block { ssrc: 9, lost_256ths: 25, lost: -3, highest: 65_540, jitter: 12, last: 5, since: 6 };

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = [0; 128];
        for (sender, block) in [(None, None), (Some(SENT), None), (None, Some(SEEN)), (Some(SENT), Some(SEEN))] {
            let length = write(&mut out, 7, sender, block, 0xfeed).expect("there is room");
            assert_eq!(length % 4, 0);
            let read: Vec<_> = packets(&out[..length]).collect();
            assert_eq!(read.len(), 2, "a report, and who it is from");
            assert_eq!(read[0].sender_time(), sender.map(|_| 0x0304_0506));
            assert_eq!(read[0].blocks().collect::<Vec<_>>(), block.into_iter().collect::<Vec<_>>());
            assert_eq!(&out[length - 18..length - 2], b"000000000000feed");
            assert_eq!(write(&mut out[..length - 1], 7, sender, block, 0), None);
        }
    }

    #[test]
    fn a_report_looks_as_the_rfc_draws_it() {
        let mut out = [0; 64];
        write(&mut out, 0x0708_090a, None, Some(SEEN), 0).expect("there is room");
        assert_eq!(out[..8], [0x81, 201, 0, 7, 7, 8, 9, 10]);
        assert_eq!(out[8..20], [0, 0, 0, 9, 25, 0xff, 0xff, 0xfd, 0, 1, 0, 4]);
        assert_eq!(out[32..42], [0x81, 202, 0, 6, 7, 8, 9, 10, 1, 16]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for packet in packets(&bytes) {
                packet.sender_time();
                prop_assert!(packet.blocks().count() <= 31);
            }
        }
    }
}
