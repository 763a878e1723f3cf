//! What holds for the whole node: its media addresses, their ports, and the way to the local mixer.

use crate::{
    Address, Local, RowIndex,
    cell::{Word32, acquire, release},
    limits::{LANES_MAX, MEDIA_ADDRESS_SLOTS, MEDIA_ADDRESSES_MAX},
};

/// Which side of the node an address is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Parties send here.
    Network,
    /// The local mixer sends here: what it made of a diverted packet.
    Mixer,
}

/// A destination address that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    /// Which one.
    pub local: Local,
    /// Who sends here.
    pub side: Side,
}

/// One slot of the lookup table.
#[derive(Debug, Default)]
#[repr(C)]
pub struct MediaAddressSlot {
    address: [Word32; 4],
    /// 0 for an empty slot, else the local index plus one, and [`MIXER`](Self::MIXER).
    entry: Word32,
    unused: Word32,
}

impl MediaAddressSlot {
    const MIXER: u32 = 0x100;
}

/// One of our addresses, by index.
#[derive(Debug, Default)]
#[repr(C)]
pub struct LocalAddress {
    address: [Word32; 4],
    /// The IPv4 address that stands for it on the mixer's link.
    alias: Word32,
    unused: [Word32; 3],
}

impl LocalAddress {
    /// The address itself.
    #[inline(always)]
    pub fn address(&self) -> Address {
        Address([self.address[0].load(), self.address[1].load(), self.address[2].load(), self.address[3].load()])
    }

    /// The address that stands for it on the mixer's link, [`Address::NONE`] without a mixer.
    #[inline(always)]
    pub fn alias(&self) -> Address {
        match self.alias.load() {
            0 => Address::NONE,
            word => Address::v4(word),
        }
    }
}

/// The node. Written before traffic flows; the mixer's part may follow later.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Config {
    /// The seed that is live, but for its lowest bit, which names the bank that it is for.
    seed: Word32,
    /// `last << 16 | first` media port.
    ports: Word32,
    /// The interface towards the mixer; 0 without one.
    mixer_interface: Word32,
    /// The next hop to the mixer.
    mixer_hop: Word32,
    /// The mixer's IPv4 address on its link.
    mixer_address: Word32,
    /// `lanes << 16 | port`: how many lanes the mixer has, and its port for packets whose hop is not known.
    unresolved: Word32,
    /// The mixer's port for packets that it is to copy; 0 when copies are made in the kernel.
    copies_port: Word32,
    /// Not 0 while the program [`POLL_END`](crate::programs::POLL_END) runs.
    poll_end: Word32,
    /// The mixer's ports for diverted packets, two lanes a word: the first in its lower half.
    divert_ports: [Word32; LANES_MAX as usize / 2],
    /// Two banks: one is filled while packets look into the other.
    slots: [MediaAddressSlot; 2 * MEDIA_ADDRESS_SLOTS as usize],
    locals: [LocalAddress; MEDIA_ADDRESSES_MAX as usize],
}

const _: () = assert!(size_of::<Config>() == 64 + 128 * 24 + 16 * 32 && size_of::<Config>() < 4096);

impl Config {
    /// An empty node.
    #[cfg(not(target_arch = "bpf"))]
    pub fn new() -> Self {
        Self {
            seed: Word32::new(0),
            ports: Word32::new(0),
            mixer_interface: Word32::new(0),
            mixer_hop: Word32::new(0),
            mixer_address: Word32::new(0),
            unresolved: Word32::new(0),
            copies_port: Word32::new(0),
            poll_end: Word32::new(0),
            divert_ports: Default::default(),
            slots: core::array::from_fn(|_| MediaAddressSlot::default()),
            locals: Default::default(),
        }
    }

