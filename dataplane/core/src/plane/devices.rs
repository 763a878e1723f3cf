//! Output devices, and the shapes made of them.

use std::collections::{HashMap, HashSet};

use undertone_abi::limits::{DEVICES_MAX, SHAPES_MAX};

use super::PlaneError;
use crate::Fabric;

/// The devices that packets leave through, and the lists of them that copies are broadcast by.
#[derive(Clone, Debug, Default)]
pub(super) struct Devices {
    slots: Vec<Device>,
    shapes: HashMap<Vec<u8>, u16>,
}

#[derive(Clone, Debug)]
struct Device {
    interface: u32,
    /// Whether its frames pass the egress program. Once true, it stays.
    copies: bool,
}

impl Devices {
    /// The slot of an interface.
    pub(super) fn slot(&mut self, interface: u32, fabric: &mut impl Fabric) -> Result<u8, PlaneError> {
        if let Some(slot) = self.slots.iter().position(|device| device.interface == interface) {
            return Ok(slot as u8);
        }
        if self.slots.len() >= DEVICES_MAX as usize {
            return Err(PlaneError::DevicesFull);
        }
        let slot = self.slots.len() as u8;
        fabric.set_device(slot, interface, false).map_err(PlaneError::Fabric)?;
        self.slots.push(Device { interface, copies: false });
        Ok(slot)
    }

    /// Makes the frames of a device pass the egress program.
    ///
    /// The kernel runs one program for all frames that it sends through a device at once, so that every entry of the
    /// device changes first, and frames that left under the old entries are waited for.
    pub(super) fn carry_copies(&mut self, slot: u8, fabric: &mut impl Fabric) -> Result<(), PlaneError> {
        let Some(device) = self.slots.get_mut(slot as usize).filter(|device| !device.copies) else { return Ok(()) };
        fabric.set_device(slot, device.interface, true).map_err(PlaneError::Fabric)?;
        device.copies = true;
        for (slots, index) in &self.shapes {
            if slots.contains(&slot) {
                fabric.set_shape(*index, &self.interfaces(slots)).map_err(PlaneError::Fabric)?;
            }
        }
        fabric.settle();
        Ok(())
    }

    /// The shape with these devices, in this order. 0 for no devices at all.
    pub(super) fn shape(&mut self, slots: &[u8], fabric: &mut impl Fabric) -> Result<u16, PlaneError> {
        if slots.is_empty() {
            return Ok(0);
        }
        if let Some(shape) = self.shapes.get(slots) {
            return Ok(*shape);
        }
        let taken: HashSet<u16> = self.shapes.values().copied().collect();
        let index = (1..SHAPES_MAX as u16).find(|index| !taken.contains(index)).ok_or(PlaneError::ShapesFull)?;
        fabric.set_shape(index, &self.interfaces(slots)).map_err(PlaneError::Fabric)?;
        self.shapes.insert(slots.to_vec(), index);
        Ok(index)
    }

    /// Takes over the slots of an earlier process, and gives those that carry copies this process's program.
    pub(super) fn adopt(&mut self, devices: &[(u8, u32, bool)], fabric: &mut impl Fabric) -> Result<(), PlaneError> {
        for (slot, interface, copies) in devices {
            let slot = *slot as usize;
            if slot >= DEVICES_MAX as usize {
                continue;
            }
            // A slot whose interface is gone stays taken: hops may name it.
            while self.slots.len() <= slot {
                self.slots.push(Device { interface: 0, copies: false });
            }
            self.slots[slot] = Device { interface: *interface, copies: *copies };
            fabric.set_device(slot as u8, *interface, *copies).map_err(PlaneError::Fabric)?;
        }
        Ok(())
    }

    /// Remembers a shape of an earlier process.
    pub(super) fn adopt_shape(&mut self, index: u16, slots: Vec<u8>) {
        if index != 0 && !slots.is_empty() {
            self.shapes.entry(slots).or_insert(index);
        }
    }

    /// Gives every shape this process's program.
    pub(super) fn renew_shapes(&mut self, fabric: &mut impl Fabric) -> Result<(), PlaneError> {
        for (slots, index) in &self.shapes {
            fabric.set_shape(*index, &self.interfaces(slots)).map_err(PlaneError::Fabric)?;
        }
        Ok(())
    }

    /// The interface in a slot.
    pub(super) fn interface(&self, slot: u8) -> u32 {
        self.slots.get(slot as usize).map_or(0, |device| device.interface)
    }

    /// How many devices and shapes there are.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.slots.len(), self.shapes.len())
    }

    fn interfaces(&self, slots: &[u8]) -> Vec<(u32, bool)> {
        slots
            .iter()
            .filter_map(|slot| self.slots.get(*slot as usize))
            .map(|device| (device.interface, device.copies))
            .collect()
    }
}
