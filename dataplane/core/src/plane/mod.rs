//! Streams into tables.
//!
//! A [`Plane`] is the one writer of rules, next hops and groups. Control calls [`add`](Plane::add),
//! [`change`](Plane::change), [`remove`](Plane::remove), [`add_copy`](Plane::add_copy), [`remove_copy`](Plane::remove_copy)
//! and [`set_divert`](Plane::set_divert); the shell calls [`handle_way`](Plane::handle_way) when the way to an address
//! changes and [`handle_move`](Plane::handle_move) when a port has learned a source. After every call the tables are
//! complete: there is nothing to poll.

mod adopt;
mod copies;
mod devices;
mod error;
mod groups;
mod hops;
mod numbers;
mod report;
mod room;
mod rules;
mod ways;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use undertone_abi::{Address, Kind, Local, RowIndex, Rule, limits::MEDIA_ADDRESSES_MAX};

use self::{devices::Devices, groups::Groups, hops::Hops, ways::Ways};
pub use self::{
    error::PlaneError,
    groups::{groups_for, streams_copied},
    report::{Capacity, StreamReport},
    room::Refused,
};
use crate::{CopyId, End, Fabric, Memory, Mixer, MonitorPort, Node, Relay, relay};

/// The streams of one node.
pub struct Plane<F> {
    fabric: F,
    node: Node,
    mixer: Option<Mixer>,
    /// In boxes: a table has room for up to twice as many as there are.
    streams: HashMap<RowIndex, Box<Stream>>,
    ways: Ways,
    hops: Hops,
    devices: Devices,
    groups: Groups,
    next_copy: u32,
    refused: Refused,
    /// How often something has ended while a way had no room.
    ended: usize,
    /// Whether there was no room to be made, and nothing has ended since.
    in_vain: bool,
}

/// One direction of a relay: what arrives at one port.
#[derive(Clone, Debug)]
struct Stream {
    /// The end it arrives from.
    end: End,
    /// The end it goes to.
    other: End,
    kind: Kind,
    clock: relay::Clock,
    /// The row of the other direction.
    partner: RowIndex,
    /// Where the party that it goes to really is: whose way it takes.
    towards: IpAddr,
    copies: Vec<(CopyId, MonitorPort)>,
    group: u16,
    divert: bool,
    sequence_offset: u16,
}

// A class of the allocator's; a call has four, two of RTP and two of RTCP.
const _: () = assert!(size_of::<Stream>() <= 192);

impl<F: Fabric> Plane<F> {
    /// A node without streams. The tables have to be empty; see [`adopt`](Self::adopt) for ones that are not.
    ///
    /// `aliases` stand for the media addresses on the mixer's link, in the same order; there are none without a mixer.
    pub fn new(fabric: F, node: Node, aliases: &[std::net::Ipv4Addr]) -> Result<Self, PlaneError> {
        let count = node.addresses.len();
        if count == 0 || count > MEDIA_ADDRESSES_MAX as usize || count > fabric.memory().rows() as usize >> 16 {
            return Err(PlaneError::AddressCount { count });
        }
        let aliases = (0..count).map(|index| aliases.get(index).copied());
        let addresses: Vec<_> = node.addresses.iter().map(|ip| Address::from(*ip)).zip(aliases).collect();
        let config = fabric.memory().config();
        config.set_ports(node.port_first, node.port_last);
        if !config.set_addresses(&addresses) {
            return Err(PlaneError::AddressTwice);
        }
        let groups = Groups::new(fabric.memory().groups());
        Ok(Self {
            fabric,
            node,
            mixer: None,
            streams: HashMap::new(),
            ways: Ways::default(),
            hops: Hops::default(),
            devices: Devices::default(),
            groups,
            next_copy: 0,
            refused: Refused::default(),
            ended: 0,
            in_vain: false,
        })
    }

    /// The shell.
    pub fn fabric(&self) -> &F {
        &self.fabric
    }

