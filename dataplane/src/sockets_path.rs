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
    door,
    mixer::{self, CopyOrders, Heart, MixerService, Ports},
    options::{InterfacePath, Path},
    sockets::{self, Engine},
};

/// Where the mixer and the aliases are: loopback, all of which is every host's own.
const MIXER_NETWORK: [u8; 3] = [127, 64, 64];

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
    mixer: MixerService,
}

impl Service {
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
    let [a, b, c] = MIXER_NETWORK;
    let address = Ipv4Addr::new(a, b, c, options.mixer.address.octets()[3]);
    let aliases: Vec<_> = (0..addresses).map(|index| mixer::alias(address, index)).collect();
    let mut plane = Plane::new(SocketsFabric { engine: Arc::clone(&engine) }, options.node.clone(), &aliases)?;

    let ports = Ports::open(address)?;
    let [divert_port, unresolved_port, _] = ports.numbers()?;
    // The engine makes the copies itself.
    let mixer = Mixer { address, divert_port, unresolved_port, copies_port: 0 };
    let loopback = Link { interface: 1, tags: Vec::new(), mac: [0; 6], mtu: u16::MAX };
    plane.set_mixer(mixer, loopback, [0; 6])?;
    let service = Service { mixer: MixerService::start(ports, EngineHeart(engine))? };
    let paths = vec![InterfacePath { interface: "*".into(), path: Path::Sockets, reason }];
    Ok(Opened { plane: Arc::new(Mutex::new(plane)), paths, mixer: address, service })
}

/// What the mixer's ports need of the engine: only that it knows of the mixer.
struct EngineHeart(Arc<Engine>);

impl Heart for EngineHeart {
    fn beat(&self) {
        self.0.beat(door::monotonic_ns());
    }

    fn way_out(&self, _: SocketAddrV4) -> Option<(SocketAddr, SocketAddr, u16)> {
        None
    }

    fn copies(&self, _: SocketAddrV4) -> Option<CopyOrders> {
        None
    }

    fn count(&self, _: &mut Counts) {}
}
