//! The engine's open sockets, by slot of the ring and by row.

use std::{io, net::SocketAddr, sync::Arc};

use socket2::Socket;
use undertone_abi::{Address, Dscp, Endpoint, Local, RowIndex, Side, limits::MEDIA_ADDRESSES_MAX};
use undertone_core::{HeapMemory, Memory as _, engine::Sockets};

use super::bind;

/// An open socket.
pub(super) struct Port {
    pub(super) socket: Socket,
    /// The media port that it is, or stands for.
    pub(super) row: RowIndex,
    pub(super) side: Side,
    /// When its last datagram came.
    pub(super) last_ns: u64,
    /// Whether its receive was told to end.
    pub(super) is_closing: bool,
    /// The code point it sends with.
    dscp: Option<Dscp>,
    is_v6: bool,
}

impl Port {
    fn new(socket: Socket, row: RowIndex, side: Side, address: Address) -> Self {
        Self { socket, row, side, last_ns: 0, is_closing: false, dscp: Dscp::new(0), is_v6: !address.is_v4() }
    }

    /// Whether the socket sends with another code point than `dscp`.
    pub(super) fn bears_other(&self, dscp: Dscp) -> bool {
        self.dscp != Some(dscp)
    }

    /// Makes the socket send with `dscp`. A system that refuses is not asked again.
    pub(super) fn set_dscp(&mut self, dscp: Dscp) {
        self.dscp = Some(dscp);
        let _ = bind::set_dscp(&self.socket, self.is_v6, dscp);
    }
}

/// What a row's port and its alias are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Closed,
    Open(u32),
    /// Could not be opened, and is not tried again.
    Failed,
}

impl Place {
    fn slot(self) -> Option<u32> {
        match self {
            Self::Open(slot) => Some(slot),
            Self::Closed | Self::Failed => None,
        }
    }
}

/// Every socket.
pub(super) struct Ports {
    memory: Arc<HeapMemory>,
    receive_buffer: usize,
    slots: Vec<Option<Port>>,
    free: Vec<u32>,
    ports: Box<[Place]>,
    aliases: Box<[Place]>,
    spares: [Option<u32>; MEDIA_ADDRESSES_MAX as usize],
    /// Slots of aliases that were opened while a packet was walked.
    fresh: Vec<u32>,
}

impl Ports {
    /// No sockets, and room for `sockets_max`.
    pub(super) fn new(memory: Arc<HeapMemory>, receive_buffer: usize, sockets_max: u32) -> Self {
        let rows = memory.rows() as usize;
        Self {
            memory,
            receive_buffer,
            slots: (0..sockets_max).map(|_| None).collect(),
            free: (0..sockets_max).rev().collect(),
            ports: vec![Place::Closed; rows].into(),
            aliases: vec![Place::Closed; rows].into(),
            spares: Default::default(),
            fresh: Vec::new(),
        }
    }

    /// The socket in a slot.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Port> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Takes in the socket of a media port.
    pub(super) fn add_port(&mut self, row: RowIndex, socket: Socket) -> io::Result<u32> {
        let address = self.address(row.local());
        let slot = self.add(Port::new(socket, row, Side::Network, address))?;
        self.set(Side::Network, row, Place::Open(slot));
        self.set(Side::Mixer, row, Place::Closed);
        Ok(slot)
    }

    /// Takes in a socket on address `local` that belongs to no stream.
    pub(super) fn add_spare(&mut self, local: Local, socket: Socket) -> io::Result<u32> {
        let address = self.address(local);
        let slot = self.add(Port::new(socket, RowIndex::new(local, 0), Side::Network, address))?;
        if let Some(spare) = self.spares.get_mut(local.0 as usize) {
            *spare = Some(slot);
        }
        Ok(slot)
    }

    /// Opens the alias of a media port, unless it is open.
    pub(super) fn open_alias(&mut self, row: RowIndex) -> io::Result<()> {
        if self.place(Side::Mixer, row).slot().is_some() {
            return Ok(());
        }
        let opened = self.try_open_alias(row);
        if opened.is_err() {
            self.set(Side::Mixer, row, Place::Failed);
        }
        opened
    }

    fn try_open_alias(&mut self, row: RowIndex) -> io::Result<()> {
        let address = self.memory.config().local(row.local()).map_or(Address::NONE, |local| local.alias());
        if address == Address::NONE || self.port(row).is_none() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let socket = bind::open(SocketAddr::from(Endpoint { address, port: row.port() }), self.receive_buffer)?;
        let slot = self.add(Port::new(socket, row, Side::Mixer, address))?;
        self.set(Side::Mixer, row, Place::Open(slot));
        self.fresh.push(slot);
        Ok(())
    }

    /// A slot of an alias that was opened since, and is not registered yet.
    pub(super) fn take_fresh(&mut self) -> Option<u32> {
        self.fresh.pop()
    }

    /// The slots of a media port and its alias.
    pub(super) fn slots_of(&self, row: RowIndex) -> [Option<u32>; 2] {
        [Side::Network, Side::Mixer].map(|side| self.place(side, row).slot())
    }

    /// Closes the socket in a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(port) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.free.push(slot);
        self.set(port.side, port.row, Place::Closed);
    }

    fn add(&mut self, port: Port) -> io::Result<u32> {
        let slot = self.free.pop().ok_or_else(|| io::Error::from_raw_os_error(libc::EMFILE))?;
        self.slots[slot as usize] = Some(port);
        Ok(slot)
    }

    fn address(&self, local: Local) -> Address {
        self.memory.config().local(local).map_or(Address::NONE, |local| local.address())
    }

    fn place(&self, side: Side, row: RowIndex) -> Place {
        let places = match side {
            Side::Network => &self.ports,
            Side::Mixer => &self.aliases,
        };
        places.get(row.0 as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, side: Side, row: RowIndex, place: Place) {
        let places = match side {
            Side::Network => &mut self.ports,
            Side::Mixer => &mut self.aliases,
        };
        if let Some(old) = places.get_mut(row.0 as usize) {
            *old = place;
        }
    }
}

impl Sockets for Ports {
    type Id = u32;

    fn port(&self, row: RowIndex) -> Option<u32> {
        self.place(Side::Network, row).slot()
    }

    fn alias(&mut self, row: RowIndex) -> Option<u32> {
        match self.place(Side::Mixer, row) {
            Place::Open(slot) => Some(slot),
            Place::Failed => None,
            Place::Closed => {
                // A failure shows in the counters, as `FailedToWire`.
                let _ = self.open_alias(row);
                self.place(Side::Mixer, row).slot()
            }
        }
    }

    fn spare(&self, local: Local) -> Option<u32> {
        *self.spares.get(local.0 as usize)?
    }
}
