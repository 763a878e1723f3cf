//! What is due when, by the millisecond.

use slab::Slab;

/// Milliseconds that the wheel knows apart: more than anything is ever set ahead.
const SLOTS: u64 = 128;
const SLOT_NS: u64 = 1_000_000;

/// Things to do, each at most [`AHEAD_MS_MAX`](Self::AHEAD_MS_MAX) ahead. What is set for the same millisecond is due at once.
/// Memory is asked for only when more things are set than ever before.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    things: Slab<Place<T>>,
    /// The first and the last thing of each millisecond.
    slots: Vec<Option<(usize, usize)>>,
    /// The first millisecond that has not been looked at.
    next: u64,
}

/// A thing, and the one that is set for the same millisecond after it.
#[derive(Debug)]
struct Place<T> {
    thing: T,
    after: Option<usize>,
}

impl<T> Wheel<T> {
    /// The farthest that anything can be set ahead.
    pub(super) const AHEAD_MS_MAX: u64 = SLOTS - 2;

    pub(super) fn new(now_ns: u64) -> Self {
        Self { things: Slab::new(), slots: (0..SLOTS).map(|_| None).collect(), next: now_ns / SLOT_NS }
    }

    /// Sets something for the millisecond that begins at `at_ns` or after it, not before the next look and not beyond what
    /// the wheel knows.
    pub(super) fn set(&mut self, at_ns: u64, thing: T) {
        let at = at_ns.div_ceil(SLOT_NS).clamp(self.next, self.next + Self::AHEAD_MS_MAX);
        let Some(slot) = self.slots.get_mut((at % SLOTS) as usize) else { return };
        let new = self.things.insert(Place { thing, after: None });
        let first = slot.map_or(new, |(first, last)| {
            if let Some(last) = self.things.get_mut(last) {
                last.after = Some(new);
            }
            first
        });
        *slot = Some((first, new));
    }

    /// Moves what is due at `now_ns` to `due`, up to `most` things; the rest is due at the next look.
    pub(super) fn turn(&mut self, now_ns: u64, most: usize, due: &mut Vec<T>) {
        let now = now_ns / SLOT_NS;
        if self.next > now {
            return;
        }
        let span = (now - self.next + 1).min(SLOTS);
        for _ in 0..span {
            let Some(slot) = self.slots.get_mut((self.next % SLOTS) as usize) else { return };
            while let Some((first, last)) = *slot {
                if due.len() == most {
                    return;
                }
                let place = self.things.try_remove(first);
                *slot = place.as_ref().and_then(|place| Some((place.after?, last)));
                due.extend(place.map(|place| place.thing));
            }
            self.next += 1;
        }
        self.next = now + 1;
    }

    /// How many things are set.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.things.len()
    }

    /// When to look again; `None` when nothing is set.
    pub(super) fn deadline_ns(&self) -> Option<u64> {
        if self.things.is_empty() {
            return None;
        }
        let is_set = |at: &u64| self.slots.get((at % SLOTS) as usize).is_some_and(Option::is_some);
        (self.next..self.next + SLOTS).find(is_set).map(|at| at * SLOT_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_due_in_its_millisecond_and_once() {
        let mut wheel = Wheel::new(5_000_000_000);
        wheel.set(5_020_000_000, 'a');
        wheel.set(5_019_000_001, 'b');
        wheel.set(4_000_000_000, 'c');
        let mut due = Vec::new();
        wheel.turn(5_000_500_000, 9, &mut due);
        assert_eq!(due, ['c'], "what is set for the past is due at once");
        assert_eq!(wheel.deadline_ns(), Some(5_020_000_000));
        wheel.turn(5_019_999_999, 9, &mut due);
        assert_eq!(due, ['c']);
        wheel.turn(5_020_000_000, 9, &mut due);
        assert_eq!(due, ['c', 'a', 'b']);
        assert_eq!(wheel.deadline_ns(), None);
    }

    #[test]
    fn a_look_that_comes_late_misses_nothing() {
        let mut wheel = Wheel::new(0);
        for ms in 0..Wheel::<u64>::AHEAD_MS_MAX {
            wheel.set(ms * 1_000_000, ms);
        }
        let mut due = Vec::new();
        wheel.turn(60_000_000_000, 1_000, &mut due);
        assert_eq!(due, (0..Wheel::<u64>::AHEAD_MS_MAX).collect::<Vec<_>>());
        wheel.set(60_010_000_000, 7);
        assert_eq!(wheel.deadline_ns(), Some(60_010_000_000));
    }
    #[test]
    fn what_is_too_much_for_one_look_is_due_at_the_next() {
        let mut wheel = Wheel::new(0);
        for thing in 0..5 {
            wheel.set(10_000_000, thing);
        }
        wheel.set(11_000_000, 5);
        let mut due = Vec::new();
        for expected in [&[0, 1][..], &[2, 3], &[4, 5]] {
            assert!(wheel.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= 11_000_000));
            wheel.turn(11_500_000, 2, &mut due);
            assert_eq!(due, expected);
            due.clear();
        }
        assert_eq!((wheel.deadline_ns(), wheel.count()), (None, 0));
    }
}
