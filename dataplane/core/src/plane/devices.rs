//! Output devices, and the shapes made of them.

use std::collections::{HashMap, HashSet};

use undertone_abi::limits::{DEVICES_MAX, SHAPES_MAX};

use super::PlaneError;
use crate::Fabric;

/// The devices that packets leave through, and the lists of them that copies are broadcast by.
#[derive(Clone, Debug, Default)]
pub(super) struct Devices {
    /// By number; `None` where another may be put.
    slots: Vec<Option<Device>>,
    shapes: HashMap<Vec<u8>, u16>,
}

#[derive(Clone, Debug)]
struct Device {
    /// Its index; 0 for one of an earlier process that is gone.
    interface: u32,
    /// Whether its frames pass the egress program. Once true, it stays.
    copies: bool,
}

impl Devices {
    /// The slot of an interface.
    pub(super) fn slot(&mut self, interface: u32, fabric: &mut impl Fabric) -> Result<u8, PlaneError> {
        let has = |slot: &Option<Device>| slot.as_ref().is_some_and(|device| device.interface == interface);
        if let Some(slot) = self.slots.iter().position(has) {
            return Ok(slot as u8);
        }
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if slot >= DEVICES_MAX as usize {
            return Err(PlaneError::DevicesFull);
        }
        fabric.set_device(slot as u8, interface, false).map_err(PlaneError::Fabric)?;
        self.put(slot, Device { interface, copies: false });
        Ok(slot as u8)
    }

    /// Puts a device back wherever it stands, if the kernel has dropped it: its interface went, and came again under
    /// the same index.
    pub(super) fn restore(&mut self, slot: u8, fabric: &mut impl Fabric) -> Result<(), PlaneError> {
        let Some(device) = self.device(slot).cloned() else { return Ok(()) };
        if fabric.has_device(slot, device.interface) {
            return Ok(());
        }
        fabric.set_device(slot, device.interface, device.copies).map_err(PlaneError::Fabric)?;
        self.set_shapes_with(slot, fabric)
    }

    /// Makes the frames of a device pass the egress program.
    ///
    /// The kernel runs one program for all frames that it sends through a device at once, so that every entry of the
    /// device changes first, and frames that left under the old entries are waited for.
    pub(super) fn carry_copies(&mut self, slot: u8, fabric: &mut impl Fabric) -> Result<(), PlaneError> {
        let Some(Some(device)) = self.slots.get_mut(slot as usize) else { return Ok(()) };
        if device.copies {
            return Ok(());
        }
        fabric.set_device(slot, device.interface, true).map_err(PlaneError::Fabric)?;
        device.copies = true;
        self.set_shapes_with(slot, fabric)?;
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

    /// Takes back every shape that is not in `shapes`, and then every slot that is neither in `slots` nor in a shape.
    /// What was taken back may be used again after [`Fabric::settle`].
    pub(super) fn sweep(&mut self, slots: &HashSet<u8>, shapes: &HashSet<u16>) {
        self.shapes.retain(|_, index| shapes.contains(index));
        let in_shapes: HashSet<u8> = self.shapes.keys().flatten().copied().collect();
        for (slot, device) in (0_u8..).zip(&mut self.slots) {
            if !slots.contains(&slot) && !in_shapes.contains(&slot) {
                *device = None;
            }
        }
    }

    /// Takes over the slots of an earlier process, and gives those that carry copies this process's program.
    pub(super) fn adopt(&mut self, devices: &[(u8, u32, bool)], fabric: &mut impl Fabric) -> Result<(), PlaneError> {
        for (slot, interface, copies) in devices {
            if *slot < DEVICES_MAX as u8 {
                self.put(*slot as usize, Device { interface: *interface, copies: *copies });
                fabric.set_device(*slot, *interface, *copies).map_err(PlaneError::Fabric)?;
            }
        }
        Ok(())
    }

    /// Keeps the slot of an earlier process whose interface is gone, since a hop or a group names it.
    pub(super) fn adopt_gone(&mut self, slot: u8) {
        if slot < DEVICES_MAX as u8 && self.device(slot).is_none() {
            self.put(slot as usize, Device { interface: 0, copies: false });
        }
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

    /// The interface in a slot; `None` when there is none, or it is gone.
    pub(super) fn interface(&self, slot: u8) -> Option<u32> {
        self.device(slot).map(|device| device.interface).filter(|interface| *interface != 0)
    }

    /// How many devices and shapes there are.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.slots.iter().flatten().count(), self.shapes.len())
    }

    fn device(&self, slot: u8) -> Option<&Device> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn put(&mut self, slot: usize, device: Device) {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = Some(device);
    }

    fn set_shapes_with(&self, slot: u8, fabric: &mut impl Fabric) -> Result<(), PlaneError> {
        for (slots, index) in self.shapes.iter().filter(|(slots, _)| slots.contains(&slot)) {
            fabric.set_shape(*index, &self.interfaces(slots)).map_err(PlaneError::Fabric)?;
        }
        Ok(())
    }

    fn interfaces(&self, slots: &[u8]) -> Vec<(u32, bool)> {
        let device = |slot: &u8| self.device(*slot).map_or((0, false), |device| (device.interface, device.copies));
        slots.iter().map(device).collect()
    }
}
