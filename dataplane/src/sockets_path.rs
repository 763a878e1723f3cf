//! A plane over sockets: no privilege, no interfaces, and nothing that outlives the process.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
};

use parking_lot::Mutex;
use undertone_abi::{Reason, RowIndex};
use undertone_core::{Fabric, FabricError, HeapMemory, Link, Mixer, Plane};

use crate::{
    OpenError, Options,
    counts::Counts,
    mixer::{self, CopyOrders, Heart, MixerThreads, Mixing, Ports, Pulse, Shift},
    options::{InterfacePath, Path},
    sockets::{self, Engine},
};

/// Where the mixer and the aliases are: loopback, all of which is every host's own. The rest is that of the configured address,
/// so that several daemons of one host have networks of their own.
const MIXER_NETWORK: [u8; 2] = [127, 64];

/// The engine as a plane's shell.
pub(crate) struct SocketsFabric {
    engine: Arc<Engine>,
}

impl SocketsFabric {
    /// Packets per reason.
    #[expect(clippy::unnecessary_wraps, reason = "reading the kernel's counters can fail, and both read alike")]
    pub(crate) fn reasons(&self) -> Result<Vec<(Reason, u64)>, OpenError> {
        Ok(self.engine.reasons())
    }
}

impl SocketsFabric {
    /// Why the engine relays nothing any more.
    pub(crate) fn ended(&self) -> Option<String> {
        self.engine.ended()
    }
}

impl Fabric for SocketsFabric {
    type Memory = HeapMemory;
    const ROUTED_BY_KERNEL: bool = true;

    fn memory(&self) -> &HeapMemory {
        self.engine.memory()
    }

    fn watch(&mut self, _: IpAddr) {}

    fn forget(&mut self, _: IpAddr) {}

    fn open(&mut self, row: RowIndex) -> Result<(), FabricError> {
        Ok(self.engine.open(row)?)
    }

    fn open_way_back(&mut self, row: RowIndex) {
        if let Err(error) = self.engine.open_alias(row) {
            tracing::warn!(%error, "what the mixer says for a party that is silent is not heard");
        }
    }

    fn close(&mut self, row: RowIndex) {
        self.engine.close(row);
    }

    fn set_device(&mut self, _: u8, _: u32, _: bool) -> Result<(), FabricError> {
        Ok(())
    }

    fn set_shape(&mut self, _: u16, _: &[(u32, bool)]) -> Result<(), FabricError> {
        Ok(())
    }

    fn settle(&mut self) {
        self.engine.settle();
    }
}

/// A plane over sockets, and all that belongs to it.
pub(crate) struct Opened {
    pub(crate) plane: Arc<Mutex<Plane<SocketsFabric>>>,
    pub(crate) paths: Vec<InterfacePath>,
    pub(crate) mixer: Ipv4Addr,
    pub(crate) service: Service,
}

/// What serves the plane. It ends when this is dropped.
pub(crate) struct Service {
    mixer: MixerThreads,
}

impl Service {
    /// What mixes.
    pub(crate) const fn mixing(&self) -> Option<&Mixing> {
        self.mixer.mixing.as_ref()
    }

    /// The name of a thread that has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        self.mixer.ended()
    }
}

/// Opens the `io_uring` path, for this reason.
pub(crate) fn open(options: &Options, reason: String) -> Result<Opened, OpenError> {
    let addresses = options.node.addresses.len().min(u8::MAX as usize) as u8;
    let memory = Arc::new(HeapMemory::new(u32::from(addresses), undertone_core::groups_for(options.groups)));
    let engine = Arc::new(Engine::start(memory, sockets::Options::default())?);
    let ([a, b], [.., c, d]) = (MIXER_NETWORK, options.mixer.address.octets());
    let address = Ipv4Addr::new(a, b, c, d);
    let aliases: Vec<_> = (0..addresses).map(|index| mixer::alias(address, index)).collect();
    let mut plane = Plane::new(SocketsFabric { engine: Arc::clone(&engine) }, options.node.clone(), &aliases)?;

    let ports = Ports::open(address, options.mixer.lanes())?;
    // The engine makes the copies itself.
    let mixer = Mixer { copies_port: 0, ..ports.mixer(address)? };
    let loopback = Link { interface: 1, tags: Vec::new(), mac: [0; 6], mtu: u16::MAX };
    plane.set_mixer(mixer, loopback, [0; 6])?;
    let plane = Arc::new(Mutex::new(plane));
    let beating = Arc::clone(&engine);
    let pulse: Pulse = Box::new(move |now_ns| beating.beat(now_ns));
    let shifted = Arc::clone(&plane);
    let shift: Shift = Box::new(move |row, offset| shifted.lock().shift(row, offset));
    let service = Service { mixer: MixerThreads::start(ports, address, EngineHeart(engine), pulse, shift)? };
    let paths = vec![InterfacePath { interface: "*".into(), path: Path::Sockets, reason }];
    Ok(Opened { plane, paths, mixer: address, service })
}

/// What the mixer's ports need of the engine: only that it knows of the mixer.
struct EngineHeart(Arc<Engine>);

impl Heart for EngineHeart {
    fn beat(&self, now_ns: u64) {
        self.0.beat(now_ns);
    }

    fn way_out(&self, _: SocketAddrV4) -> Option<(SocketAddr, SocketAddr)> {
        None
    }

    fn copies(&self, _: SocketAddrV4) -> Option<CopyOrders> {
        None
    }

    fn count(&self, _: &mut Counts) {}
}