    /// Which of our addresses `address` is.
    #[inline(always)]
    pub fn media_address(&self, address: &Address) -> Option<MediaAddress> {
        let seed = self.seed.load();
        acquire();
        let slot = self.slots.get(place(seed, address))?;
        let [a, b, c, d] = &slot.address;
        if Address([a.load(), b.load(), c.load(), d.load()]) != *address {
            return None;
        }
        match slot.entry.load() {
            0 => None,
            entry => Some(MediaAddress {
                local: Local((entry as u8).wrapping_sub(1)),
                side: if entry & MediaAddressSlot::MIXER == 0 { Side::Network } else { Side::Mixer },
            }),
        }
    }

    /// Our address number `local`.
    #[inline(always)]
    pub fn local(&self, local: Local) -> Option<&LocalAddress> {
        self.locals.get(local.0 as usize)
    }

    /// Whether `port` is one that media may use.
    #[inline(always)]
    pub fn is_media_port(&self, port: u16) -> bool {
        let ports = self.ports.load();
        port >= ports as u16 && port <= (ports >> 16) as u16
    }

    /// The interface towards the mixer; 0 without one.
    #[inline(always)]
    pub fn mixer_interface(&self) -> u32 {
        self.mixer_interface.load()
    }

    /// The next hop to the mixer.
    #[inline(always)]
    pub fn mixer_hop(&self) -> u16 {
        self.mixer_hop.load() as u16
    }

    /// The mixer's address on its link.
    #[inline(always)]
    pub fn mixer_address(&self) -> Address {
        Address::v4(self.mixer_address.load())
    }

    /// The mixer's port for diverted packets of the stream that comes to `row`: that of its [lane](lane_of).
    #[inline(always)]
    pub fn divert_port(&self, row: RowIndex, partner: RowIndex) -> u16 {
        let lane = lane_of(row, partner, self.unresolved.load() >> 16);
        match self.divert_ports.get(lane as usize / 2) {
            Some(ports) => (ports.load() >> (16 * (lane & 1))) as u16,
            None => 0,
        }
    }

    /// The mixer's port for packets whose next hop is not resolved.
    #[inline(always)]
    pub fn unresolved_port(&self) -> u16 {
        self.unresolved.load() as u16
    }

    /// The mixer's port for packets that it is to copy; 0 when copies are made in the kernel.
    #[inline(always)]
    pub fn copies_port(&self) -> u16 {
        self.copies_port.load() as u16
    }

    /// Whether the packets of one poll share a time: somebody tells when a poll ends.
    #[inline(always)]
    pub fn has_poll_end(&self) -> bool {
        self.poll_end.load() != 0
    }

    /// Says whether somebody tells when a poll ends.
    pub fn set_poll_end(&self, is_told: bool) {
        self.poll_end.store(is_told.into());
    }

    /// Says whether the mixer makes the copies: at this port, or not when 0.
    pub fn set_copies_port(&self, port: u16) {
        self.copies_port.store(port as u32);
    }

    /// Sets the media ports, first and last.
    pub fn set_ports(&self, first: u16, last: u16) {
        self.ports.store((last as u32) << 16 | first as u32);
    }

    /// Sets the mixer's interface, hop, address and ports: for diverted packets one a lane, at most [`LANES_MAX`], and one for
    /// unresolved packets.
    pub fn set_mixer(&self, interface: u32, hop: u16, address: core::net::Ipv4Addr, divert: &[u16], unresolved: u16) {
        self.mixer_hop.store(hop as u32);
        self.mixer_address.store(Address::from(address).v4_word());
        for (word, ports) in self.divert_ports.iter().zip(divert.chunks(2)) {
            word.store(ports.iter().rev().fold(0, |word, port| word << 16 | *port as u32));
        }
        let lanes = (divert.len() as u32).min(LANES_MAX);
        self.unresolved.store(lanes << 16 | unresolved as u32);
        release();
        self.mixer_interface.store(interface);
    }