    /// The shell.
    pub fn fabric_mut(&mut self) -> &mut F {
        &mut self.fabric
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Adds a relay. Nothing has changed after an error.
    pub fn add(&mut self, relay: &Relay) -> Result<(), PlaneError> {
        let rows = self.check(relay)?;
        for (row, end) in rows.iter().zip([&relay.a, &relay.b]) {
            if self.streams.contains_key(row) {
                return Err(PlaneError::PortInUse { port: end.local });
            }
        }
        self.open(rows)?;
        for (row, stream) in directions(relay, rows) {
            self.ways.hold(stream.towards, row, &mut self.fabric);
            self.streams.insert(row, Box::new(stream));
        }
        // Both rules stand before either row forgets its last stream and begins to learn.
        for row in rows {
            self.write_rule(row);
        }
        for row in rows {
            if let Some(row) = self.fabric.memory().row(row) {
                row.set_epoch(row.epoch().next_stream());
            }
        }
        Ok(())
    }

    /// Changes the relay between the same two ports. A party whose SDP address or policy changes is learned afresh;
    /// counters, copies and diverts stay. Nothing has changed after an error.
    pub fn change(&mut self, relay: &Relay) -> Result<(), PlaneError> {
        let rows = self.check(relay)?;
        if self.stream(rows[0], relay.a.local)?.partner != rows[1] {
            return Err(PlaneError::NotPartners { a: relay.a.local, b: relay.b.local });
        }
        let mut moved = Vec::new();
        let mut before = Vec::new();
        for (row, next) in directions(relay, rows) {
            let Some(stream) = self.streams.get_mut(&row) else { continue };
            if (stream.end.peer, stream.end.learn) != (next.end.peer, next.end.learn) {
                moved.push(row);
            }
            let towards = if stream.other.peer == next.other.peer { stream.towards } else { next.towards };
            let now = Stream { towards, ..stream.with(&next) };
            before.push((row, std::mem::replace(&mut **stream, now)));
            self.ways.hold(towards, row, &mut self.fabric);
        }
        let result = rows.iter().try_for_each(|row| self.refresh(*row));
        if result.is_err() {
            self.take_back(before);
            return self.counted(result);
        }
        for (row, was) in before {
            self.ways.release(was.towards, row, &mut self.fabric);
        }
        for row in moved {
            if let Some(row) = self.fabric.memory().row(row) {
                row.set_epoch(row.epoch().next_source());
            }
        }
        Ok(())
    }

    /// Makes changed streams what they were.
    fn take_back(&mut self, before: Vec<(RowIndex, Stream)>) {
        for (row, was) in before {
            let Some(stream) = self.streams.get_mut(&row) else { continue };
            let now = stream.towards;
            **stream = Stream { towards: was.towards, ..stream.with(&was) };
            self.ways.release(now, row, &mut self.fabric);
            // What it needs was there a moment ago.
            let _ = self.follow(row);
        }
    }

    /// Removes the relay that the media port `at` belongs to, both directions.
    pub fn remove(&mut self, at: SocketAddr) -> Result<(), PlaneError> {
        let row = self.row(at)?;
        let partner = self.stream(row, at)?.partner;
        for row in [row, partner] {
            if let Some(cell) = self.fabric.memory().row(row) {
                cell.write(&Rule::default());
                // The next stream of the port must not find this one's source still known, not for a moment.
                cell.set_epoch(cell.epoch().next_stream());
            }
        }
        for row in [row, partner] {
            let Some(stream) = self.streams.remove(&row) else { continue };
            self.ways.release(stream.towards, row, &mut self.fabric);
            for (_, port) in &stream.copies {
                self.release_monitor(*port, row);
            }
            self.groups.release(stream.group);
            self.fabric.close(row);
        }
        self.in_vain = false;
        self.sweep_hops();
        self.retry();
        Ok(())
    }

    /// Sends the stream at `at` through the mixer, or no longer.
    pub fn set_divert(&mut self, at: SocketAddr, divert: bool) -> Result<(), PlaneError> {
        let row = self.row(at)?;
        if divert && self.mixer.is_none() {
            return Err(PlaneError::NoMixer);
        }
        let was = std::mem::replace(&mut self.stream_mut(row, at)?.divert, divert);
        if divert {
            self.fabric.open_way_back(row);
        }
        let result = self.refresh(row);
        if result.is_err() {
            self.stream_mut(row, at)?.divert = was;
        }
        self.counted(result)
    }

    /// Sets what is added to the sequence number of every packet that comes to `at`: as many as the mixer has slipped in.
    pub fn set_sequence_offset(&mut self, at: SocketAddr, packets: u16) -> Result<(), PlaneError> {
        let row = self.row(at)?;
        self.stream_mut(row, at)?.sequence_offset = packets;
        self.write_rule(row);
        Ok(())
    }

    /// The same for the stream at a row, if there is one.
    pub fn shift(&mut self, row: RowIndex, packets: u16) {
        if let Some(stream) = self.streams.get_mut(&row) {
            stream.sequence_offset = packets;
            self.write_rule(row);
        }
    }

    /// Every stream's media port.
    pub fn ports(&self) -> Vec<SocketAddr> {
        let mut ports: Vec<_> = self.streams.values().map(|stream| stream.end.local).collect();
        ports.sort_unstable();
        ports
    }

    /// The row of a media port of this node.
    pub(crate) fn row(&self, at: SocketAddr) -> Result<RowIndex, PlaneError> {
        let local = self.local(at.ip()).ok_or(PlaneError::NotOurs { address: at.ip() })?;
        let (first, last) = (self.node.port_first, self.node.port_last);
        if !(first..=last).contains(&at.port()) {
            return Err(PlaneError::OutsideRange { port: at, first, last });
        }
        Ok(RowIndex::new(local, at.port()))
    }

    fn local(&self, ip: IpAddr) -> Option<Local> {
        self.node.addresses.iter().position(|address| *address == ip).map(|index| Local(index as u8))
    }

    fn stream(&self, row: RowIndex, at: SocketAddr) -> Result<&Stream, PlaneError> {
        self.streams.get(&row).map(Box::as_ref).ok_or(PlaneError::NoStream { port: at })
    }

    fn stream_mut(&mut self, row: RowIndex, at: SocketAddr) -> Result<&mut Stream, PlaneError> {
        self.streams.get_mut(&row).map(Box::as_mut).ok_or(PlaneError::NoStream { port: at })
    }

    /// The rows of a relay that could be.
    fn check(&self, relay: &Relay) -> Result<[RowIndex; 2], PlaneError> {
        let rows = [self.row(relay.a.local)?, self.row(relay.b.local)?];
        if relay.kind == Kind::Free || rows[0] == rows[1] {
            return Err(PlaneError::NoRelay { a: relay.a.local, b: relay.b.local });
        }
        for end in [&relay.a, &relay.b] {
            if end.local.is_ipv4() != end.peer.is_ipv4() {
                return Err(PlaneError::Family { local: end.local, peer: end.peer });
            }
            if end.peer.port() == 0 || end.peer.ip().is_unspecified() || end.peer.ip().is_multicast() {
                return Err(PlaneError::NoPeer { peer: end.peer });
            }
            self.check_elsewhere(end.peer)?;
        }
        Ok(rows)
    }

    /// Whether packets to `peer` leave this node's media ports.
    fn check_elsewhere(&self, peer: SocketAddr) -> Result<(), PlaneError> {
        if self.row(peer).is_ok() { Err(PlaneError::OwnPort { peer }) } else { Ok(()) }
    }

    fn open(&mut self, rows: [RowIndex; 2]) -> Result<(), PlaneError> {
        self.fabric.open(rows[0]).map_err(PlaneError::Fabric)?;
        if let Err(error) = self.fabric.open(rows[1]) {
            self.fabric.close(rows[0]);
            return Err(PlaneError::Fabric(error));
        }
        Ok(())
    }
}

impl Stream {
    /// This stream with what a relay says as `other` has it.
    fn with(&self, other: &Self) -> Self {
        Self { end: other.end, other: other.other, kind: other.kind, clock: other.clock, ..self.clone() }
    }
}

/// The two streams of a relay.
fn directions(relay: &Relay, rows: [RowIndex; 2]) -> [(RowIndex, Stream); 2] {
    let stream = |end: &End, other: &End, partner| Stream {
        end: *end,
        other: *other,
        kind: relay.kind,
        clock: relay.clock,
        partner,
        towards: other.peer.ip(),
        copies: Vec::new(),
        group: 0,
        divert: false,
        sequence_offset: 0,
    };
    [(rows[0], stream(&relay.a, &relay.b, rows[1])), (rows[1], stream(&relay.b, &relay.a, rows[0]))]
}

#[cfg(test)]
mod tests;
