//! Copies of streams.

use std::net::{IpAddr, SocketAddr};

use undertone_abi::{CopyRule, GroupPlan, Local, RowIndex, Shapes, Via, limits::COPIES_MAX};

use super::{
    Plane, PlaneError,
    hops::{self, MIXER},
};
use crate::{CopyId, Fabric, Link, Memory as _, Mixer, MonitorPort, Way};

/// A copy and the device it leaves through.
type Placed = (u8, CopyRule);

impl<F: Fabric> Plane<F> {
    /// Sends a copy of the stream at `at` to a monitor port too. Nothing has changed after an error.
    pub fn add_copy(&mut self, at: SocketAddr, port: MonitorPort) -> Result<CopyId, PlaneError> {
        let row = self.row(at)?;
        if self.stream(row, at)?.copies.len() >= COPIES_MAX as usize {
            return Err(PlaneError::CopiesFull { port: at });
        }
        match port {
            MonitorPort::Network(to) => self.copy_source(row, to).map(drop)?,
            MonitorPort::Mixer(_) if self.mixer.is_none() => return Err(PlaneError::NoMixer),
            MonitorPort::Mixer(_) => {}
        }
        let id = CopyId(self.next_copy);
        self.next_copy = self.next_copy.wrapping_add(1);
        if let MonitorPort::Network(to) = port {
            self.ways.hold(to.ip(), row, &mut self.fabric);
        }
        self.stream_mut(row, at)?.copies.push((id, port));
        let result = self.refresh(row);
        if result.is_err() {
            self.stream_mut(row, at)?.copies.pop();
            self.release_monitor(port, row);
        }
        self.counted(result.map(|()| id))
    }

    /// Ends a copy of the stream at `at`. Nothing has changed after an error.
    pub fn remove_copy(&mut self, at: SocketAddr, id: CopyId) -> Result<(), PlaneError> {
        let row = self.row(at)?;
        let copies = &mut self.stream_mut(row, at)?.copies;
        let index = copies.iter().position(|(other, _)| *other == id).ok_or(PlaneError::NoCopy { port: at })?;
        let copy = copies.remove(index);
        let result = self.refresh(row).or_else(|error| match error {
            PlaneError::ShapesFull => self.vacate(row, copy.1).ok_or(error),
            error => Err(error),
        });
        match result {
            Ok(()) => self.release_monitor(copy.1, row),
            Err(_) => self.stream_mut(row, at)?.copies.insert(index, copy),
        }
        self.counted(result)
    }

    /// Ends a copy where fewer copies would be one shape too many: the others keep theirs, and its place sends nothing.
    fn vacate(&mut self, row: RowIndex, ended: MonitorPort) -> Option<()> {
        let to = match ended {
            MonitorPort::Network(to) => to,
            MonitorPort::Mixer(port) => (self.mixer.as_ref()?.address, port).into(),
        };
        let mut plan = self.group(self.streams.get(&row)?.group)?.plan();
        let place = plan.copies.iter_mut().find(|copy| copy.to == to.into())?;
        *place = CopyRule::default();
        let fabric = &mut self.fabric;
        let group = self.groups.take(true, || fabric.settle())?;
        self.fabric.memory().group(group)?.write(&plan);
        self.put_group(row, group);
        Some(())
    }

    /// Says where the local mixer is: at the far end of a link whose near end is `link`, with this MAC address.
    pub fn set_mixer(&mut self, mixer: Mixer, link: Link, mac: [u8; 6]) -> Result<(), PlaneError> {
        let device = self.devices.slot(link.interface, &mut self.fabric)?;
        let interface = link.interface;
        let way = Way { link, neighbour: mixer.address.into(), mac: Some(mac) };
        let memory = self.fabric.memory();
        if let Some(cell) = memory.hop(MIXER) {
            cell.write(&hops::entry(&way, device));
        }
        memory.config().set_copies_port(mixer.copies_port);
        memory.config().set_mixer(interface, MIXER, mixer.address, &mixer.divert_ports, mixer.unresolved_port);
        self.mixer = Some(mixer);
        let copied: Vec<_> =
            self.streams.iter().filter(|(_, stream)| !stream.copies.is_empty()).map(|(row, _)| *row).collect();
        let result = copied.into_iter().map(|row| self.follow(row)).fold(Ok(()), Result::and);
        self.counted(result)
    }

    pub(super) fn release_monitor(&mut self, port: MonitorPort, row: RowIndex) {
        if let MonitorPort::Network(to) = port {
            self.ways.release(to.ip(), row, &mut self.fabric);
        }
    }