    /// Sets all media addresses with what stands for them on the mixer's link, and finds the seed that gives each a
    /// slot of its own. Packets see the old addresses or the new ones. False when there are too many, or two are the
    /// same.
    #[must_use]
    pub fn set_addresses(&self, addresses: &[(Address, Option<core::net::Ipv4Addr>)]) -> bool {
        if addresses.len() > MEDIA_ADDRESSES_MAX as usize {
            return false;
        }
        let entries = || {
            addresses.iter().enumerate().flat_map(|(index, (address, alias))| {
                let entry = index as u32 + 1;
                let alias = alias.map(|alias| (Address::from(alias), entry | MediaAddressSlot::MIXER));
                [Some((*address, entry)), alias].into_iter().flatten()
            })
        };
        let bank = !self.seed.load() & 1;
        let Some(seed) = (0..100_000_u32).map(|n| n.wrapping_mul(0x9e37_79b9) & !1 | bank).find(|seed| {
            let mut taken = 0_u128;
            entries().all(|(address, _)| {
                let bit = 1_u128 << place(*seed, &address);
                let free = taken & bit == 0;
                taken |= bit;
                free
            })
        }) else {
            return false;
        };
        for (local, (address, alias)) in self.locals.iter().zip(addresses) {
            store(&local.address, address);
            local.alias.store(alias.map_or(0, |alias| Address::from(alias).v4_word()));
        }
        self.fill(seed, entries());
        true
    }

    /// Fills the bank that is not live, and makes it live.
    fn fill(&self, seed: u32, entries: impl Iterator<Item = (Address, u32)>) {
        let [first, second] = self.slots.as_chunks::<{ MEDIA_ADDRESS_SLOTS as usize }>().0 else { return };
        for slot in if seed & 1 == 0 { first } else { second } {
            slot.entry.store(0);
        }
        for (address, entry) in entries {
            if let Some(slot) = self.slots.get(place(seed, &address)) {
                store(&slot.address, &address);
                slot.entry.store(entry);
            }
        }
        release();
        self.seed.store(seed);
    }
}

/// Where `address` stands among the slots of both banks.
#[inline(always)]
const fn place(seed: u32, address: &Address) -> usize {
    (address.slot(seed | 1, MEDIA_ADDRESS_SLOTS) + (seed & 1) * MEDIA_ADDRESS_SLOTS) as usize
}

/// Which of so many lanes of the mixer serves the stream that comes to `row`. A stream and its partner have the same one, so
/// that whoever hears a call, and speaks into it, has both.
#[inline(always)]
pub const fn lane_of(row: RowIndex, partner: RowIndex, lanes: u32) -> u32 {
    // Ports of a call may lie at a fixed distance: their sum differs from call to call, and is the same from either side.
    let mixed = row.0.wrapping_add(partner.0).wrapping_mul(0x9e37_79b9) >> 16;
    (mixed * lanes) >> 16
}

#[cfg(not(target_arch = "bpf"))]
impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

fn store(words: &[Word32; 4], address: &Address) {
    for (word, value) in words.iter().zip(address.0) {
        word.store(value);
    }
}

#[cfg(test)]
mod tests {
    use core::{
        net::{IpAddr, Ipv4Addr},
        sync::atomic::{AtomicBool, AtomicU64, Ordering},
    };
    use std::thread;

    use super::*;

    fn sixteen() -> Vec<(Address, Option<Ipv4Addr>)> {
        (0..16_u8)
            .map(|n| {
                let ip: IpAddr = if n % 2 == 0 {
                    Ipv4Addr::new(10, 0, n, 1).into()
                } else {
                    format!("fd00:{n}::1").parse().unwrap()
                };
                (ip.into(), Some(Ipv4Addr::new(169, 254, 64, 16 + n)))
            })
            .collect()
    }

    #[test]
    fn every_address_finds_its_index() {
        let config = Config::new();
        let addresses = sixteen();
        assert!(config.set_addresses(&addresses));
        for (index, (address, alias)) in addresses.iter().enumerate() {
            let local = Local(index as u8);
            assert_eq!(config.media_address(address), Some(MediaAddress { local, side: Side::Network }));
            let alias = Address::from(alias.unwrap());
            assert_eq!(config.media_address(&alias), Some(MediaAddress { local, side: Side::Mixer }));
            assert_eq!(config.local(local).map(LocalAddress::address), Some(*address));
            assert_eq!(config.local(local).map(LocalAddress::alias), Some(alias));
        }
        assert_eq!(config.media_address(&Ipv4Addr::new(10, 0, 1, 1).into()), None);
        assert_eq!(config.media_address(&Address::NONE), None);
    }

