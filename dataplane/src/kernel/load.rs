//! Loading the programs and making their maps.

use std::{path::Path, sync::Arc};

use aya::{
    Ebpf, EbpfLoader,
    maps::{ArrayOfMaps, DevMap, Map, MapData, PerCpuArray, RingBuf},
    programs::{ProgramError, RawTracePoint, Xdp, links::FdLink},
};
use nix::net::if_::if_indextoname;
use undertone_abi::{
    Reason,
    limits::{DEVICES_MAX, GROUPS_DEFAULT, PORTS, SHAPE_ENTRIES, SHAPES_MAX},
    maps, programs,
};
use undertone_core::Memory as _;

use crate::{
    door,
    kernel::{KernelError, KernelMemory},
};

/// The object file with the programs; empty when it was not built.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/undertone-xdp.o"));

/// How large the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Media addresses, 1 to [`MEDIA_ADDRESSES_MAX`](undertone_abi::limits::MEDIA_ADDRESSES_MAX).
    pub addresses: u32,
    /// Replication groups, 1 to [`GROUPS_MAX`](undertone_abi::limits::GROUPS_MAX).
    pub groups: u32,
}

impl Sizes {
    pub(crate) fn rows(self) -> u32 {
        self.addresses * PORTS
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self { addresses: 1, groups: GROUPS_DEFAULT }
    }
}

/// The programs in the kernel, with their maps.
pub struct Kernel {
    ebpf: Ebpf,
    memory: Arc<KernelMemory>,
    devices: DevMap<MapData>,
    shapes: ArrayOfMaps<MapData, MapData>,
    reasons: PerCpuArray<MapData, u64>,
    moves: Option<RingBuf<MapData>>,
}

impl Kernel {
    /// Loads the programs with tables of these sizes. With `pins`, maps that are pinned there are used again, and new
    /// ones are pinned.
    pub fn load(sizes: Sizes, pins: Option<&Path>) -> Result<Self, KernelError> {
        if OBJECT.is_empty() {
            return Err(KernelError::NoPrograms);
        }
        let mut loader = EbpfLoader::new();
        loader.map_max_entries(maps::ROWS, sizes.rows()).map_max_entries(maps::GROUPS, sizes.groups);
        let paths: Vec<_> = PINNED.iter().filter_map(|name| Some((*name, pins?.join(name)))).collect();
        for (name, path) in &paths {
            loader.map_pin_path(name, path.as_path());
        }
        let mut ebpf =
            loader.load(OBJECT).map_err(|error| KernelError::of("load the XDP programs and their maps", error))?;
        // Programs first: the maps they name are closed once they are mapped.
        for name in [programs::RELAY, programs::EGRESS, programs::PASS] {
            load_program(&mut ebpf, name)?;
        }
        let memory = Arc::new(KernelMemory::map(&mut ebpf, sizes)?);
        let devices = take(&mut ebpf, maps::DEVICES)?;
        let shapes = take(&mut ebpf, maps::SHAPES)?;
        let reasons = take(&mut ebpf, maps::REASONS)?;
        let moves = take(&mut ebpf, maps::MOVES)?;
        Ok(Self { ebpf, memory, devices, shapes, reasons, moves: Some(moves) })
    }

    /// The tables.
    pub fn memory(&self) -> &KernelMemory {
        &self.memory
    }

    /// The tables, for a thread that waits for nobody.
    pub(crate) fn shared_memory(&self) -> Arc<KernelMemory> {
        Arc::clone(&self.memory)
    }

    /// The program on interfaces that media arrives on.
    pub fn relay(&mut self) -> Result<&mut Xdp, KernelError> {
        program(&mut self.ebpf, programs::RELAY)
    }

    /// The program on devices that carry copies.
    pub fn egress(&mut self) -> Result<&mut Xdp, KernelError> {
        program(&mut self.ebpf, programs::EGRESS)
    }

    /// The program on the far end of the mixer's link.
    pub fn pass(&mut self) -> Result<&mut Xdp, KernelError> {
        program(&mut self.ebpf, programs::PASS)
    }

    /// Has the packets of one poll share a time, for as long as the returned link is held. An error leaves each packet
    /// to read the clock.
    pub fn share_time(&mut self) -> Result<FdLink, KernelError> {
        // What an earlier daemon's program did may have ended with its link.
        self.memory.config().set_poll_end(false);
        let link = self.follow_polls()?;
        self.memory.config().set_poll_end(true);
        Ok(link)
    }

    fn follow_polls(&mut self) -> Result<FdLink, KernelError> {
        let failed = |error| KernelError::of("follow the kernel's polls", error);
        let program = self.ebpf.program_mut(programs::POLL_END).and_then(|program| program.try_into().ok());
        let program: &mut RawTracePoint = program.ok_or(KernelError::Missing { what: programs::POLL_END })?;
        program.load().map_err(failed)?;
        let link = program.attach("napi_poll").and_then(|id| program.take_link(id)).map_err(failed)?;
        Ok(link.into())
    }

