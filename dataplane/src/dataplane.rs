//! The one type that control drives, whatever path packets take.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path as FilePath,
    sync::Arc,
};

use parking_lot::Mutex;
use undertone_abi::{Local, Reason, RowIndex};
use undertone_core::{Capacity, CopyId, MonitorPort, Plane, PlaneError, Relay, StreamReport};

use crate::{
    OpenError, Options, PathChoice,
    mixer::{Mixing, index_of_alias},
    options::{Adopted, InterfacePath},
    sockets_path::{self, SocketsFabric},
    xdp::{self, XdpFabric},
};

/// Streams, copies and diverts on a Linux host.
///
/// A handle: clones drive the same data plane. On the XDP path packets flow without it, also when the last handle is
/// dropped or the process dies, if the data plane was opened with pins.
#[derive(Clone)]
pub struct Dataplane {
    shared: Arc<Shared>,
}

struct Shared {
    plane: AnyPlane,
    paths: Vec<InterfacePath>,
    adopted: Adopted,
    mixer: Ipv4Addr,
    addresses: Vec<IpAddr>,
}

/// A plane on either path, with the threads that serve it.
enum AnyPlane {
    Xdp { plane: Arc<Mutex<Plane<XdpFabric>>>, service: xdp::Service, _folder: Option<xdp::PinFolder> },
    Sockets { plane: Arc<Mutex<Plane<SocketsFabric>>>, service: sockets_path::Service },
}

/// Does the same on either path.
macro_rules! on_plane {
    ($self:ident, $plane:ident => $body:expr) => {
        match &$self.shared.plane {
            AnyPlane::Xdp { plane: $plane, .. } => {
                let mut $plane = $plane.lock();
                let $plane = &mut *$plane;
                $body
            }
            AnyPlane::Sockets { plane: $plane, .. } => {
                let mut $plane = $plane.lock();
                let $plane = &mut *$plane;
                $body
            }
        }
    };
}

