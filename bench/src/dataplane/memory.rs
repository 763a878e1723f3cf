//! Kernel memory that the tables take.

use std::{
    fmt, fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Context as _, Result};
use aya::maps::MapInfo;
use undertone_abi::maps;
use undertone_dataplane::kernel::{Kernel, Sizes};

const MIB: f64 = (1 << 20) as f64;

/// Media addresses of the tables that are weighed.
const ADDRESSES: u32 = 2;

/// What tables of the default size take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Bytes for each media address: 65,536 ports.
    pub(super) per_address: f64,
    /// Bytes of all maps of a node with one media address.
    all: f64,
}

impl Memory {
    /// Mebibytes for each media address.
    pub(super) fn per_address_mib(&self) -> f64 {
        self.per_address / MIB
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, all) = (self.per_address / MIB, self.all / MIB);
        write!(
            f,
            "kernel memory: {address:.2} MiB for each media address; {all:.2} MiB for all maps of a node with one"
        )
    }
}

/// Loads the programs and asks the kernel what their maps take.
pub(super) fn measure() -> Result<Memory> {
    let mut kernel = Kernel::load(Sizes { addresses: ADDRESSES, ..Sizes::default() }, None)?;
    let mut ids = Vec::new();
    for program in [kernel.relay()?.info(), kernel.egress()?.info()] {
        let used = program?.map_ids()?.context("the kernel does not tell which maps a program uses")?;
        ids.extend(used);
    }
    ids.sort_unstable();
    ids.dedup();
    let (mut rows, mut all) = (0.0, 0.0);
    for id in ids {
        let map = MapInfo::from_id(id)?;
        let bytes = locked(&map)?;
        all += bytes;
        if map.name_as_str() == Some(maps::ROWS) {
            rows += bytes;
        }
    }
    let per_address = rows / f64::from(ADDRESSES);
    Ok(Memory { per_address, all: all - rows + per_address })
}

/// Bytes that the kernel accounts to a map.
fn locked(map: &MapInfo) -> Result<f64> {
    let fd = map.fd()?;
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let info = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let bytes = info.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok());
    bytes.with_context(|| format!("{path} does not tell what the map takes"))
}
