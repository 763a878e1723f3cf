//! Where a packet goes next: the device, the VLAN and the two MAC addresses it leaves with.

use crate::{Packed, Published};

/// A VLAN tag as it stands in a frame: the TPID and the TCI, IEEE 802.1Q, section 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tag {
    /// `0x8100` for a customer tag, `0x88a8` for a service tag.
    pub tpid: u16,
    /// Priority, drop eligibility and VLAN identifier.
    pub tci: u16,
}

/// A next hop, kept from the kernel's routes and neighbours.
///
/// One hop serves every stream behind the same gateway, so a gateway's new MAC address is one write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// Whether the neighbour's MAC address is known.
    pub resolved: bool,
    /// The slot in [`DEVICES`](crate::maps::DEVICES) of the device to leave through.
    pub device: u8,
    /// Tags to send with, outermost first: none, one or two.
    pub tags: u8,
    /// The largest IP packet the way carries, in bytes.
    pub mtu: u16,
    /// The outer tag, when there are two, else the only one.
    pub outer: Tag,
    /// The inner tag, when there are two.
    pub inner: Tag,
    /// Destination MAC, then source MAC, in words loaded from a frame. See [`Hop::macs`].
    pub macs: [u32; 3],
}

impl Hop {
    /// Whether the hop that is live in `cell` has a known neighbour, without reading all of it.
    #[inline(always)]
    pub fn is_resolved(cell: &Published) -> bool {
        cell.peek::<0>() & 1 == 1
    }

    /// The words for two MAC addresses.
    pub const fn macs(destination: [u8; 6], source: [u8; 6]) -> [u32; 3] {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (destination, source);
        [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]), u32::from_ne_bytes([i, j, k, l])]
    }
}

impl Packed for Hop {
    #[inline(always)]
    fn pack(&self) -> [u32; 7] {
        let [m0, m1, m2] = self.macs;
        [
            self.resolved as u32 | (self.device as u32) << 8 | (self.tags as u32) << 16,
            self.mtu as u32,
            (self.outer.tpid as u32) << 16 | self.outer.tci as u32,
            (self.inner.tpid as u32) << 16 | self.inner.tci as u32,
            m0,
            m1,
            m2,
        ]
    }

    #[inline(always)]
    fn unpack(words: &[u32; 7]) -> Self {
        let [head, mtu, outer, inner, m0, m1, m2] = *words;
        Self {
            resolved: head & 1 == 1,
            device: (head >> 8) as u8,
            tags: (head >> 16) as u8,
            mtu: mtu as u16,
            outer: Tag { tpid: (outer >> 16) as u16, tci: outer as u16 },
            inner: Tag { tpid: (inner >> 16) as u16, tci: inner as u16 },
            macs: [m0, m1, m2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_survives_packing() {
        let hop = Hop {
            resolved: true,
            device: 31,
            tags: 2,
            mtu: 9000,
            outer: Tag { tpid: 0x88a8, tci: 0xe123 },
            inner: Tag { tpid: 0x8100, tci: 0x0fff },
            macs: Hop::macs([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]),
        };
        assert_eq!(Hop::unpack(&hop.pack()), hop);
        assert_eq!(Hop::unpack(&Hop::default().pack()), Hop::default());
    }
}
