//! Who may send to a port: learning a source and keeping to it.
//!
//! A port starts with what the SDP said. The first packets may teach it another source, as far as the rule's
//! [`Policy`] goes: that source is *provisional* for a short window, bounded by packets and by time, in which a source
//! nearer to the SDP takes its place. Then the port has *settled*, and everybody else is dropped and counted, but for
//! one: a packet from exactly the SDP's address and port *locks* the port to it, whenever it comes. Whoever floods ports
//! to be learned first (RTP Bleed, CVE-2025-53399) so loses a stream to the party that it belongs to, never the other
//! way round.

use crate::{
    Endpoint, Epoch, Policy, Row,
    cell::{acquire, release},
    limits::{LEARN_PACKETS_MAX, LEARN_WINDOW_MS},
    row::{COARSE_NS, coarse},
};

/// Whether a packet may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// From the stream's source.
    Known,
    /// From the stream's source, which was learned with this packet and is not what the SDP said: packets of the
    /// other direction have to follow it.
    Moved,
    /// From somebody else.
    Stranger,
}

/// A packet that a row has to form an opinion of.
struct Lesson {
    policy: Policy,
    epoch: Epoch,
    from: Endpoint,
    /// What the SDP said.
    expected: Option<Endpoint>,
    now_ns: u64,
}

/// How near a source is to the SDP's, and how far learning has come: the states of a lock.
mod state {
    /// Nothing learned.
    pub(super) const OPEN: u64 = 0;
    /// A provisional source that has nothing in common with the SDP's.
    pub(super) const OTHER: u64 = 1;
    /// A provisional source on the SDP's host.
    pub(super) const HOST: u64 = 2;
    /// The SDP's own source: final.
    pub(super) const LOCKED: u64 = 3;
    /// Another CPU is writing the source.
    pub(super) const CLAIMED: u64 = 4;
    /// A source that was taught: final but for the SDP's own.
    pub(super) const SETTLED: u64 = 7;
    /// The bits that [`LOCKED`] and [`SETTLED`] have in common, and no other state has both of.
    pub(super) const FINAL: u64 = 3;
}

const STATE_SHIFT: u64 = 8;
const STATE: u64 = 7 << STATE_SHIFT;
const FINAL: u64 = state::FINAL << STATE_SHIFT;
/// The partner learned a source that its rule does not know.
const FOLLOW: u64 = 1 << 15;
const PORT: u64 = 0xffff << 16;
const EPOCH: u64 = 0xffff_ffff << 32;
/// The last payload type, with 0x80 when there is one.
const PAYLOAD_TYPE: u64 = 0xff;

const LEARN_WINDOW: u32 = coarse(LEARN_WINDOW_MS * 1_000_000);

impl Row {
    /// Decides on a packet `from` somebody, and learns from it. `signalled` says where the rule's partner sends.
    #[inline(always)]
    pub fn admit(
        &self,
        policy: Policy,
        epoch: Epoch,
        from: Endpoint,
        signalled: impl FnOnce() -> Option<Endpoint>,
        now_ns: u64,
    ) -> Admission {
        let known = (epoch.0 as u64) << 32 | (from.port as u64) << 16 | FINAL;
        if self.live.lock.load() & (EPOCH | PORT | FINAL) == known && self.source() == from.address {
            return Admission::Known;
        }
        self.learn(&Lesson { policy, epoch, from, expected: signalled(), now_ns })
    }

    /// Sets the mark that packets of this row have to look where its partner's party really is.
    ///
    /// It stays for good: a row that looks in vain loses nothing but time.
    #[inline(always)]
    pub fn follow(&self) {
        // A row that has heard nothing of its stream yet would forget the mark with all that came before.
        self.enter(self.epoch());
        self.live.lock.set(FOLLOW);
    }

    /// Whether [`follow`](Self::follow) was called.
    #[inline(always)]
    pub fn follows(&self) -> bool {
        self.live.lock.load() & FOLLOW != 0
    }

    /// The source that was learned for the stream's present epoch.
    #[inline(always)]
    pub fn learned(&self) -> Option<Endpoint> {
        let lock = self.live.lock.load();
        acquire();
        let address = self.source();
        acquire();
        let same = self.live.lock.load() & !PAYLOAD_TYPE == lock & !PAYLOAD_TYPE;
        let learned = !matches!((lock & STATE) >> STATE_SHIFT, state::OPEN | state::CLAIMED);
        (same && learned && lock >> 32 == self.epoch().0 as u64)
            .then_some(Endpoint { address, port: (lock >> 16) as u16 })
    }

