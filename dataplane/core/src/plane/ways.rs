//! The ways that streams and copies take, and what a change of one changes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
    ops::Bound,
};

use undertone_abi::RowIndex;

use super::{
    Plane, PlaneError,
    hops::{self, NOWHERE},
};
use crate::{Fabric, Memory as _, Way};

/// The addresses that something goes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    destinations: HashMap<IpAddr, Destination>,
    /// Addresses whose way had no room in the tables; some may have found it since, or be gone.
    stuck: BTreeSet<IpAddr>,
    /// The last of them that was tried again: the next one has its turn.
    tried: Option<IpAddr>,
}

/// One address that something goes to.
#[derive(Clone, Debug, Default)]
struct Destination {
    way: Option<Way>,
    hop: u16,
    /// The rows whose stream or copies go there, once for each reason.
    users: HashMap<RowIndex, u32>,
}

impl Ways {
    /// `row` goes to `ip`.
    pub(super) fn hold(&mut self, ip: IpAddr, row: RowIndex, fabric: &mut impl Fabric) {
        let destination = self.destinations.entry(ip).or_insert_with(|| {
            fabric.watch(ip);
            Destination::default()
        });
        *destination.users.entry(row).or_default() += 1;
    }

    /// `row` no longer goes to `ip`.
    pub(super) fn release(&mut self, ip: IpAddr, row: RowIndex, fabric: &mut impl Fabric) {
        let Some(destination) = self.destinations.get_mut(&ip) else { return };
        if let Some(count) = destination.users.get_mut(&row) {
            *count -= 1;
            if *count == 0 {
                destination.users.remove(&row);
            }
        }
        if destination.users.is_empty() {
            self.destinations.remove(&ip);
            fabric.forget(ip);
        }
    }

    /// `row` goes to `new` instead of `old`.
    pub(super) fn swap(&mut self, old: IpAddr, new: IpAddr, row: RowIndex, fabric: &mut impl Fabric) {
        if old != new {
            self.hold(new, row, fabric);
            self.release(old, row, fabric);
        }
    }

    /// The hop towards `ip`.
    pub(super) fn hop(&self, ip: IpAddr) -> u16 {
        self.destinations.get(&ip).map_or(NOWHERE, |destination| destination.hop)
    }

    /// The interface towards `ip`, when there is a hop.
    pub(super) fn interface(&self, ip: IpAddr) -> Option<u32> {
        let destination = self.destinations.get(&ip).filter(|destination| destination.hop != NOWHERE)?;
        Some(destination.way.as_ref()?.link.interface)
    }

    /// How many addresses have a way for which there is no room.
    pub(super) fn count_stuck(&self) -> usize {
        self.stuck.iter().filter(|ip| self.destinations.get(ip).is_some_and(Destination::is_stuck)).count()
    }

    pub(super) fn is_any_stuck(&self) -> bool {
        !self.stuck.is_empty()
    }

    /// An address whose way had no room, and its way. It is no longer known as such.
    pub(super) fn next_stuck(&mut self) -> Option<(IpAddr, Way)> {
        loop {
            let behind = self.tried.map_or(Bound::Unbounded, Bound::Excluded);
            let ip = *self.stuck.range((behind, Bound::Unbounded)).next().or_else(|| self.stuck.first())?;
            self.stuck.remove(&ip);
            self.tried = Some(ip);
            if let Some(destination) = self.destinations.get(&ip).filter(|destination| destination.is_stuck()) {
                return Some((ip, destination.way.clone()?));
            }
        }
    }

    /// How many addresses are watched, and how many of them have a resolved way.
    pub(super) fn count(&self) -> (usize, usize) {
        let resolved = |destination: &&Destination| destination.way.as_ref().is_some_and(|way| way.mac.is_some());
        (self.destinations.len(), self.destinations.values().filter(resolved).count())
    }

    /// Whether the way to `ip` is known down to the MAC address.
    pub(super) fn is_resolved(&self, ip: IpAddr) -> Option<bool> {
        let destination = self.destinations.get(&ip)?;
        Some(destination.way.as_ref().is_some_and(|way| way.mac.is_some()))
    }

    /// Remembers the way that an earlier process knew.
    pub(super) fn adopt(&mut self, ip: IpAddr, way: Way, hop: u16) {
        if let Some(destination) = self.destinations.get_mut(&ip) {
            destination.way = Some(way);
            destination.hop = hop;
        }
    }

