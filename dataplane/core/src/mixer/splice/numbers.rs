//! How the numbers of packets that come by become those that leave.
//!
//! The data plane adds to every number as many packets as were slipped in, once it has been told: a packet may have been
//! numbered a moment before. What comes says nothing of that, so that it is inferred, from what came before and from
//! timestamps, which nobody changes on the way to here.

use crate::mixer::packet::Packet;

/// A step of the sequence number beyond this is a sender that has begun anew (RFC 3550 A.1).
const DROPOUT_MAX: i16 = 3000;
/// Packets from this far behind are late and not anew.
const MISORDER_MAX: i16 = 100;
/// As many the data plane may be behind.
const OWED_MAX: u16 = 64;
/// Runs of slipped-in packets that are remembered for what comes late.
const RUNS: usize = 4;

/// What is known of a stream's numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// Packets that were slipped in, ever.
    inserted: u16,
    /// How many of them had not been added to what came last; more than that will not be missing again.
    owed: u16,
    last: Option<Last>,
    /// The last ones, oldest first.
    runs: [Option<Run>; RUNS],
}

/// The latest packet of the sender's.
#[derive(Clone, Copy, Debug)]
struct Last {
    ssrc: u32,
    /// Its sender's number.
    number: u16,
    /// The latest timestamp of sound.
    timestamp: u32,
    /// Whether a packet was slipped in behind it.
    is_followed: bool,
}

/// Packets that were slipped in without one of the sender's between.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The sender's number before it.
    behind: u16,
    /// Packets that were slipped in before it.
    inserted: u16,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its sender's number.
    pub(super) number: u16,
    /// The number that it leaves with.
    pub(super) leaves_as: u16,
    pub(super) order: Order,
}

/// How a packet stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// After all others, and after so many that have not come.
    Next { missing: u16 },
    /// It is late, or came before.
    Late,
    /// The first of another source, or of one that counts anew.
    Anew,
}

impl Numbers {
    pub(super) fn new(inserted: u16) -> Self {
        Self { inserted, ..Self::default() }
    }

    /// Packets that were slipped in, ever.
    pub(super) const fn inserted(&self) -> u16 {
        self.inserted
    }

    /// Takes note of a packet. `is_sound` where its timestamp moves on from packet to packet.
    pub(super) fn place(&mut self, packet: &Packet<'_>, is_sound: bool) -> Placed {
        // If the data plane has added all.
        let number = packet.sequence.wrapping_sub(self.inserted);
        let Some(last) = self.last.filter(|last| last.ssrc == packet.ssrc) else { return self.begin(packet, number) };
        let ahead = number.wrapping_sub(last.number).cast_signed();
        if !(-MISORDER_MAX..=DROPOUT_MAX).contains(&ahead) {
            return self.begin(packet, number);
        }
        if ahead > 0 {
            return self.go_on(packet, last, number, 0, is_sound);
        }
        let short = ahead.unsigned_abs() + 1;
        let is_later = packet.timestamp.wrapping_sub(last.timestamp).cast_signed() > 0;
        if short <= self.owed && (is_later || !is_sound) {
            return self.go_on(packet, last, last.number.wrapping_add(1), short, is_sound);
        }
        let number = if last.is_followed { number } else { number.wrapping_add(self.owed) };
        Placed { number, leaves_as: number.wrapping_add(self.inserted_before(number)), order: Order::Late }
    }

    /// A packet is slipped in.
    pub(super) fn insert(&mut self) {
        if let Some(last) = self.last.as_mut().filter(|last| !last.is_followed) {
            last.is_followed = true;
            self.runs.rotate_left(1);
            if let Some(newest) = self.runs.last_mut() {
                *newest = Some(Run { behind: last.number, inserted: self.inserted });
            }
        }
        self.inserted = self.inserted.wrapping_add(1);
        self.owed = (self.owed + 1).min(OWED_MAX);
    }

    fn begin(&mut self, packet: &Packet<'_>, number: u16) -> Placed {
        let Packet { ssrc, timestamp, .. } = *packet;
        self.last = Some(Last { ssrc, number, timestamp, is_followed: false });
        (self.owed, self.runs) = (0, [None; RUNS]);
        Placed { number, leaves_as: packet.sequence, order: Order::Anew }
    }

