//! Duplication: which copies of a stream are made, and how a frame finds out which copy it is.

use crate::{
    Address, Endpoint, Via,
    cell::{Word32, acquire, release},
    limits::{COPIES_MAX, SHAPE_ENTRIES, SHAPES_MAX},
};

/// How one copy is rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyRule {
    /// The monitor port.
    pub to: Endpoint,
    /// The port it is sent from, which tells an analyser the streams apart.
    pub from_port: u16,
    /// The address it is sent from, and its next hop.
    pub via: Via,
}

/// The shapes of a group, by what happens to the stream itself. 0 means there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// The stream goes on to its party.
    pub forward: u16,
    /// The stream goes through the mixer.
    pub divert: u16,
    /// The stream ends here; only copies leave.
    pub hold: u16,
}

/// What user space wants a group to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupPlan {
    /// Which devices, in which order.
    pub shapes: Shapes,
    /// How many of `copies` there are.
    pub count: u8,
    /// The copies, sorted by device as the shapes list them.
    pub copies: [CopyRule; COPIES_MAX as usize],
    /// The interface index each copy leaves through.
    pub interfaces: [u32; COPIES_MAX as usize],
    /// The device slot each copy leaves through.
    pub devices: [u8; COPIES_MAX as usize],
}

/// One replication group.
///
/// A group never changes while a rule names it: other copies mean another group, and this one is used again only
/// after every packet that could know it has left.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Group {
    /// `forward << 16 | divert`.
    shapes: Word32,
    /// `hold << 16 | count`.
    hold: Word32,
    /// Interface index of each copy; 0 beyond the last.
    interfaces: [Word32; COPIES_MAX as usize],
    /// Device slot of each copy.
    devices: [Word32; 2],
    copies: [[Word32; 6]; COPIES_MAX as usize],
    unused: [Word32; 4],
}

const _: () = {
    assert!(size_of::<Group>() == 256);
    assert!(SHAPES_MAX <= 65_536 && SHAPE_ENTRIES == COPIES_MAX + 1);
};

impl Group {
    /// Fills a group that no rule names.
    pub fn write(&self, plan: &GroupPlan) {
        self.shapes.store((plan.shapes.forward as u32) << 16 | plan.shapes.divert as u32);
        self.hold.store((plan.shapes.hold as u32) << 16 | plan.count as u32);
        for (index, word) in self.interfaces.iter().enumerate() {
            word.store(if index < plan.count as usize { plan.interfaces[index] } else { 0 });
        }
        for (word, slots) in self.devices.iter().zip(plan.devices.as_chunks::<4>().0) {
            word.store(u32::from_le_bytes(*slots));
        }
        for (words, copy) in self.copies.iter().zip(&plan.copies) {
            let [a, b, c, d] = copy.to.address.0;
            let packed = [a, b, c, d, (copy.to.port as u32) << 16 | copy.from_port as u32, copy.via.pack()];
            for (word, value) in words.iter().zip(packed) {
                word.store(value);
            }
        }
        release();
    }

    /// What this group was filled with.
    pub fn plan(&self) -> GroupPlan {
        let mut plan = GroupPlan { shapes: self.shapes(), count: self.count(), ..GroupPlan::default() };
        for index in 0..COPIES_MAX as usize {
            plan.copies[index] = self.copy(index).unwrap_or_default();
            plan.interfaces[index] = self.interface(index);
            plan.devices[index] = self.device(index);
        }
        plan
    }

    /// Which devices the stream and its copies leave through.
    #[inline(always)]
    pub fn shapes(&self) -> Shapes {
        acquire();
        let shapes = self.shapes.load();
        Shapes { forward: (shapes >> 16) as u16, divert: shapes as u16, hold: (self.hold.load() >> 16) as u16 }
    }

    /// How many copies there are.
    #[inline(always)]
    pub fn count(&self) -> u8 {
        self.hold.load() as u8
    }

    /// The first copy that leaves through `interface`. Copies of one interface stand side by side.
    #[inline(always)]
    pub fn first_on(&self, interface: u32) -> Option<usize> {
        (0..COPIES_MAX as usize).find(|index| self.interfaces[*index].load() == interface)
    }

    /// The interface index of copy `index`; 0 when there is no such copy.
    #[inline(always)]
    pub fn interface(&self, index: usize) -> u32 {
        match self.interfaces.get(index) {
            Some(word) => word.load(),
            None => 0,
        }
    }