    #[cfg(not(target_arch = "bpf"))]
    pub(crate) fn is_locked(&self) -> bool {
        self.live.lock.load() & FINAL == FINAL
    }

    /// Keeps the payload type beside the lock.
    #[inline(always)]
    pub(crate) fn set_payload_type(&self, payload_type: u8) {
        let lock = self.live.lock.load();
        let change = (lock & PAYLOAD_TYPE) ^ (0x80 | payload_type as u64 & 0x7f);
        if change != 0 {
            self.live.lock.flip(change);
        }
    }

    #[inline(always)]
    fn source(&self) -> crate::Address {
        let [a, b, c, d] = &self.live.source;
        crate::Address([a.load(), b.load(), c.load(), d.load()])
    }

    #[inline(never)]
    fn learn(&self, lesson: &Lesson) -> Admission {
        let admission = self.weigh(lesson);
        if admission == Admission::Stranger {
            self.account.strangers.add(1);
        }
        admission
    }

    #[inline(always)]
    fn weigh(&self, lesson: &Lesson) -> Admission {
        if !self.enter(lesson.epoch) {
            return Admission::Stranger;
        }
        let lock = self.live.lock.load();
        let held = (lock & STATE) >> STATE_SHIFT;
        let is_source =
            held != state::OPEN && (lock >> 16) as u16 == lesson.from.port && self.source() == lesson.from.address;
        let rank = lesson.rank();
        match held {
            state::CLAIMED => Admission::Stranger,
            state::LOCKED if is_source => Admission::Known,
            state::LOCKED => Admission::Stranger,
            state::SETTLED if is_source => Admission::Known,
            state::SETTLED if rank == state::LOCKED => self.take(lock, rank, lesson),
            state::SETTLED => Admission::Stranger,
            state::OPEN if rank == state::OPEN => Admission::Stranger,
            state::OPEN => self.take(lock, rank, lesson),
            _ if self.window_is_over(lesson.now_ns) => {
                self.live.lock.replace(lock, lock | state::SETTLED << STATE_SHIFT);
                match (is_source, rank) {
                    (true, _) => Admission::Known,
                    (false, state::LOCKED) => self.take(self.live.lock.load(), rank, lesson),
                    _ => Admission::Stranger,
                }
            }
            _ if is_source => {
                self.account.window_packets.store(self.account.window_packets.load().wrapping_add(1));
                Admission::Known
            }
            provisional if rank > provisional => self.take(lock, rank, lesson),
            _ => Admission::Stranger,
        }
    }

    /// Forgets what belongs to an earlier epoch. False while another CPU does.
    #[inline(always)]
    pub(crate) fn enter(&self, epoch: Epoch) -> bool {
        let lock = self.live.lock.load();
        if lock >> 32 == epoch.0 as u64 {
            return true;
        }
        let claimed = lock & !STATE | state::CLAIMED << STATE_SHIFT;
        if (lock & STATE) >> STATE_SHIFT == state::CLAIMED || !self.live.lock.replace(lock, claimed) {
            return false;
        }
        let same_stream = (lock >> 48) as u16 == epoch.generation();
        if !same_stream {
            self.forget_reception();
        }
        release();
        // Whether to follow is the partner's to say, and the partner may be at the same stream still.
        let kept = lock & if same_stream { PAYLOAD_TYPE | FOLLOW } else { FOLLOW };
        let entered = (epoch.0 as u64) << 32 | state::OPEN << STATE_SHIFT | kept;
        // Other CPUs may flip bits that are not this one's, so ours are flipped too.
        self.live.lock.flip(claimed ^ entered);
        true
    }

    #[inline(always)]
    fn window_is_over(&self, now_ns: u64) -> bool {
        self.account.window_packets.load() >= LEARN_PACKETS_MAX
            || coarse(now_ns).wrapping_sub(self.account.window_start.load()) >= LEARN_WINDOW
    }

