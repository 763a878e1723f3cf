//! The engine's open sockets, by slot of the ring and by row.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use undertone_abi::{
    Address, Config, Dscp, Endpoint, Local, LocalAddress, RowIndex, Side, limits::MEDIA_ADDRESSES_MAX,
};
use undertone_core::{HeapMemory, Memory as _, engine::Sockets};

use super::bind;

/// An open socket.
pub(super) struct Port {
    pub(super) socket: UdpSocket,
    pub(super) purpose: Purpose,
    /// When its last datagram came.
    pub(super) last_ns: u64,
    /// Whether its receive was told to end.
    pub(super) is_closing: bool,
    is_v6: bool,
    /// The code point it sends with.
    dscp: Option<Dscp>,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A media port, or what stands for it towards the mixer.
    Stream(RowIndex, Side),
    /// Copies from an address on which the stream has no port.
    Spare(Local),
}

impl Port {
    fn new(socket: UdpSocket, purpose: Purpose, address: Address) -> Self {
        Self { socket, purpose, last_ns: 0, is_closing: false, is_v6: !address.is_v4(), dscp: Dscp::new(0) }
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

/// Where the socket for a purpose is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Closed,
    Open(u32),
    /// Could not be opened. It is tried again after so many packets.
    Failed(u32),
}

/// A second of a stream, at 20 ms a packet.
const RETRY_PACKETS: u32 = 50;

impl Place {
    fn slot(self) -> Option<u32> {
        match self {
            Self::Open(slot) => Some(slot),
            Self::Closed | Self::Failed(_) => None,
        }
    }
}

/// Every socket.
pub(super) struct Ports {
    memory: Arc<HeapMemory>,
    receive_buffer: usize,
    slots: Vec<Option<Port>>,
    free: Vec<u32>,
    slots_max: u32,
    /// Slots that were opened while a packet was walked.
    fresh: Vec<u32>,
    by_row: Box<[Place]>,
    aliases_by_row: Box<[Place]>,
    spares: [Place; MEDIA_ADDRESSES_MAX as usize],
}

impl Ports {
    /// No sockets, and slots for `slots_max`.
    pub(super) fn new(memory: Arc<HeapMemory>, receive_buffer: usize, slots_max: u32) -> Self {
        let rows = memory.rows() as usize;
        Self {
            memory,
            receive_buffer,
            slots: Vec::new(),
            free: Vec::new(),
            slots_max,
            fresh: Vec::new(),
            by_row: vec![Place::Closed; rows].into(),
            aliases_by_row: vec![Place::Closed; rows].into(),
            spares: Default::default(),
        }
    }

    /// The socket in a slot.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Port> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Takes in the socket of a media port.
    pub(super) fn add_port(&mut self, row: RowIndex, socket: UdpSocket) -> io::Result<u32> {
        let address = self.address(row.local());
        self.add(socket, Purpose::Stream(row, Side::Network), address)
    }

    /// Opens the alias of an open media port.
    pub(super) fn open_alias(&mut self, row: RowIndex) -> io::Result<()> {
        if self.port(row).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let address = self.memory.config().local(row.local()).map_or(Address::NONE, LocalAddress::alias);
        if address == Address::NONE {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = Endpoint { address, port: row.port() };
        self.open(Purpose::Stream(row, Side::Mixer), address, |size| bind::open(port.into(), size))
    }

    /// The slots of a media port and its alias.
    pub(super) fn slots_of(&self, row: RowIndex) -> [Option<u32>; 2] {
        [Side::Network, Side::Mixer].map(|side| self.place(Purpose::Stream(row, side)).slot())
    }

    /// A slot that was opened since, and that the ring does not know yet.
    pub(super) fn take_fresh(&mut self) -> Option<u32> {
        self.fresh.pop()
    }

    /// Closes the socket in a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(port) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.free.push(slot);
        if let Some(place) = self.place_mut(port.purpose) {
            *place = Place::Closed;
        }
    }

