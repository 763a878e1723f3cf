//! Packets that came before one that is still missing.

/// Packets that wait at most: more than a third of a second of the usual ones.
const HELD_MAX: usize = 20;

/// Octets that a packet has room for at first: what crosses an Ethernet. A codec's packets differ in length.
const ROOM: usize = 1_500;

/// A packet that waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) payload: Vec<u8>,
}

/// Packets that wait. Their memory is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// Those that wait, in no order.
    waiting: Vec<Held>,
    /// Memory of others.
    spare: Vec<Held>,
}

impl Order {
    /// Lets a packet wait. False when it waits already, or there is no room.
    pub(super) fn hold(&mut self, sequence: u16, timestamp: u32, payload: &[u8]) -> bool {
        if self.is_full() || self.waiting.iter().any(|held| held.sequence == sequence) {
            return false;
        }
        let mut held = self.spare.pop().unwrap_or_default();
        (held.sequence, held.timestamp) = (sequence, timestamp);
        held.payload.clear();
        held.payload.reserve(ROOM.max(payload.len()));
        held.payload.extend_from_slice(payload);
        self.waiting.push(held);
        true
    }

    /// Whether there is no room for one more.
    pub(super) const fn is_full(&self) -> bool {
        self.waiting.len() >= HELD_MAX
    }

    /// Takes the packet of this number, if it waits. Give it [`back`](Self::give_back).
    pub(super) fn take(&mut self, sequence: u16) -> Option<Held> {
        let at = self.waiting.iter().position(|held| held.sequence == sequence)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Sequence number and timestamp of the packet that is due first, where `next` is the number that is missing.
    pub(super) fn first(&self, next: u16) -> Option<(u16, u32)> {
        let first = self.waiting.iter().min_by_key(|held| held.sequence.wrapping_sub(next))?;
        Some((first.sequence, first.timestamp))
    }

    /// Keeps the memory of a packet that was taken.
    pub(super) fn give_back(&mut self, held: Held) {
        self.spare.push(held);
    }

    /// Lets nothing wait any more.
    pub(super) fn clear(&mut self) {
        self.spare.append(&mut self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_the_one_behind_the_missing_also_where_numbers_begin_again() {
        let mut order = Order::default();
        for sequence in [1, 65_535, 0] {
            assert!(order.hold(sequence, u32::from(sequence), &[sequence as u8]));
        }
        assert!(!order.hold(0, 0, &[]), "twice");
        assert_eq!(order.first(65_534), Some((65_535, 65_535)));
        let held = order.take(65_535).unwrap();
        assert_eq!(held.payload, [255]);
        order.give_back(held);
        assert_eq!(order.first(0), Some((0, 0)));
        order.clear();
        assert_eq!(order.first(0), None);
    }

    #[test]
    fn room_is_bounded() {
        let mut order = Order::default();
        let held = (0..100).filter(|sequence| order.hold(*sequence, 0, &[])).count();
        assert_eq!(held, HELD_MAX);
    }
}