    /// The hops that lead somewhere.
    pub(super) fn hops(&self) -> HashSet<u16> {
        self.destinations.values().map(|destination| destination.hop).collect()
    }
}

impl Destination {
    fn is_stuck(&self) -> bool {
        self.way.is_some() && self.hop == NOWHERE
    }
}

impl<F: Fabric> Plane<F> {
    /// The way to `ip` is `way` now; `None` when there is none.
    ///
    /// A neighbour's new MAC address is one write to the tables. A new neighbour or link is one for each row that goes
    /// there. On an error, what goes to `ip` is handed to the kernel path.
    pub fn handle_way(&mut self, ip: IpAddr, way: Option<Way>) -> Result<(), PlaneError> {
        let before = self.ways.hop(ip);
        let result = self.follow_way(ip, way);
        if before != NOWHERE && before != self.ways.hop(ip) {
            self.retry();
        }
        self.counted(result)
    }

    /// Every stream and copy to `ip` takes `way`. One that finds no room does not keep the others from theirs.
    pub(super) fn follow_way(&mut self, ip: IpAddr, way: Option<Way>) -> Result<(), PlaneError> {
        if !self.ways.destinations.contains_key(&ip) {
            return Ok(());
        }
        let (hop, mut result) = match way.as_ref().map(|way| self.write_hop(way)) {
            None => (NOWHERE, Ok(())),
            Some(Ok(hop)) => (hop, Ok(())),
            Some(Err(error)) => (NOWHERE, Err(error)),
        };
        let Some(destination) = self.ways.destinations.get_mut(&ip) else { return result };
        let changed = destination.hop != hop;
        destination.way = way;
        destination.hop = hop;
        if destination.is_stuck() {
            self.ways.stuck.insert(ip);
        }
        if !changed {
            return result;
        }
        self.in_vain = false;
        let users: Vec<_> = destination.users.keys().copied().collect();
        for row in users {
            result = result.and(self.follow(row));
        }
        self.sweep_hops();
        result
    }

    /// The port of `row` has learned where its party is: what goes to that party takes the way there.
    pub fn handle_move(&mut self, row: RowIndex) -> Result<(), PlaneError> {
        let Some(learned) = self.fabric.memory().row(row).and_then(undertone_abi::Row::learned) else { return Ok(()) };
        let Some(partner) = self.streams.get(&row).map(|stream| stream.partner) else { return Ok(()) };
        let Some(stream) = self.streams.get_mut(&partner) else { return Ok(()) };
        let new = IpAddr::from(learned.address);
        let old = std::mem::replace(&mut stream.towards, new);
        self.ways.swap(old, new, partner, &mut self.fabric);
        let result = self.follow(partner);
        self.counted(result)
    }

    /// Writes the hop of a way, and says which it is.
    fn write_hop(&mut self, way: &Way) -> Result<u16, PlaneError> {
        match self.try_hop(way) {
            Err(PlaneError::DevicesFull | PlaneError::HopsFull) if self.make_room() => self.try_hop(way),
            result => result,
        }
    }

    fn try_hop(&mut self, way: &Way) -> Result<u16, PlaneError> {
        let device = self.devices.slot(way.link.interface, &mut self.fabric)?;
        self.devices.restore(device, &mut self.fabric)?;
        let fabric = &mut self.fabric;
        let hop = self.hops.of(way, || fabric.settle()).ok_or(PlaneError::HopsFull)?;
        if let Some(cell) = self.fabric.memory().hop(hop) {
            let entry = hops::entry(way, device);
            if cell.read() != Some(entry) {
                cell.write(&entry);
            }
        }
        Ok(hop)
    }

    /// Takes back hops that nothing goes through any more.
    pub(super) fn sweep_hops(&mut self) {
        // A look costs the number of destinations, and while there are hops of an earlier process that of streams. When
        // the hops are all held, room is made whatever it costs.
        if self.hops.held() < 2 * self.ways.destinations.len() as u32 + 16 {
            return;
        }
        if self.hops.has_adopted() {
            let used = self.hops_in_tables();
            self.hops.sweep_adopted(&used);
        }
        let used = self.ways.hops();
        self.sweep_hops_but(&used);
    }

    /// Takes back every hop that is not in `used`.
    pub(super) fn sweep_hops_but(&mut self, used: &HashSet<u16>) {
        let memory = self.fabric.memory();
        self.hops.sweep(
            |hop| used.contains(&hop),
            |hop| {
                if let Some(cell) = memory.hop(hop) {
                    cell.write(&undertone_abi::Hop::default());
                }
            },
        );
    }
}
