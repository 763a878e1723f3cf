//! What a plane tells of itself.

use std::net::{IpAddr, SocketAddr};

use undertone_abi::{
    Statistics,
    limits::{DEVICES_MAX, HOPS_MAX, SHAPES_MAX},
};

use super::{Plane, PlaneError, Refused};
use crate::{Clock, CopyId, Fabric, Kind, Memory as _, MonitorPort};

/// One stream, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// The media port it arrives at.
    pub at: SocketAddr,
    /// Where its sender is, by SDP.
    pub peer: SocketAddr,
    /// The media port it leaves from.
    pub from: SocketAddr,
    /// Where it goes: the party's learned source, or its SDP address.
    pub to: SocketAddr,
    /// What the port carries.
    pub kind: Kind,
    /// The RTP clock.
    pub clock: Clock,
    /// Whether it goes on, or its party is on hold.
    pub forward: bool,
    /// Whether it goes through the mixer.
    pub divert: bool,
    /// What is added to the sequence numbers of its packets.
    pub sequence_offset: u16,
    /// Its copies.
    pub copies: Vec<(CopyId, MonitorPort)>,
    /// How it arrives.
    pub statistics: Statistics,
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Ports with a stream.
    pub streams: usize,
    /// Media ports.
    pub ports: usize,
    /// Replication groups in use.
    pub groups: u32,
    /// Replication groups.
    pub groups_max: u32,
    /// Next hops in use.
    pub hops: u32,
    /// Next hops at most.
    pub hops_max: u32,
    /// Output devices in use.
    pub devices: usize,
    /// Output devices at most.
    pub devices_max: u32,
    /// Lists of output devices in use.
    pub shapes: usize,
    /// Lists of output devices at most.
    pub shapes_max: u32,
    /// Addresses that something goes to.
    pub destinations: usize,
    /// Those of them whose next hop is known.
    pub destinations_resolved: usize,
    /// Those for whose next hop or output device there is no room: packets there take the kernel's path.
    pub destinations_without_room: usize,
    /// How often there was no room.
    pub refused: Refused,
}

impl<F: Fabric> Plane<F> {
    /// The stream at `at`.
    pub fn report(&self, at: SocketAddr) -> Result<StreamReport, PlaneError> {
        let row = self.row(at)?;
        let stream = self.stream(row, at)?;
        let memory = self.fabric.memory();
        let statistics = memory.row(row).map(|row| row.statistics(stream.clock)).unwrap_or_default();
        let party = memory.row(stream.partner).and_then(undertone_abi::Row::learned);
        Ok(StreamReport {
            at,
            peer: stream.end.peer,
            from: stream.other.local,
            to: party.map_or(stream.other.peer, SocketAddr::from),
            kind: stream.kind,
            clock: stream.clock,
            forward: stream.end.sends,
            divert: stream.divert,
            sequence_offset: stream.sequence_offset,
            copies: stream.copies.clone(),
            statistics,
        })
    }

    /// How full the tables are.
    pub fn capacity(&self) -> Capacity {
        let (devices, shapes) = self.devices.count();
        let (destinations, destinations_resolved) = self.ways.count();
        let range = self.node.port_last as usize - self.node.port_first as usize + 1;
        Capacity {
            streams: self.streams.len(),
            ports: range * self.node.addresses.len(),
            groups: self.groups.held(),
            groups_max: self.groups.max(),
            hops: self.hops.held(),
            hops_max: HOPS_MAX - 2,
            devices,
            devices_max: DEVICES_MAX,
            shapes,
            shapes_max: SHAPES_MAX - 1,
            destinations,
            destinations_resolved: if F::ROUTED_BY_KERNEL { destinations } else { destinations_resolved },
            destinations_without_room: self.ways.count_stuck(),
            refused: self.refused,
        }
    }

    /// Whether the way to `ip` is known down to its MAC address. `None` when nothing goes there.
    pub fn is_resolved(&self, ip: IpAddr) -> Option<bool> {
        self.ways.is_resolved(ip)
    }
}
