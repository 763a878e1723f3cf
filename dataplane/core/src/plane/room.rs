//! Full tables: room is made of what nothing names any more, and what finds none is counted and tried again.

use std::collections::HashSet;

use undertone_abi::{Group, Hop, Published};

use super::{
    Plane, PlaneError,
    hops::{MIXER, NOWHERE},
};
use crate::{Fabric, Memory as _};

/// Streams for which one pass over all of them, once for each that ends, is not worth the time.
const STREAMS_PER_RETRY: usize = 16_384;

/// How often there was no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// For the copies of one more stream.
    pub groups: u64,
    /// For one more next hop.
    pub hops: u64,
    /// For one more output device.
    pub devices: u64,
    /// For one more list of output devices.
    pub shapes: u64,
}

impl Refused {
    fn count(&mut self, error: &PlaneError) {
        match error {
            PlaneError::GroupsFull { .. } => self.groups += 1,
            PlaneError::HopsFull => self.hops += 1,
            PlaneError::DevicesFull => self.devices += 1,
            PlaneError::ShapesFull => self.shapes += 1,
            _ => {}
        }
    }
}

impl<F: Fabric> Plane<F> {
    /// Counts a refusal for want of room.
    pub(super) fn counted<T>(&mut self, result: Result<T, PlaneError>) -> Result<T, PlaneError> {
        if let Err(error) = &result {
            self.refused.count(error);
        }
        result
    }

    /// Takes back hops, device slots and shapes that no rule, group or way names, and waits until no packet does. False
    /// when there were none.
    pub(super) fn make_room(&mut self) -> bool {
        if self.in_vain {
            return false;
        }
        let before = (self.hops.held(), self.devices.count());
        let mut hops = self.hops_in_tables();
        hops.extend(self.ways.hops());
        self.sweep_hops_but(&hops);
        self.hops.sweep_adopted(&hops);
        let memory = self.fabric.memory();
        let device = |hop: &u16| memory.hop(*hop).and_then(Published::read::<Hop>).map(|hop| hop.device);
        let named = hops.iter().filter(|hop| **hop != NOWHERE).chain([&MIXER]);
        let mut slots: HashSet<u8> = named.filter_map(device).collect();
        let mut shapes = HashSet::new();
        for group in self.streams.values().filter_map(|stream| self.group(stream.group)) {
            slots.extend((0..group.count() as usize).map(|index| group.device(index)));
            let named = group.shapes();
            shapes.extend([named.forward, named.divert, named.hold]);
        }
        self.devices.sweep(&slots, &shapes);
        self.in_vain = before == (self.hops.held(), self.devices.count());
        if !self.in_vain {
            self.fabric.settle();
        }
        !self.in_vain
    }

    /// Something has ended: tries again to follow a way for which there was no room, now and then.
    pub(super) fn retry(&mut self) {
        if !self.ways.is_any_stuck() {
            return;
        }
        self.ended += 1;
        if !self.ended.is_multiple_of(1 + self.streams.len() / STREAMS_PER_RETRY) {
            return;
        }
        while let Some((ip, way)) = self.ways.next_stuck() {
            if self.follow_way(ip, Some(way)).is_err() {
                return;
            }
        }
    }

    /// A group that copies are made by.
    pub(super) fn group(&self, number: u16) -> Option<&Group> {
        self.fabric.memory().group(number).filter(|_| number != 0)
    }
}