    fn go_on(&mut self, packet: &Packet<'_>, last: Last, number: u16, owed: u16, is_sound: bool) -> Placed {
        let timestamp = if is_sound { packet.timestamp } else { last.timestamp };
        self.last = Some(Last { number, timestamp, is_followed: false, ..last });
        self.owed = owed;
        let missing = number.wrapping_sub(last.number).wrapping_sub(1);
        Placed { number, leaves_as: number.wrapping_add(self.inserted), order: Order::Next { missing } }
    }

    /// Packets that were slipped in before the sender's packet of that number.
    fn inserted_before(&self, number: u16) -> u16 {
        let is_behind = |run: &&Run| number.wrapping_sub(run.behind).cast_signed() <= 0;
        self.runs.iter().flatten().find(is_behind).map_or(self.inserted, |run| run.inserted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender, packets of ours, and a data plane that is told late.
    struct Scene {
        numbers: Numbers,
        /// What the data plane adds.
        added: u16,
        left: Vec<u16>,
    }

    impl Scene {
        fn new() -> Self {
            Self { numbers: Numbers::new(0), added: 0, left: Vec::new() }
        }

        fn come(&mut self, number: u16) -> Order {
            self.come_with(number, i32::from(number.cast_signed()).cast_unsigned().wrapping_mul(160))
        }

        fn come_with(&mut self, number: u16, timestamp: u32) -> Order {
            let sequence = number.wrapping_add(self.added);
            let packet = Packet { header: &[], payload: &[], payload_type: 0, sequence, timestamp, ssrc: 1 };
            let placed = self.numbers.place(&packet, true);
            assert_eq!(self.numbers.place(&packet, true).leaves_as, placed.leaves_as, "seen twice");
            self.left.push(placed.leaves_as);
            placed.order
        }

        fn slip_in(&mut self) {
            self.numbers.insert();
            self.left.push(self.left.last().map_or(0, |last| last.wrapping_add(1)));
        }

        fn tell(&mut self) {
            self.added = self.numbers.inserted();
        }
    }

    #[test]
    fn however_late_the_data_plane_is_told_numbers_go_on_one_by_one() {
        for late in 0..6 {
            let mut scene = Scene::new();
            scene.come(65_530);
            for _ in 0..3 {
                scene.slip_in();
            }
            for number in 65_531_u16..65_535 {
                assert_eq!(scene.come(number), Order::Next { missing: 0 });
            }
            scene.slip_in();
            for at in 0_u16..8 {
                if at == late {
                    scene.tell();
                }
                scene.come(at.wrapping_sub(1));
            }
            let steps = scene.left.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
            assert!(steps.clone().all(|step| step == 1), "{late}: {:?}", scene.left);
        }
    }

    #[test]
    fn a_packet_from_before_a_run_gets_the_number_that_was_left_for_it() {
        let mut scene = Scene::new();
        scene.come(10);
        scene.come(12);
        scene.slip_in();
        scene.slip_in();
        scene.tell();
        scene.come(13);
        scene.slip_in();
        scene.tell();
        assert_eq!(scene.come(11), Order::Late);
        scene.come(14);
        assert_eq!(scene.come(13), Order::Late);
        assert_eq!(scene.left, [10, 12, 13, 14, 15, 16, 11, 17, 15]);
    }

    #[test]
    fn a_late_packet_is_not_taken_for_one_that_was_numbered_early() {
        let mut scene = Scene::new();
        scene.come(20);
        scene.come(22);
        for _ in 0..5 {
            scene.slip_in();
            scene.tell();
        }
        assert_eq!(scene.come(21), Order::Late);
        assert_eq!(scene.left.last(), Some(&21));
        assert_eq!(scene.come(23), Order::Next { missing: 0 });
        assert_eq!(scene.left.last(), Some(&28));
    }

    #[test]
    fn lost_packets_leave_a_gap_that_is_no_wider() {
        let mut scene = Scene::new();
        scene.come(1);
        scene.slip_in();
        scene.tell();
        assert_eq!(scene.come(4), Order::Next { missing: 2 });
        assert_eq!(scene.left, [1, 2, 5]);
    }

    #[test]
    fn a_sender_that_counts_anew_begins_anew() {
        let mut scene = Scene::new();
        scene.come(100);
        scene.slip_in();
        scene.tell();
        assert_eq!(scene.come(40_000), Order::Anew);
        assert_eq!(scene.come(40_001), Order::Next { missing: 0 });
        assert_eq!(scene.left, [100, 101, 40_001, 40_002]);
    }
}
