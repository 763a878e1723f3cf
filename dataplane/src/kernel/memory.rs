//! The tables as BPF maps, mapped into this process.

use aya::maps::{Map, MapData};
use undertone_abi::{Config, Group, Published, Row, RowIndex, Word64, limits::HOPS_MAX, maps};
use undertone_core::Memory;

use crate::{
    door::Mapped,
    kernel::{KernelError, Sizes},
};

/// The tables of the XDP programs.
#[derive(Debug)]
pub struct KernelMemory {
    rows: Mapped<Row>,
    hops: Mapped<Published>,
    groups: Mapped<Group>,
    config: Mapped<Config>,
    heartbeat: Mapped<Word64>,
}

impl KernelMemory {
    pub(crate) fn map(ebpf: &mut aya::Ebpf, sizes: Sizes) -> Result<Self, KernelError> {
        Ok(Self {
            rows: mapped(ebpf, maps::ROWS, sizes.rows(), Mapped::new)?,
            hops: mapped(ebpf, maps::HOPS, HOPS_MAX, Mapped::new)?,
            groups: mapped(ebpf, maps::GROUPS, sizes.groups, Mapped::new)?,
            config: mapped(ebpf, maps::CONFIG, 1, Mapped::new)?,
            heartbeat: mapped(ebpf, maps::HEARTBEAT, 1, Mapped::new)?,
        })
    }

    /// Says that the mixer's thread is alive at `now_ns`.
    pub fn beat(&self, now_ns: u64) {
        for beat in self.heartbeat.iter() {
            beat.store(now_ns);
        }
    }
}

fn mapped<T>(
    ebpf: &mut aya::Ebpf,
    name: &'static str,
    count: u32,
    map: impl FnOnce(std::os::fd::BorrowedFd<'_>, u32) -> std::io::Result<Mapped<T>>,
) -> Result<Mapped<T>, KernelError> {
    use std::os::fd::AsFd as _;
    let Some(Map::Array(data)) = ebpf.take_map(name) else { return Err(KernelError::Missing { what: name }) };
    let data: &MapData = &data;
    map(data.fd().as_fd(), count).map_err(|error| KernelError::of("map a table into memory", error))
}

impl Memory for KernelMemory {
    fn rows(&self) -> u32 {
        self.rows.len() as u32
    }

    fn row(&self, index: RowIndex) -> Option<&Row> {
        self.rows.get(index.0 as usize)
    }

    fn hop(&self, index: u16) -> Option<&Published> {
        self.hops.get(index as usize)
    }

    fn groups(&self) -> u32 {
        self.groups.len() as u32
    }

    fn group(&self, index: u16) -> Option<&Group> {
        self.groups.get(index as usize)
    }

    fn config(&self) -> &Config {
        &self.config[0]
    }
}