    /// The device slot of copy `index`.
    #[inline(always)]
    pub fn device(&self, index: usize) -> u8 {
        let word = if index < 4 { &self.devices[0] } else { &self.devices[1] };
        (word.load() >> (8 * (index & 3))) as u8
    }

    /// Copy `index`, if it is one of this group's. A copy without a port has ended, and only its place is left.
    #[inline(always)]
    pub fn copy(&self, index: usize) -> Option<CopyRule> {
        let words = self.copies.get(index)?;
        let ports = words[4].load();
        if ports >> 16 == 0 {
            return None;
        }
        Some(CopyRule {
            to: Endpoint {
                address: Address([words[0].load(), words[1].load(), words[2].load(), words[3].load()]),
                port: (ports >> 16) as u16,
            },
            from_port: ports as u16,
            via: Via::unpack(words[5].load()),
        })
    }
}

/// What the ingress program writes in front of a frame that is about to be broadcast (XDP metadata).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CopyMark {
    /// [`MAGIC`](Self::MAGIC): a frame whose metadata somebody else wrote is left alone.
    pub magic: u32,
    /// The replication group.
    pub group: u32,
    /// Which packet of this CPU it is: every copy of one packet bears the same.
    pub serial: u32,
    /// The device slot that the stream itself leaves through, ahead of any copy, plus one; 0 when it does not leave.
    pub original: u16,
    /// What is still to be added to the sequence number of each copy: of a stream that does not leave.
    pub sequence_offset: u16,
}

impl CopyMark {
    /// Marks a mark.
    pub const MAGIC: u32 = 0x5554_4e31;
    /// Bytes of metadata.
    pub const LENGTH: usize = size_of::<Self>();
}

const _: () = assert!(CopyMark::LENGTH.is_multiple_of(4) && CopyMark::LENGTH <= 32, "what the kernel allows");

/// Per CPU and device: which packet's copy left last, and how many of that packet have left.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Turn {
    serial: Word32,
    count: Word32,
}

impl Turn {
    /// Counts one more frame of packet `serial` on this device: 0 for the first.
    ///
    /// All frames of one packet pass a device one after another, so that the last serial is all there is to keep.
    #[inline(always)]
    pub fn take(&self, serial: u32) -> usize {
        if self.serial.load() == serial {
            let count = self.count.load();
            self.count.store(count.wrapping_add(1));
            count as usize
        } else {
            self.serial.store(serial);
            self.count.store(1);
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Local;

    #[test]
    fn a_group_reads_as_written() {
        let mut plan = GroupPlan { count: 5, ..GroupPlan::default() };
        plan.shapes = Shapes { forward: 1, divert: 2, hold: 3 };
        for index in 0..5 {
            plan.copies[index] = CopyRule {
                to: Endpoint { address: Address([9, 8, 7, index as u32]), port: 4000 + index as u16 },
                from_port: 5000 + index as u16,
                via: Via { local: Local(3), hop: index as u16 },
            };
            plan.interfaces[index] = 70 + index as u32 / 2;
            plan.devices[index] = 20 + index as u8;
        }
        let group = Group::default();
        group.write(&plan);
        assert_eq!(group.plan(), plan);
        assert_eq!((group.shapes(), group.count()), (plan.shapes, 5));
        assert_eq!([group.first_on(70), group.first_on(71), group.first_on(72)], [Some(0), Some(2), Some(4)]);
        assert_eq!(group.first_on(99), None);
        for index in 0..5 {
            assert_eq!(group.copy(index), Some(plan.copies[index]));
            assert_eq!(group.device(index), plan.devices[index]);
        }
        assert_eq!((group.interface(5), group.interface(100), group.copy(8)), (0, 0, None));
    }

    #[test]
    fn a_copy_without_a_port_is_none() {
        let mut plan = GroupPlan { count: 2, ..GroupPlan::default() };
        plan.copies[1].to = Endpoint { address: Address([9, 8, 7, 6]), port: 4000 };
        let group = Group::default();
        group.write(&plan);
        assert_eq!([group.copy(0), group.copy(1)], [None, Some(plan.copies[1])]);
    }

    #[test]
    fn a_turn_counts_the_frames_of_one_packet() {
        let turn = Turn::default();
        let taken: Vec<_> = [7, 7, 7, 8, 9, 9].iter().map(|serial| turn.take(*serial)).collect();
        assert_eq!(taken, [0, 1, 2, 0, 0, 1]);
    }
}
