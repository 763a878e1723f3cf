//! Where transactions live, and when they want to be looked at.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::time::Nanos;

/// A place and which of its tenants is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) place: u32,
    pub(super) tenant: u32,
}

/// Things with a deadline each, by place.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    deadlines: BinaryHeap<Reverse<(Nanos, Id)>>,
}

#[derive(Debug)]
struct Place<T> {
    tenant: u32,
    held: Option<(Nanos, T)>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), deadlines: BinaryHeap::new() }
    }
}

impl<T> Slots<T> {
    /// Keeps something, to be looked at no later than `deadline`; not at all before it is scheduled where that is the end of
    /// time.
    pub(super) fn insert(&mut self, deadline: Nanos, thing: T) -> Id {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { tenant: 0, held: None });
            self.places.len() as u32 - 1
        });
        let mut id = Id { place, tenant: 0 };
        if let Some(at) = self.places.get_mut(place as usize) {
            id.tenant = at.tenant;
            at.held = Some((deadline, thing));
        }
        // A deadline that never comes would stay in the list for ever.
        if deadline < Nanos(u64::MAX) {
            self.deadlines.push(Reverse((deadline, id)));
        }
        id
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let place = self.places.get(id.place as usize).filter(|place| place.tenant == id.tenant)?;
        place.held.as_ref().map(|(_, thing)| thing)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let place = self.places.get_mut(id.place as usize).filter(|place| place.tenant == id.tenant)?;
        place.held.as_mut().map(|(_, thing)| thing)
    }

    /// Has it looked at at another time.
    pub(super) fn schedule(&mut self, id: Id, deadline: Nanos) {
        let place = self.places.get_mut(id.place as usize).filter(|place| place.tenant == id.tenant);
        let Some((held, _)) = place.and_then(|place| place.held.as_mut()) else { return };
        // A later deadline is found when the earlier one is over.
        let is_sooner = deadline < *held;
        *held = deadline;
        if is_sooner {
            self.deadlines.push(Reverse((deadline, id)));
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let place = self.places.get_mut(id.place as usize).filter(|place| place.tenant == id.tenant)?;
        let (_, thing) = place.held.take()?;
        place.tenant = place.tenant.wrapping_add(1);
        self.free.push(id.place);
        Some(thing)
    }

    /// Removes those that `is_one` says, and gives them.
    pub(super) fn take_all(&mut self, is_one: impl Fn(&T) -> bool) -> Vec<T> {
        let tenants = (0_u32..).zip(&self.places).filter_map(|(number, place)| {
            let (_, thing) = place.held.as_ref()?;
            is_one(thing).then_some(Id { place: number, tenant: place.tenant })
        });
        let ids: Vec<_> = tenants.collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// The next one whose deadline is over at `now`. It has to be scheduled again or removed.
    pub(super) fn due(&mut self, now: Nanos) -> Option<Id> {
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied() {
            if at > now {
                return None;
            }
            self.deadlines.pop();
            let place = self.places.get_mut(id.place as usize).filter(|place| place.tenant == id.tenant);
            match place.and_then(|place| place.held.as_mut()) {
                Some((held, _)) if *held <= now => {
                    // Nothing else in the list of deadlines is this one's until it is scheduled.
                    *held = Nanos(u64::MAX);
                    return Some(id);
                }
                Some((held, _)) if *held < Nanos(u64::MAX) => {
                    let later = *held;
                    self.deadlines.push(Reverse((later, id)));
                }
                _ => {}
            }
        }
        None
    }

    /// When to look next; not later than the first deadline, sometimes sooner.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_leaves_no_deadline_behind() {
        let mut slots = Slots::default();
        for now in (0..1000).map(Nanos) {
            let id = slots.insert(Nanos(u64::MAX), ());
            assert_eq!(slots.deadline(), None);
            slots.schedule(id, now);
            assert_eq!(slots.due(now), Some(id));
            slots.remove(id);
        }
        assert_eq!((slots.len(), slots.deadlines.len()), (0, 0));
    }
}