    /// Makes the packet's sender the source.
    #[inline(always)]
    fn take(&self, lock: u64, rank: u64, lesson: &Lesson) -> Admission {
        let claimed = lock & !STATE | state::CLAIMED << STATE_SHIFT;
        if !self.live.lock.replace(lock, claimed) {
            return Admission::Stranger;
        }
        release();
        for (word, value) in self.live.source.iter().zip(lesson.from.address.0) {
            word.store(value);
        }
        if (lock & STATE) >> STATE_SHIFT == state::OPEN {
            self.account.window_start.store(coarse(lesson.now_ns));
            self.account.window_packets.store(1);
        }
        release();
        // Other CPUs may flip bits that are not this one's, so ours are flipped too.
        let taken = claimed & !(PORT | STATE) | (lesson.from.port as u64) << 16 | rank << STATE_SHIFT;
        self.live.lock.flip(claimed ^ taken);
        // A source taught earlier may be followed already; the partner must look again either way.
        if rank == state::LOCKED && (lock & STATE) >> STATE_SHIFT == state::OPEN {
            Admission::Known
        } else {
            Admission::Moved
        }
    }
}

impl Lesson {
    /// The state that the packet's sender would bring the lock to; [`state::OPEN`] when the policy keeps it out.
    #[inline(always)]
    fn rank(&self) -> u64 {
        let rank = match self.expected {
            // Nobody was signalled yet, and nobody's address may not be taken for somebody's.
            Some(expected) if expected.address.is_unspecified() => state::OTHER,
            Some(expected) if expected == self.from => state::LOCKED,
            Some(expected) if expected.address == self.from.address => state::HOST,
            _ => state::OTHER,
        };
        let least = match self.policy {
            Policy::Strict => state::LOCKED,
            Policy::SameHost => state::HOST,
            Policy::Latch => state::OTHER,
        };
        if rank >= least { rank } else { state::OPEN }
    }
}

