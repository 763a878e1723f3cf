//! The sockets that packets go back from, one for each code point: with a socket per code point no packet has to wait until
//! what is queued has left with another.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsFd as _,
};

use rustc_hash::FxHashMap;
use undertone_abi::{Dscp, RowIndex};

use crate::{door::ring::Ring, sockets::bind};

/// How many there can be.
pub(super) const EXITS_MAX: u32 = 64;
/// They receive nothing.
const RECEIVE_BUFFER: usize = 4 << 10;

/// The sockets.
#[derive(Debug)]
pub(super) struct Exits {
    address: Ipv4Addr,
    /// The slot of the first.
    first: u32,
    open: [Option<UdpSocket>; EXITS_MAX as usize],
    /// The code point that each stream's last packet came with.
    classes: FxHashMap<RowIndex, Dscp>,
}

impl Exits {
    pub(super) fn new(address: Ipv4Addr, first: u32) -> Self {
        Self { address, first, open: std::array::from_fn(|_| None), classes: FxHashMap::default() }
    }

    /// A packet of a stream has come with this code point.
    pub(super) fn note(&mut self, row: RowIndex, dscp: Dscp) {
        if self.classes.get(&row) != Some(&dscp) {
            self.classes.insert(row, dscp);
        }
    }

    /// Nothing of a stream will come any more.
    pub(super) fn forget(&mut self, row: RowIndex) {
        self.classes.remove(&row);
    }

    /// The slot that a packet of a stream goes back from. `fallback` where no socket can be opened for its code point.
    pub(super) fn slot(&mut self, row: RowIndex, ring: &Ring, fallback: u32) -> u32 {
        let Some(dscp) = self.classes.get(&row).copied().filter(|dscp| dscp.bits() != 0) else { return fallback };
        let slot = self.first + u32::from(dscp.bits());
        let Some(place) = self.open.get_mut(usize::from(dscp.bits())) else { return fallback };
        if place.is_none() {
            let opened = bind::open_silent(SocketAddr::from((self.address, 0)), RECEIVE_BUFFER).and_then(|socket| {
                bind::set_dscp(&socket, false, dscp)?;
                ring.register(slot, socket.as_fd())?;
                Ok(socket)
            });
            *place = opened.ok();
        }
        if place.is_some() { slot } else { fallback }
    }
}