    /// The devices that the tables know: slot, interface index, and whether it carries copies.
    pub fn devices(&self) -> Vec<(u8, u32, bool)> {
        (0..DEVICES_MAX)
            .filter_map(|slot| {
                let device = self.devices.get(slot, 0).ok()?;
                Some((slot as u8, device.if_index, device.prog_id.is_some()))
            })
            .collect()
    }

    /// Whether device slot `slot` holds `interface`. The kernel empties the slots of interfaces that go.
    pub fn has_device(&self, slot: u8, interface: u32) -> bool {
        self.devices.get(slot as u32, 0).is_ok_and(|device| device.if_index == interface)
    }

    /// Puts the interface `interface` into device slot `slot`; with copies, its frames pass the egress program.
    ///
    /// Every entry of a device has to carry the same program: the kernel runs one for all frames it sends at once.
    pub fn set_device(&mut self, slot: u8, interface: u32, copies: bool) -> Result<(), KernelError> {
        let program = if copies { Some(self.egress_fd()?) } else { None };
        self.devices
            .set(slot as u32, interface, program.as_ref(), 0)
            .map_err(|error| KernelError::of("add a device to send through", error))
    }

    /// Makes shape `index` the list of `interfaces`, each with whether it carries copies. Those that are gone leave a
    /// hole.
    pub fn set_shape(&mut self, index: u16, interfaces: &[(u32, bool)]) -> Result<(), KernelError> {
        const WHAT: &str = "make a list of devices to copy to";
        let program = self.egress_fd()?;
        let object = aya_obj::Map::new_from_params(
            aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_DEVMAP as u32,
            4,
            8,
            SHAPE_ENTRIES,
            0,
        );
        let data = MapData::create(object, "SHAPE", None).map_err(|error| KernelError::of(WHAT, error))?;
        let mut map = Map::DevMap(data);
        {
            let mut shape: DevMap<&mut MapData> =
                (&mut map).try_into().map_err(|error| KernelError::of(WHAT, error))?;
            for (entry, (interface, copies)) in (0..).zip(interfaces) {
                match shape.set(entry, *interface, copies.then_some(&program), 0) {
                    Err(error) if if_indextoname(*interface).is_ok() => return Err(KernelError::of(WHAT, error)),
                    _ => {}
                }
            }
        }
        let Map::DevMap(data) = map else { return Err(KernelError::Missing { what: maps::SHAPES }) };
        self.shapes.set(index as u32, &data, 0).map_err(|error| KernelError::of(WHAT, error))
    }

    /// Returns when every packet that was on its way through a program has left.
    pub fn settle(&mut self) -> Result<(), KernelError> {
        if door::settle().is_ok() {
            return Ok(());
        }
        // A kernel with CPUs that have no tick refuses that barrier. Changing a map of maps waits for the same.
        self.set_shape(SHAPE_UNUSED, &[])
    }

    /// Packets per reason, over all CPUs, in the order of [`Reason::ALL`].
    pub fn reasons(&self) -> Result<Vec<(Reason, u64)>, KernelError> {
        Reason::ALL
            .iter()
            .map(|reason| {
                let counts = self
                    .reasons
                    .get(&(*reason as u32), 0)
                    .map_err(|error| KernelError::of("read the packet counters", error))?;
                Ok((*reason, counts.iter().sum()))
            })
            .collect()
    }

    /// The rows that learned a source elsewhere, as they do. To be taken once.
    pub fn take_moves(&mut self) -> Option<RingBuf<MapData>> {
        self.moves.take()
    }

    fn egress_fd(&mut self) -> Result<aya::programs::ProgramFd, KernelError> {
        self.egress()?
            .fd()
            .and_then(|fd| Ok(fd.try_clone()?))
            .map_err(|error| KernelError::of("use the egress program", error))
    }
}

/// The shape that no group names.
const SHAPE_UNUSED: u16 = SHAPES_MAX as u16;

/// The maps that outlive the process.
pub(crate) const PINNED: &[&str] = &[
    maps::ROWS,
    maps::HOPS,
    maps::GROUPS,
    maps::CONFIG,
    maps::HEARTBEAT,
    maps::REASONS,
    maps::DEVICES,
    maps::SHAPES,
    maps::SERIAL,
    maps::TURNS,
    maps::POLL_TIME,
    maps::MOVES,
];

fn take<T: TryFrom<Map>>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, KernelError> {
    ebpf.take_map(name).and_then(|map| T::try_from(map).ok()).ok_or(KernelError::Missing { what: name })
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, KernelError> {
    ebpf.program_mut(name).and_then(|program| program.try_into().ok()).ok_or(KernelError::Missing { what: name })
}

fn load_program(ebpf: &mut Ebpf, name: &'static str) -> Result<(), KernelError> {
    program(ebpf, name)?.load().map_err(|error| match error {
        ProgramError::LoadError { verifier_log, io_error } if io_error.raw_os_error() != Some(libc::EPERM) => {
            let log = verifier_log.to_string();
            let reason = log.lines().rev().take(4).collect::<Vec<_>>().join(" | ");
            KernelError::Verifier { program: name, reason }
        }
        error => KernelError::of("load an XDP program", error),
    })
}