const _: () = assert!(COARSE_NS == 1 << 20 && LEARN_WINDOW > 0);

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    const MS: u64 = 1_000_000;
    const SDP: Endpoint = endpoint(1, 4000);
    const SAME_HOST: Endpoint = endpoint(1, 4999);
    const ELSEWHERE: Endpoint = endpoint(2, 4000);
    const ATTACKER: Endpoint = endpoint(66, 4000);

    const fn endpoint(host: u8, port: u16) -> Endpoint {
        Endpoint { address: crate::Address::v4(u32::from_ne_bytes([10, 0, 0, host])), port }
    }

    /// A port with a policy, and a clock.
    struct Port(Row, Policy, Epoch);

    impl Port {
        fn new(policy: Policy) -> Self {
            let epoch = Epoch::default().next_stream();
            let row = Row::default();
            row.set_epoch(epoch);
            Self(row, policy, epoch)
        }

        fn hears(&self, from: Endpoint, at_ms: u64) -> Admission {
            self.0.admit(self.1, self.2, from, || Some(SDP), at_ms * MS)
        }
    }

    #[test]
    fn the_policy_says_who_may_teach() {
        use Admission::{Known, Moved, Stranger};
        let table = [
            (Policy::Strict, SDP, Known),
            (Policy::Strict, SAME_HOST, Stranger),
            (Policy::Strict, ELSEWHERE, Stranger),
            (Policy::SameHost, SDP, Known),
            (Policy::SameHost, SAME_HOST, Moved),
            (Policy::SameHost, ELSEWHERE, Stranger),
            (Policy::Latch, SDP, Known),
            (Policy::Latch, SAME_HOST, Moved),
            (Policy::Latch, ELSEWHERE, Moved),
        ];
        for (policy, from, expected) in table {
            let port = Port::new(policy);
            assert_eq!(port.hears(from, 0), expected, "{policy:?} {from:?}");
            let learned = (expected != Stranger).then_some(from);
            assert_eq!(port.0.learned(), learned, "{policy:?} {from:?}");
        }
    }

    #[test]
    fn the_signalled_source_locks_at_once() {
        let port = Port::new(Policy::Latch);
        assert_eq!(port.hears(SDP, 0), Admission::Known);
        for at in 0..1000 {
            assert_eq!(port.hears(ATTACKER, at), Admission::Stranger);
        }
        assert_eq!(port.0.learned(), Some(SDP));
        assert_eq!(port.0.statistics(crate::Clock::Hz8000).strangers, 1000);
    }

    #[test]
    fn a_better_source_takes_over_within_the_window() {
        let port = Port::new(Policy::Latch);
        assert_eq!(port.hears(ATTACKER, 0), Admission::Moved);
        assert_eq!(port.hears(SAME_HOST, 20), Admission::Moved);
        assert_eq!(port.hears(ATTACKER, 21), Admission::Stranger);
        assert_eq!(port.hears(SDP, 40), Admission::Moved);
        assert_eq!(port.hears(SAME_HOST, 41), Admission::Stranger);
        assert_eq!(port.0.learned(), Some(SDP));
    }

    #[test]
    fn the_window_closes_by_time() {
        let port = Port::new(Policy::Latch);
        assert_eq!(port.hears(ELSEWHERE, 0), Admission::Moved);
        assert_eq!(port.hears(SAME_HOST, LEARN_WINDOW_MS + 2 + LEARN_WINDOW_MS / 20), Admission::Stranger);
        assert_eq!(port.hears(ELSEWHERE, 700), Admission::Known);
        assert!(port.0.is_locked());
    }

    #[test]
    fn the_signalled_source_takes_its_port_back() {
        for at_ms in [0, 10, 5_000] {
            let port = Port::new(Policy::Latch);
            for at in 0..100 {
                port.hears(ATTACKER, at);
            }
            assert_eq!(port.hears(SDP, 100 + at_ms), Admission::Moved);
            assert_eq!(port.hears(ATTACKER, 101 + at_ms), Admission::Stranger);
            assert_eq!(port.hears(SAME_HOST, 102 + at_ms), Admission::Stranger);
            assert_eq!(port.0.learned(), Some(SDP));
        }
    }

    #[test]
    fn the_window_closes_by_packets() {
        let port = Port::new(Policy::Latch);
        assert_eq!(port.hears(ELSEWHERE, 0), Admission::Moved);
        for _ in 0..LEARN_PACKETS_MAX {
            assert_eq!(port.hears(ELSEWHERE, 1), Admission::Known);
        }
        assert_eq!(port.hears(SAME_HOST, 1), Admission::Stranger);
    }

    #[test]
    fn a_new_source_epoch_learns_afresh_and_keeps_the_counters() {
        let mut port = Port::new(Policy::Latch);
        assert_eq!(port.hears(SDP, 0), Admission::Known);
        assert_eq!(port.hears(ATTACKER, 1), Admission::Stranger);
        port.2 = port.2.next_source();
        port.0.set_epoch(port.2);
        assert_eq!(port.0.learned(), None);
        assert_eq!(port.hears(ELSEWHERE, 2), Admission::Moved);
        assert_eq!(port.0.statistics(crate::Clock::Hz8000).strangers, 1);
    }

    #[test]
    fn a_mark_to_follow_outlasts_the_first_packet() {
        let port = Port::new(Policy::Strict);
        port.0.follow();
        assert_eq!(port.hears(SDP, 0), Admission::Known);
        assert!(port.0.follows());
    }

    #[test]
    fn a_new_stream_starts_with_nothing() {
        let mut port = Port::new(Policy::Strict);
        assert_eq!(port.hears(ATTACKER, 1), Admission::Stranger);
        port.2 = port.2.next_stream();
        port.0.set_epoch(port.2);
        assert_eq!(port.0.statistics(crate::Clock::Hz8000), crate::Statistics::default());
        assert_eq!(port.hears(SDP, 1), Admission::Known);
        assert_eq!(port.0.statistics(crate::Clock::Hz8000).strangers, 0);
    }

    #[test]
    fn nobody_is_not_a_source_that_was_signalled() {
        for policy in [Policy::Strict, Policy::SameHost] {
            let port = Port::new(policy);
            let admission = port.0.admit(policy, port.2, Endpoint::NONE, || Some(Endpoint::NONE), 0);
            assert_eq!(admission, Admission::Stranger, "{policy:?}");
        }
    }

    #[test]
    fn a_row_follows_its_partner_from_its_first_packet_on() {
        let mut port = Port::new(Policy::Strict);
        port.0.follow();
        assert_eq!(port.hears(SDP, 0), Admission::Known);
        assert!(port.0.follows(), "the partner had learned before");
        port.2 = port.2.next_source();
        port.0.set_epoch(port.2);
        assert_eq!(port.hears(SDP, 1), Admission::Known);
        assert!(port.0.follows(), "the partner's party has not moved");
    }

    #[test]
    fn addresses_come_from_either_family() {
        let row = Row::default();
        let from = Endpoint { address: Ipv4Addr::LOCALHOST.into(), port: 9 };
        assert_eq!(row.admit(Policy::Latch, Epoch(0), from, || None, 0), Admission::Moved);
        assert_eq!(row.learned(), Some(from));
    }
}
