//! Taking over the streams that an earlier process left in the tables.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use undertone_abi::{Group, Hop, Kind, Local, Row, RowIndex, Rule, limits::PORTS};

use super::{Plane, PlaneError, Stream, hops::MIXER};
use crate::{CopyId, End, Fabric, Link, Memory as _, MonitorPort, Node, Way};

impl<F: Fabric> Plane<F> {
    /// A plane over tables that may hold streams: `devices` are the interfaces by slot, with whether each carries
    /// copies. Every stream goes on as it is, and can be changed and removed.
    ///
    /// The media addresses have to be the ones that the tables were filled for, in the same order; more may follow.
    pub fn adopt(fabric: F, node: Node, aliases: &[Ipv4Addr], devices: &[(u8, u32, bool)]) -> Result<Self, PlaneError> {
        let config = fabric.memory().config();
        for (index, address) in node.addresses.iter().enumerate() {
            let old = config.local(Local(index as u8)).map(|local| IpAddr::from(local.address()));
            let used = rows_in_use(&fabric, Local(index as u8)).next().is_some();
            if let Some(old) = old.filter(|old| used && old != address) {
                return Err(PlaneError::OtherAddress { old, new: *address });
            }
        }
        for index in node.addresses.len() as u32..fabric.memory().rows() / PORTS {
            let local = Local(index as u8);
            if rows_in_use(&fabric, local).next().is_some() {
                let old = config.local(local).map_or(Ipv4Addr::UNSPECIFIED.into(), |local| local.address().into());
                return Err(PlaneError::AddressGone { old });
            }
        }
        let mut plane = Self::new(fabric, node, aliases)?;
        plane.devices.adopt(devices, &mut plane.fabric)?;
        let rows: Vec<_> =
            (0..plane.node.addresses.len()).flat_map(|index| rows_in_use(&plane.fabric, Local(index as u8))).collect();
        for row in &rows {
            plane.adopt_stream(*row)?;
        }
        plane.adopt_numbers();
        plane.devices.renew_shapes(&mut plane.fabric)?;
        Ok(plane)
    }

    fn adopt_stream(&mut self, row: RowIndex) -> Result<(), PlaneError> {
        let Some(stream) = self.read_stream(row) else {
            // Half a relay: its other half was never written, or freed already.
            if let Some(cell) = self.fabric.memory().row(row) {
                cell.write(&Rule::default());
            }
            return Ok(());
        };
        self.fabric.open(row).map_err(PlaneError::Fabric)?;
        let hop = rule(&self.fabric, row).map_or(0, |rule| rule.via.hop);
        self.ways.hold(stream.towards, row, &mut self.fabric);
        self.adopt_way(stream.towards, hop);
        let group = self.fabric.memory().group(stream.group).filter(|_| stream.group != 0);
        let hops: Vec<_> = group.into_iter().flat_map(copy_hops).collect();
        for (ip, hop) in hops.into_iter().filter(|(_, hop)| *hop != MIXER) {
            self.ways.hold(ip, row, &mut self.fabric);
            self.adopt_way(ip, hop);
        }
        self.adopt_shapes(row, stream.group);
        self.streams.insert(row, Box::new(stream));
        Ok(())
    }

    /// A stream as the tables have it. `None` when its other direction is not there.
    fn read_stream(&mut self, row: RowIndex) -> Option<Stream> {
        let this = rule(&self.fabric, row)?;
        let partner = this.partner();
        let other = rule(&self.fabric, partner).filter(|other| other.kind != Kind::Free && other.partner() == row)?;
        let learned = self.fabric.memory().row(partner).and_then(Row::learned);
        let copies = self.read_copies(this.group);
        let end = |row: RowIndex, this: &Rule, other: &Rule| {
            Some(End {
                local: SocketAddr::new(*self.node.addresses.get(row.local().0 as usize)?, row.port()),
                peer: other.to.into(),
                learn: this.policy,
                sends: this.forward,
                dscp: other.dscp,
            })
        };
        Some(Stream {
            end: end(row, &this, &other)?,
            other: end(partner, &other, &this)?,
            kind: this.kind,
            clock: this.clock,
            partner,
            towards: learned.map_or(this.to.address, |learned| learned.address).into(),
            copies,
            group: this.group,
            divert: this.divert,
            sequence_offset: this.sequence_offset,
        })
    }

