//! What leaves towards one party.

use rtp_rs::RtpReader;

use super::SOUND;

/// What has left, as far as the next packet is judged by it.
#[derive(Default)]
pub(super) struct Trail {
    last: Option<(u32, u16)>,
    /// The timestamp of the last sound.
    timestamp: Option<u32>,
    /// Whether the source was made up, since its sender was never heard of.
    is_invented: bool,
    /// Whether the last packet was the first of a sender who had never been heard of. What it was numbered behind may not
    /// have been told by then: the number after it may leave some out.
    has_begun: bool,
}

impl Trail {
    /// A packet of the sender's leaves.
    pub(super) fn go_on(&mut self, packet: &[u8]) {
        if std::mem::take(&mut self.is_invented) {
            (self.last, self.timestamp) = (None, None);
            self.check(packet);
            self.has_begun = true;
            return;
        }
        self.check(packet);
    }

    /// A packet is slipped in. `is_known`: the mixer has heard of the sender.
    pub(super) fn slip_in(&mut self, packet: &[u8], is_known: bool) {
        if !is_known && !std::mem::replace(&mut self.is_invented, true) {
            (self.last, self.timestamp) = (None, None);
        }
        self.check(packet);
    }

    /// The stream is another one: as long as nothing is heard of its sender, another source is made up.
    pub(super) fn forget_invented(&mut self) {
        if std::mem::take(&mut self.is_invented) {
            self.last = None;
        }
    }

    /// Times are others from now on.
    pub(super) fn forget_times(&mut self) {
        self.timestamp = None;
    }

    fn check(&mut self, packet: &[u8]) {
        let packet = RtpReader::new(packet).expect("RTP");
        let (ssrc, sequence) = (packet.ssrc(), u16::from(packet.sequence_number()));
        if let Some((source, last)) = self.last.replace((ssrc, sequence)) {
            assert_eq!(ssrc, source, "another source");
            let is_next = sequence == last.wrapping_add(1);
            let is_near = (1..8).contains(&sequence.wrapping_sub(last));
            assert!(is_next || self.has_begun && is_near, "numbers go on one by one: {last} {sequence}");
        }
        self.has_begun = false;
        if packet.payload_type() == SOUND {
            let step = self.timestamp.replace(packet.timestamp()).map(|last| packet.timestamp().wrapping_sub(last));
            assert!(step.is_none_or(|step| step.cast_signed() > 0), "time goes back by {step:?}");
        }
    }
}