    /// Fills a group with a row's copies. A copy whose way is not known yet is left out until it is; 0 without any.
    pub(super) fn make_group(&mut self, row: RowIndex) -> Result<u16, PlaneError> {
        let mut placed = self.place_copies(row)?;
        if placed.is_empty() {
            return Ok(0);
        }
        placed.sort_by_key(|(slot, _)| *slot);
        for (slot, _) in &placed {
            self.devices.carry_copies(*slot, &mut self.fabric)?;
        }
        let mut plan = GroupPlan { shapes: self.make_shapes(row, &placed)?, ..GroupPlan::default() };
        plan.count = placed.len() as u8;
        for (index, (slot, copy)) in placed.into_iter().enumerate() {
            plan.copies[index] = copy;
            plan.devices[index] = slot;
            plan.interfaces[index] = self.devices.interface(slot).unwrap_or(0);
        }
        let fabric = &mut self.fabric;
        let has_one = self.streams.get(&row).is_some_and(|stream| stream.group != 0);
        let groups = self.groups.max();
        let group = self.groups.take(has_one, || fabric.settle()).ok_or(PlaneError::GroupsFull { groups })?;
        if let Some(cell) = self.fabric.memory().group(group) {
            cell.write(&plan);
        }
        Ok(group)
    }

    fn place_copies(&mut self, row: RowIndex) -> Result<Vec<Placed>, PlaneError> {
        let ports: Vec<_> =
            self.streams.get(&row).into_iter().flat_map(|stream| &stream.copies).map(|(_, port)| *port).collect();
        let mut placed = Vec::with_capacity(ports.len());
        for port in ports {
            placed.extend(self.place_copy(row, port)?);
        }
        Ok(placed)
    }

    fn place_copy(&mut self, row: RowIndex, port: MonitorPort) -> Result<Option<Placed>, PlaneError> {
        let (to, local, hop, interface) = match (port, self.mixer.as_ref()) {
            (MonitorPort::Network(to), _) => {
                let local = self.copy_source(row, to)?;
                (to, local, self.ways.hop(to.ip()), self.ways.interface(to.ip()))
            }
            (MonitorPort::Mixer(port), Some(mixer)) => {
                let interface = self.fabric.memory().config().mixer_interface();
                (SocketAddr::from((mixer.address, port)), row.local(), MIXER, Some(interface))
            }
            (MonitorPort::Mixer(_), None) => return Ok(None),
        };
        let slot = match interface {
            _ if F::ROUTED_BY_KERNEL => 0,
            Some(interface) => self.devices.slot(interface, &mut self.fabric)?,
            None => return Ok(None),
        };
        let copy = CopyRule { to: to.into(), from_port: row.port(), via: Via { local, hop } };
        Ok(Some((slot, copy)))
    }

    /// The media address that a copy is sent from: the stream's own, or the first of the monitor port's IP version.
    fn copy_source(&self, row: RowIndex, to: SocketAddr) -> Result<Local, PlaneError> {
        if to.port() == 0 || to.ip().is_unspecified() || to.ip().is_multicast() {
            return Err(PlaneError::NoPeer { peer: to });
        }
        self.check_elsewhere(to)?;
        let fits = |ip: &IpAddr| ip.is_ipv4() == to.is_ipv4();
        let own = row.local();
        match self.node.addresses.get(own.0 as usize) {
            Some(ip) if fits(ip) => Ok(own),
            _ => {
                let index = self.node.addresses.iter().position(fits).ok_or(PlaneError::NoSource { to })?;
                Ok(Local(index as u8))
            }
        }
    }

    /// The shapes of a row whose copies are placed: with its party's device ahead, with the mixer's, with neither.
    fn make_shapes(&mut self, row: RowIndex, placed: &[Placed]) -> Result<Shapes, PlaneError> {
        if F::ROUTED_BY_KERNEL {
            return Ok(Shapes::default());
        }
        match self.try_shapes(row, placed) {
            Err(PlaneError::ShapesFull) if self.make_room() => self.try_shapes(row, placed),
            result => result,
        }
    }

    fn try_shapes(&mut self, row: RowIndex, placed: &[Placed]) -> Result<Shapes, PlaneError> {
        let copies: Vec<u8> = placed.iter().map(|(slot, _)| *slot).collect();
        let ahead = |slot: u8| [&[slot], copies.as_slice()].concat();
        let party = self.streams.get(&row).and_then(|stream| self.ways.interface(stream.towards));
        let forward = match party {
            Some(interface) => {
                let slot = self.devices.slot(interface, &mut self.fabric)?;
                self.devices.shape(&ahead(slot), &mut self.fabric)?
            }
            None => 0,
        };
        let divert = match self.fabric.memory().config().mixer_interface() {
            0 => 0,
            interface => {
                let slot = self.devices.slot(interface, &mut self.fabric)?;
                self.devices.shape(&ahead(slot), &mut self.fabric)?
            }
        };
        Ok(Shapes { forward, divert, hold: self.devices.shape(&copies, &mut self.fabric)? })
    }
}
