//! The XDP path: programs on interfaces, tables in the kernel.

mod attach;
mod pins;
mod service;

use std::{net::IpAddr, path::Path as FilePath, sync::Arc};

use aya::programs::links::FdLink;
use nix::net::if_::if_nametoindex;
use parking_lot::Mutex;
use undertone_abi::{Reason, RowIndex};
use undertone_core::{Fabric, FabricError, Plane, groups_for};

use crate::{
    OpenError, Options,
    counts::Reasons,
    kernel::{Kernel, KernelMemory, Sizes},
    mixer::{self, MixerLink, Ports},
    options::{Adopted, InterfacePath, Path},
    ways::Ways,
};

pub(crate) use self::{
    pins::{PinFolder, is_pinned, unload},
    service::Service,
};

/// The kernel as a plane's shell.
pub(crate) struct XdpFabric {
    kernel: Kernel,
    ways: Ways,
    /// What has become of copies that this process makes, where the kernel cannot.
    copied: Arc<Reasons>,
    /// A link that is not pinned lasts as long as this.
    _poll_end: Option<FdLink>,
}

impl XdpFabric {
    /// The name of a thread that has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        self.ways.ended()
    }

    /// Packets per reason.
    pub(crate) fn reasons(&self) -> Result<Vec<(Reason, u64)>, OpenError> {
        let (kernel, here) = (self.kernel.reasons()?, self.copied.read());
        Ok(kernel.into_iter().zip(here).map(|((reason, kernel), (_, here))| (reason, kernel + here)).collect())
    }
}

impl Fabric for XdpFabric {
    type Memory = KernelMemory;
    const ROUTED_BY_KERNEL: bool = false;

    fn memory(&self) -> &KernelMemory {
        self.kernel.memory()
    }

    fn watch(&mut self, ip: IpAddr) {
        self.ways.watch(ip);
    }

    fn forget(&mut self, ip: IpAddr) {
        self.ways.forget(ip);
    }

    fn open(&mut self, _: RowIndex) -> Result<(), FabricError> {
        Ok(())
    }

    fn close(&mut self, _: RowIndex) {}

    fn set_device(&mut self, slot: u8, interface: u32, copies: bool) -> Result<(), FabricError> {
        Ok(self.kernel.set_device(slot, interface, copies)?)
    }

    fn has_device(&self, slot: u8, interface: u32) -> bool {
        self.kernel.has_device(slot, interface)
    }

    fn set_shape(&mut self, index: u16, interfaces: &[(u32, bool)]) -> Result<(), FabricError> {
        Ok(self.kernel.set_shape(index, interfaces)?)
    }

    fn settle(&mut self) {
        if let Err(error) = self.kernel.settle() {
            // It was there when the data plane was opened.
            tracing::error!(%error, "packets under way cannot be waited for");
        }
    }
}

/// A plane over XDP, and all that belongs to it.
pub(crate) struct Opened {
    pub(crate) plane: Arc<Mutex<Plane<XdpFabric>>>,
    pub(crate) paths: Vec<InterfacePath>,
    pub(crate) adopted: Adopted,
    pub(crate) service: Service,
    pub(crate) folder: Option<PinFolder>,
}

/// Opens the XDP path: loads the programs, adopts what is pinned, attaches to the interfaces.
pub(crate) fn open(options: &Options, loaded: &dyn Fn()) -> Result<Opened, OpenError> {
    if options.interfaces.is_empty() {
        return Err(OpenError::NoInterfaces);
    }
    if let Some(name) = options.interfaces.iter().find(|name| if_nametoindex(name.as_str()).is_err()) {
        return Err(OpenError::UnknownInterface { name: name.clone() });
    }
    let wanted = Sizes { addresses: options.node.addresses.len() as u32, groups: groups_for(options.groups) };
    let Some(pins) = options.pins.as_deref() else { return open_with(options, wanted, None, loaded) };
    let (folder, found) = pins::prepare(pins, wanted)?;
    match open_with(options, wanted, found, loaded) {
        Ok(opened) => Ok(Opened { folder: Some(folder), ..opened }),
        Err(error) if found.is_none() => {
            // Half of it must not stay: without tables behind them, programs would drop what they should not.
            if let Err(left) = folder.clear() {
                tracing::error!(error = %left, "what was pinned stays; `undertone unload` removes it");
            }
            Err(error)
        }
        Err(error) if error.is_no_xdp() => Err(OpenError::LeftPinned { path: pins.into(), cause: Box::new(error) }),
        Err(error) => Err(error),
    }
}

/// Opens it with tables of these sizes, or with those that were found.
fn open_with(options: &Options, wanted: Sizes, found: Option<Sizes>, loaded: &dyn Fn()) -> Result<Opened, OpenError> {
    let pins = options.pins.as_deref();
    let mut kernel = Kernel::load(found.unwrap_or(wanted), pins)?;
    kernel.settle()?;
    let poll_end = attach::to_polls(&mut kernel, pins)?;
    loaded();
    let moves = kernel.take_moves();
    let devices = if found.is_some() { kernel.devices() } else { Vec::new() };
    let addresses = options.node.addresses.len().min(u8::MAX as usize) as u8;
    let link = MixerLink::ensure(&options.mixer, addresses)?;

    let (events, inbox) = service::channel();
    let ways = Ways::start(service::reporter(&events))?;
    let aliases: Vec<_> = (0..addresses).map(|index| mixer::alias(options.mixer.address, index)).collect();
    let fabric = XdpFabric { kernel, ways, copied: Arc::default(), _poll_end: poll_end };
    let mut plane = Plane::adopt(fabric, options.node.clone(), &aliases, &devices)?;
    let adopted = Adopted { streams: plane.capacity().streams, tables: found.is_some() };

    let ports = Ports::open(options.mixer.address, options.mixer.lanes())?;
    let mut mixer = ports.mixer(options.mixer.address)?;
    let kernel = &mut plane.fabric_mut().kernel;
    attach::to_mixer_link(kernel, &link, pins)?;
    let paths = attach::to_interfaces(kernel, &options.interfaces, options.path, pins)?;
    if let Some(pins) = pins {
        let near_and_far = [&link.near.name, &link.far.name];
        pins::detach_others(pins, &options.interfaces.iter().chain(near_and_far).collect::<Vec<_>>())?;
    }
    // Behind the driver, the kernel's copies of a packet share their bytes and cannot be told apart.
    if !paths.iter().any(|path| path.path == Path::Generic) {
        mixer.copies_port = 0;
    }
    plane.set_mixer(mixer, link.way(), link.far.mac)?;
    let plane = Arc::new(Mutex::new(plane));
    let service = Service::start(&plane, options.mixer.address, ports, moves, events, inbox)?;
    Ok(Opened { plane, paths, adopted, service, folder: None })
}

/// What the names of pinned links begin with.
const LINK_PREFIX: &str = "link-";

/// Where the link of an interface is pinned.
fn link_pin(pins: &FilePath, interface: &str, mode: &str) -> std::path::PathBuf {
    pins.join(format!("{LINK_PREFIX}{interface}-{mode}"))
}
