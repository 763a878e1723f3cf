//! What is pinned, and whether it is ours to adopt.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::maps::{Array, Map, MapData};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use undertone_abi::{ABI_VERSION, maps};

use crate::{
    OpenError,
    kernel::{KernelError, Sizes},
};

/// The entries of [`maps::META`].
mod entry {
    pub(super) const VERSION: u32 = 0;
    pub(super) const ADDRESSES: u32 = 1;
    pub(super) const GROUPS: u32 = 2;
    pub(super) const COUNT: u32 = 8;
}

/// Makes the pin folder ready. Returns the sizes of the tables that are there already.
pub(super) fn prepare(pins: &Path, wanted: Sizes) -> Result<Option<Sizes>, OpenError> {
    make_folder(pins)?;
    let meta = pins.join(maps::META);
    if meta.exists() {
        return check(pins, &meta, wanted).map(Some);
    }
    if entries(pins)?.next().is_some() {
        return Err(other_version(pins, 0));
    }
    write(&meta, wanted)?;
    Ok(None)
}

/// Detaches and removes all that is pinned: streams end. False when there was nothing.
pub(crate) fn unload(pins: &Path) -> Result<bool, OpenError> {
    if !pins.exists() {
        return Ok(false);
    }
    let mut any = false;
    for path in entries(pins)? {
        any = true;
        fs::remove_file(&path).map_err(|source| OpenError::Files { what: "remove", path, source })?;
    }
    fs::remove_dir(pins).map_err(|source| OpenError::Files { what: "remove", path: pins.into(), source })?;
    Ok(any)
}

fn make_folder(pins: &Path) -> Result<(), OpenError> {
    let existing = pins.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let on_bpffs = statfs(existing).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC);
    if !on_bpffs {
        return Err(OpenError::NoBpffs { path: pins.into() });
    }
    fs::create_dir_all(pins).map_err(|source| OpenError::Files { what: "make", path: pins.into(), source })
}

fn entries(pins: &Path) -> Result<impl Iterator<Item = PathBuf>, OpenError> {
    let failed = |source: io::Error| OpenError::Files { what: "read", path: pins.into(), source };
    Ok(fs::read_dir(pins).map_err(failed)?.flatten().map(|entry| entry.path()))
}

fn check(pins: &Path, meta: &Path, wanted: Sizes) -> Result<Sizes, OpenError> {
    const WHAT: &str = "read the version of the pinned tables";
    let data = MapData::from_pin(meta).map_err(|error| KernelError::of(WHAT, error))?;
    let map: Array<MapData, u64> =
        Map::from_map_data(data).and_then(Array::try_from).map_err(|error| KernelError::of(WHAT, error))?;
    let read = |entry| map.get(&entry, 0).map(|value| value as u32).map_err(|error| KernelError::of(WHAT, error));
    let version = read(entry::VERSION)?;
    if version != ABI_VERSION {
        return Err(other_version(pins, version));
    }
    let found = Sizes { addresses: read(entry::ADDRESSES)?, groups: read(entry::GROUPS)? };
    for (what, found, wanted) in
        [("media addresses", found.addresses, wanted.addresses), ("replication groups", found.groups, wanted.groups)]
    {
        if found < wanted {
            return Err(OpenError::TooSmall { path: pins.into(), what, found, wanted });
        }
    }
    Ok(found)
}

fn other_version(pins: &Path, found: u32) -> OpenError {
    OpenError::OtherVersion { path: pins.into(), found, ours: ABI_VERSION }
}

fn write(meta: &Path, sizes: Sizes) -> Result<(), OpenError> {
    const WHAT: &str = "pin the version of the tables";
    let failed = |error| KernelError::of(WHAT, error);
    let mut map = Array::<MapData, u64>::create(entry::COUNT, 0).map_err(failed)?;
    for (entry, value) in
        [(entry::VERSION, ABI_VERSION), (entry::ADDRESSES, sizes.addresses), (entry::GROUPS, sizes.groups)]
    {
        map.set(entry, u64::from(value), 0).map_err(failed)?;
    }
    map.pin(meta).map_err(|error| KernelError::of(WHAT, error))?;
    Ok(())
}