    fn read_copies(&mut self, group: u16) -> Vec<(CopyId, MonitorPort)> {
        let Some(cell) = self.fabric.memory().group(group).filter(|_| group != 0) else { return Vec::new() };
        (0..cell.count() as usize)
            .filter_map(|index| cell.copy(index))
            .map(|copy| {
                let id = CopyId(self.next_copy);
                self.next_copy = self.next_copy.wrapping_add(1);
                let to = SocketAddr::from(copy.to);
                (id, if copy.via.hop == MIXER { MonitorPort::Mixer(to.port()) } else { MonitorPort::Network(to) })
            })
            .collect()
    }

    /// The way to `ip` is what hop number `hop` says, until the shell knows better.
    fn adopt_way(&mut self, ip: IpAddr, hop: u16) {
        let Some(entry) = self.fabric.memory().hop(hop).and_then(undertone_abi::Published::read::<Hop>) else { return };
        if !entry.resolved {
            return;
        }
        let Some(interface) = self.devices.interface(entry.device) else {
            return self.devices.adopt_gone(entry.device);
        };
        let [a, b, c] = entry.macs.map(u32::to_ne_bytes);
        let link = Link {
            interface,
            tags: [entry.outer, entry.inner].into_iter().take(entry.tags as usize).collect(),
            mac: [b[2], b[3], c[0], c[1], c[2], c[3]],
            mtu: entry.mtu,
        };
        let way = Way { link, neighbour: ip, mac: Some([a[0], a[1], a[2], a[3], b[0], b[1]]) };
        self.ways.adopt(ip, way, hop);
    }

    fn adopt_shapes(&mut self, row: RowIndex, group: u16) {
        let Some(cell) = self.fabric.memory().group(group).filter(|_| group != 0) else { return };
        let copies: Vec<u8> = (0..cell.count() as usize).map(|index| cell.device(index)).collect();
        for slot in &copies {
            self.devices.adopt_gone(*slot);
        }
        let shapes = cell.shapes();
        let device = |hop: u16| {
            self.fabric.memory().hop(hop).and_then(undertone_abi::Published::read::<Hop>).map(|hop| hop.device)
        };
        let party = rule(&self.fabric, row).and_then(|rule| device(rule.via.hop));
        let mixer = device(MIXER);
        self.devices.adopt_shape(shapes.hold, copies.clone());
        for (index, ahead) in [(shapes.forward, party), (shapes.divert, mixer)] {
            if let Some(ahead) = ahead {
                self.devices.adopt_shape(index, [&[ahead], copies.as_slice()].concat());
            }
        }
    }

    fn adopt_numbers(&mut self) {
        let groups: HashSet<_> = self.streams.values().map(|stream| stream.group).collect();
        self.groups.adopt(|group| groups.contains(&group));
        let hops = self.hops_in_tables();
        self.hops.adopt(&hops);
    }

    /// The hops that rules and copies name, as the tables have them.
    pub(super) fn hops_in_tables(&self) -> HashSet<u16> {
        let mut hops = HashSet::new();
        for (row, stream) in &self.streams {
            hops.extend(rule(&self.fabric, *row).map(|rule| rule.via.hop));
            let group = self.fabric.memory().group(stream.group).filter(|_| stream.group != 0);
            hops.extend(group.into_iter().flat_map(copy_hops).map(|(_, hop)| hop));
        }
        hops
    }
}

fn rule(fabric: &impl Fabric, row: RowIndex) -> Option<Rule> {
    fabric.memory().row(row)?.rule()
}

fn rows_in_use(fabric: &impl Fabric, local: Local) -> impl Iterator<Item = RowIndex> {
    (0..=u16::MAX)
        .map(move |port| RowIndex::new(local, port))
        .filter(move |row| fabric.memory().row(*row).is_some_and(|row| row.head().kind != Kind::Free))
}

/// Where a group's copies go, and by which hops.
fn copy_hops(group: &Group) -> impl Iterator<Item = (IpAddr, u16)> {
    (0..group.count() as usize).filter_map(|index| group.copy(index)).map(|copy| (copy.to.address.into(), copy.via.hop))
}