    /// Opens a socket while packets flow, unless it is open.
    fn open(
        &mut self,
        purpose: Purpose,
        address: Address,
        open: impl FnOnce(usize) -> io::Result<UdpSocket>,
    ) -> io::Result<()> {
        if self.place(purpose).slot().is_some() {
            return Ok(());
        }
        match open(self.receive_buffer).and_then(|socket| self.add(socket, purpose, address)) {
            Ok(slot) => {
                self.fresh.push(slot);
                Ok(())
            }
            Err(error) => {
                if let Some(place) = self.place_mut(purpose) {
                    *place = Place::Failed(RETRY_PACKETS);
                }
                Err(error)
            }
        }
    }

    fn add(&mut self, socket: UdpSocket, purpose: Purpose, address: Address) -> io::Result<u32> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if (self.slots.len() as u32) < self.slots_max => {
                self.slots.push(None);
                self.slots.len() as u32 - 1
            }
            None => return Err(io::ErrorKind::QuotaExceeded.into()),
        };
        self.slots[slot as usize] = Some(Port::new(socket, purpose, address));
        if let Some(place) = self.place_mut(purpose) {
            *place = Place::Open(slot);
        }
        Ok(slot)
    }

    /// Whether a socket should be opened for one more packet that wants it.
    fn is_worth_a_try(&mut self, purpose: Purpose) -> bool {
        match self.place_mut(purpose) {
            Some(Place::Failed(packets)) if *packets > 0 => {
                *packets -= 1;
                false
            }
            Some(Place::Closed | Place::Failed(_)) => true,
            Some(Place::Open(_)) | None => false,
        }
    }

    fn address(&self, local: Local) -> Address {
        self.memory.config().local(local).map_or(Address::NONE, LocalAddress::address)
    }

    fn place(&self, purpose: Purpose) -> Place {
        match purpose {
            Purpose::Stream(row, Side::Network) => self.by_row.get(row.0 as usize),
            Purpose::Stream(row, Side::Mixer) => self.aliases_by_row.get(row.0 as usize),
            Purpose::Spare(local) => self.spares.get(local.0 as usize),
        }
        .copied()
        .unwrap_or_default()
    }

    fn place_mut(&mut self, purpose: Purpose) -> Option<&mut Place> {
        match purpose {
            Purpose::Stream(row, Side::Network) => self.by_row.get_mut(row.0 as usize),
            Purpose::Stream(row, Side::Mixer) => self.aliases_by_row.get_mut(row.0 as usize),
            Purpose::Spare(local) => self.spares.get_mut(local.0 as usize),
        }
    }
}

impl Sockets for Ports {
    type Id = u32;

    fn port(&self, row: RowIndex) -> Option<u32> {
        self.place(Purpose::Stream(row, Side::Network)).slot()
    }

    // A socket that cannot be opened shows in the counters, as a divert that failed to wire or a copy without a hop.

    fn alias(&mut self, row: RowIndex) -> Option<u32> {
        let purpose = Purpose::Stream(row, Side::Mixer);
        if self.is_worth_a_try(purpose) {
            let _ = self.open_alias(row);
        }
        self.place(purpose).slot()
    }

    fn spare(&mut self, local: Local) -> Option<u32> {
        let purpose = Purpose::Spare(local);
        if self.is_worth_a_try(purpose) {
            let address = self.address(local);
            let memory = Arc::clone(&self.memory);
            let _ = self.open(purpose, address, |size| open_beside_media(memory.config(), address, size));
        }
        self.place(purpose).slot()
    }
}

/// Opens a socket on a port that no stream will ever want.
fn open_beside_media(config: &Config, address: Address, receive_buffer: usize) -> io::Result<UdpSocket> {
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for port in (1024..=u16::MAX).rev().filter(|port| !config.is_media_port(*port)) {
        match bind::open(SocketAddr::from(Endpoint { address, port }), receive_buffer) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => refused = error,
            opened => return opened,
        }
    }
    Err(refused)
}