impl Dataplane {
    /// Opens the data plane: over XDP if that may be and can be, else over sockets. Streams that an earlier process left
    /// pinned go on, and can be changed and removed. One process at a time has a pin folder.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        Self::open_then(options, &|| ())
    }

    /// Does so, and calls `loaded` when the programs are in the kernel and before a thread is started: the moment to give
    /// up privileges that only loading needs. `CAP_BPF` and `CAP_NET_ADMIN` are needed for good. It may be called twice.
    pub fn open_then(options: &Options, loaded: &dyn Fn()) -> Result<Self, OpenError> {
        match options.path {
            PathChoice::Sockets => {
                if let Some(path) = options.pins.as_deref().filter(|pins| xdp::is_pinned(pins)) {
                    return Err(OpenError::StillPinned { path: path.into() });
                }
                Self::over_sockets(options, "the configuration says so".into(), loaded)
            }
            PathChoice::Native | PathChoice::Generic => Self::over_xdp(options, loaded),
            PathChoice::Fastest => Self::over_xdp(options, loaded).or_else(|error| {
                if error.is_no_xdp() { Self::over_sockets(options, error.to_string(), loaded) } else { Err(error) }
            }),
        }
    }

    /// Ends and removes all that is pinned in a folder. False when nothing was.
    pub fn unload(pins: &FilePath) -> Result<bool, OpenError> {
        xdp::unload(pins)
    }

    /// Adds a relay. Nothing has changed after an error.
    pub fn add(&self, relay: &Relay) -> Result<(), PlaneError> {
        on_plane!(self, plane => plane.add(relay))
    }

    /// Changes the relay between the same two ports. Counters, copies and diverts stay.
    pub fn change(&self, relay: &Relay) -> Result<(), PlaneError> {
        on_plane!(self, plane => plane.change(relay))
    }

    /// Removes the relay that the media port `at` belongs to, both directions.
    pub fn remove(&self, at: SocketAddr) -> Result<(), PlaneError> {
        on_plane!(self, plane => plane.remove(at))
    }

    /// Sends a copy of the stream at `at` to a monitor port too.
    pub fn add_copy(&self, at: SocketAddr, port: MonitorPort) -> Result<CopyId, PlaneError> {
        on_plane!(self, plane => plane.add_copy(at, port))
    }

    /// Sends a copy of the stream at `at` to where the mixer hears it.
    pub fn tap(&self, at: SocketAddr) -> Result<CopyId, PlaneError> {
        let from = self.report(at)?.from;
        let (Some(mixing), Some(row), Some(partner)) = (self.mixing(), self.row(at), self.row(from)) else {
            return Err(PlaneError::NoMixer);
        };
        self.add_copy(at, MonitorPort::Mixer(mixing.taps_port(row, partner)))
    }

    /// Ends a copy of the stream at `at`.
    pub fn remove_copy(&self, at: SocketAddr, id: CopyId) -> Result<(), PlaneError> {
        on_plane!(self, plane => plane.remove_copy(at, id))
    }

    /// Sends the stream at `at` through the mixer, or no longer.
    pub fn set_divert(&self, at: SocketAddr, divert: bool) -> Result<(), PlaneError> {
        on_plane!(self, plane => plane.set_divert(at, divert))
    }

    /// Sets what is added to the sequence number of every packet that comes to `at`.
    pub fn set_sequence_offset(&self, at: SocketAddr, packets: u16) -> Result<(), PlaneError> {
        on_plane!(self, plane => plane.set_sequence_offset(at, packets))
    }

    /// The stream at `at`, as it is now.
    pub fn report(&self, at: SocketAddr) -> Result<StreamReport, PlaneError> {
        on_plane!(self, plane => plane.report(at))
    }

    /// Every stream, by port.
    pub fn reports(&self) -> Vec<StreamReport> {
        on_plane!(self, plane => plane.ports().into_iter().filter_map(|at| plane.report(at).ok()).collect())
    }

    /// How full the tables are.
    pub fn capacity(&self) -> Capacity {
        on_plane!(self, plane => plane.capacity())
    }

    /// Packets per reason since the tables were made.
    pub fn reasons(&self) -> Result<Vec<(Reason, u64)>, OpenError> {
        on_plane!(self, plane => plane.fabric().reasons())
    }

    /// The path of each interface, and why.
    pub fn paths(&self) -> Vec<InterfacePath> {
        self.shared.paths.clone()
    }

    /// What no longer works as it should until the process is started again, if anything does: a thread has ended.
    pub fn fault(&self) -> Option<String> {
        let thread = |name: String| format!("the data plane's thread \"{name}\" has ended");
        match &self.shared.plane {
            AnyPlane::Xdp { plane, service, .. } => {
                service.ended().or_else(|| plane.lock().fabric().ended()).map(thread)
            }
            AnyPlane::Sockets { plane, service } => {
                plane.lock().fabric().ended().or_else(|| service.ended().map(thread))
            }
        }
    }

    /// What was found when the data plane was opened.
    pub fn adopted(&self) -> Adopted {
        self.shared.adopted
    }

    /// Where copies to [`MonitorPort::Mixer`] arrive. They come from an alias of their stream's media address, and from
    /// its port.
    pub fn mixer_address(&self) -> Ipv4Addr {
        self.shared.mixer
    }

    /// What mixes; `None` where the system has no `io_uring`.
    pub fn mixing(&self) -> Option<&Mixing> {
        match &self.shared.plane {
            AnyPlane::Xdp { service, .. } => service.mixing(),
            AnyPlane::Sockets { service, .. } => service.mixing(),
        }
    }

    /// The row of a media port: how the mixer names a stream.
    pub fn row(&self, at: SocketAddr) -> Option<RowIndex> {
        let local = self.shared.addresses.iter().position(|address| *address == at.ip())?;
        Some(RowIndex::new(Local(local as u8), at.port()))
    }

    /// The media address that an alias stands for.
    pub fn media_address_of_alias(&self, alias: Ipv4Addr) -> Option<IpAddr> {
        let index = index_of_alias(self.shared.mixer, alias)?;
        self.shared.addresses.get(index as usize).copied()
    }

    fn over_xdp(options: &Options, loaded: &dyn Fn()) -> Result<Self, OpenError> {
        let xdp::Opened { plane, paths, adopted, service, folder } = xdp::open(options, loaded)?;
        let plane = AnyPlane::Xdp { plane, service, _folder: folder };
        Ok(Self::new(options, plane, paths, adopted, options.mixer.address))
    }

    fn over_sockets(options: &Options, reason: String, loaded: &dyn Fn()) -> Result<Self, OpenError> {
        loaded();
        let sockets_path::Opened { plane, paths, mixer, service } = sockets_path::open(options, reason)?;
        let plane = AnyPlane::Sockets { plane, service };
        Ok(Self::new(options, plane, paths, Adopted::default(), mixer))
    }

    fn new(options: &Options, plane: AnyPlane, paths: Vec<InterfacePath>, adopted: Adopted, mixer: Ipv4Addr) -> Self {
        let addresses = options.node.addresses.clone();
        Self { shared: Arc::new(Shared { plane, paths, adopted, mixer, addresses }) }
    }
}