    #[test]
    fn addresses_that_stay_are_found_at_any_moment() {
        let config = Config::new();
        let addresses = sixteen();
        assert!(config.set_addresses(&addresses[..8]));
        let (looks, done) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let packets = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(config.media_address(&addresses[7].0).is_some());
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
            for round in 0..1000 {
                assert!(config.set_addresses(&addresses[..8 + round % 9]));
                // No look lasts as long as it takes from one start of a daemon to the next.
                let before = looks.load(Ordering::Relaxed);
                while looks.load(Ordering::Relaxed) < before + 2 && !packets.is_finished() {
                    thread::yield_now();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn addresses_that_are_alike_find_places_of_their_own() {
        for pair in [["2001:db8:0:1::10", "2001:db8::90"], ["2001:db8:0:1::1", "2001:db8::81"], ["fd00::1", "fd00::2"]]
        {
            let addresses = pair.map(|text| (text.parse::<IpAddr>().unwrap().into(), None));
            let config = Config::new();
            assert!(config.set_addresses(&addresses), "{pair:?}");
            for (index, (address, _)) in addresses.iter().enumerate() {
                let found = config.media_address(address).map(|found| found.local);
                assert_eq!(found, Some(Local(index as u8)), "{pair:?}");
            }
        }
    }

    #[test]
    fn too_many_or_twice_the_same_is_refused() {
        let config = Config::new();
        let mut addresses = sixteen();
        addresses.push((Ipv4Addr::new(10, 9, 9, 9).into(), None));
        assert!(!config.set_addresses(&addresses));
        let twice = [(Ipv4Addr::new(10, 0, 0, 1).into(), None); 2];
        assert!(!config.set_addresses(&twice));
    }

    #[test]
    fn a_lane_has_its_port() {
        let config = Config::new();
        let ports: Vec<_> = (0..LANES_MAX as u16).map(|lane| 0xfff0 + lane).collect();
        for lanes in 1..=LANES_MAX {
            config.set_mixer(1, 2, Ipv4Addr::new(169, 254, 64, 1), &ports[..lanes as usize], 7);
            assert_eq!(config.unresolved_port(), 7);
            for (row, partner) in [(20_000, 20_002), (0x1_4e20, 0x9c40), (u32::MAX, 1)] {
                let (row, partner) = (RowIndex(row), RowIndex(partner));
                let lane = lane_of(row, partner, lanes);
                assert_eq!(lane, lane_of(partner, row, lanes));
                assert_eq!(config.divert_port(row, partner), 0xfff0 + lane as u16, "of {lanes}");
            }
        }
    }

    #[test]
    fn calls_are_spread_over_lanes() {
        // However far the ports of a call are from each other, and calls from the next one.
        for (distance, step) in [(2, 4), (4, 8), (10_000, 2), (0x1_0000, 2), (0x1_0002, 4)] {
            let mut calls = [0; 8];
            for call in 0..800 {
                let row = 20_000 + call * step;
                calls[lane_of(RowIndex(row), RowIndex(row + distance), 8) as usize] += 1;
            }
            assert!(calls.iter().all(|calls| (80..=120).contains(calls)), "{distance} {step}: {calls:?}");
        }
    }

    #[test]
    fn the_port_range_has_both_ends() {
        let config = Config::new();
        config.set_ports(20_000, 30_000);
        let inside: Vec<_> =
            [19_999, 20_000, 30_000, 30_001].into_iter().map(|port| config.is_media_port(port)).collect();
        assert_eq!(inside, [false, true, true, false]);
    }
}
