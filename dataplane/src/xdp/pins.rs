//! What is pinned, and whether it is ours to adopt.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use aya::maps::{Array, Map, MapData};
use nix::sys::{
    stat::{major, minor},
    statfs::{BPF_FS_MAGIC, statfs},
};
use undertone_abi::{ABI_VERSION, maps};
use undertone_core::streams_copied;

use crate::{
    OpenError,
    kernel::{KernelError, PINNED, Sizes},
    xdp::{LINK_PREFIX, link_pin},
};

/// How long a process that was killed may take to let go of its folder.
const LINGER: Duration = Duration::from_secs(1);
/// How often to look whether it has.
const LINGER_STEP: Duration = Duration::from_millis(10);

/// The entries of [`maps::META`].
mod entry {
    pub(super) const VERSION: u32 = 0;
    pub(super) const ADDRESSES: u32 = 1;
    pub(super) const GROUPS: u32 = 2;
    pub(super) const COUNT: u32 = 8;
}

/// The right to a pin folder, which one process at a time has. However that ends, the kernel takes it back.
#[derive(Debug)]
pub(crate) struct PinFolder {
    path: PathBuf,
    /// Locked.
    _file: File,
}

impl PinFolder {
    /// Takes the right to a folder that is there.
    fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |source: io::Error| OpenError::Files { what: "lock", path: path.into(), source };
        let deadline = Instant::now() + LINGER;
        loop {
            let file = File::open(path).map_err(failed)?;
            match file.try_lock() {
                // Another folder may stand there by now, if somebody removed this one.
                Ok(()) if is_at(&file, path) => return Ok(Self { path: path.into(), _file: file }),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                _ if Instant::now() < deadline => thread::sleep(LINGER_STEP),
                _ => return Err(OpenError::PinsInUse { path: path.into(), holder: holder(&file) }),
            }
        }
    }

    /// Detaches and removes all that is pinned, and the folder. False when nothing was.
    pub(super) fn clear(self) -> Result<bool, OpenError> {
        let pins = &self.path;
        let meta = pins.join(maps::META);
        if !meta.exists() && entries(pins)?.next().is_some() {
            return Err(OpenError::NotOurs { path: pins.clone() });
        }
        let any = meta.exists();
        // What says that the rest is ours goes last: what is left by a process that is killed meanwhile stays ours.
        for path in entries(pins)?.filter(|path| *path != meta && is_ours(path)).chain(any.then_some(meta.clone())) {
            fs::remove_file(&path).map_err(|source| OpenError::Files { what: "remove", path, source })?;
        }
        match fs::remove_dir(pins) {
            // An empty folder that somebody else made for us, or mounted, may stay.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ResourceBusy) => Ok(any),
            removed => {
                removed.map(|()| any).map_err(|source| OpenError::Files { what: "remove", path: pins.into(), source })
            }
        }
    }
}

/// Whether an entry of a pin folder bears a name that we give.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    PINNED.contains(&name) || name.starts_with(LINK_PREFIX)
}

/// Detaches the programs of interfaces that are not among `interfaces`: they were configured once, and would run on as
/// the build left them that was in force then.
pub(super) fn detach_others(pins: &Path, interfaces: &[&String]) -> Result<(), OpenError> {
    let modes = [crate::options::Path::Native, crate::options::Path::Generic].map(crate::options::Path::key);
    let kept: Vec<_> = interfaces.iter().flat_map(|name| modes.map(|mode| link_pin(pins, name, mode))).collect();
    let is_link = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(LINK_PREFIX) && modes.iter().any(|mode| name.ends_with(mode))
    };
    for path in entries(pins)?.filter(is_link).filter(|path| !kept.contains(path)) {
        fs::remove_file(&path).map_err(|source| OpenError::Files { what: "detach", path, source })?;
    }
    Ok(())
}

/// Whether programs of a data plane are pinned in a folder, as far as can be seen.
pub(crate) fn is_pinned(pins: &Path) -> bool {
    pins.join(maps::META).exists()
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
}

/// The process that has locked a file, where it can be seen from here.
fn holder(file: &File) -> Option<u32> {
    let meta = file.metadata().ok()?;
    let id = format!("{:02x}:{:02x}:{}", major(meta.dev()), minor(meta.dev()), meta.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4711 00:27:40284 0 EOF
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_flock = words.next() == Some("FLOCK");
        let (pid, place) = (words.nth(2)?, words.next()?);
        (is_flock && place == id).then(|| pid.parse().ok()).flatten()
    })
}

/// Makes the pin folder ready, and takes the right to it. Returns the sizes of the tables that are there already.
pub(super) fn prepare(pins: &Path, wanted: Sizes) -> Result<(PinFolder, Option<Sizes>), OpenError> {
    check_bpffs(pins)?;
    fs::create_dir_all(pins).map_err(|source| OpenError::Files { what: "make", path: pins.into(), source })?;
    let folder = PinFolder::take(pins)?;
    let meta = pins.join(maps::META);
    if meta.exists() {
        return Ok((folder, Some(check(pins, &meta, wanted)?)));
    }
    if entries(pins)?.next().is_some() {
        return Err(OpenError::NotOurs { path: pins.into() });
    }
    if let Err(error) = write(&meta, wanted) {
        folder.clear()?;
        return Err(error);
    }
    Ok((folder, None))
}

/// Detaches and removes all that is pinned: streams end. False when there was nothing.
pub(crate) fn unload(pins: &Path) -> Result<bool, OpenError> {
    if !pins.exists() {
        return Ok(false);
    }
    check_bpffs(pins)?;
    PinFolder::take(pins)?.clear()
}

fn check_bpffs(pins: &Path) -> Result<(), OpenError> {
    let existing = pins.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let on_bpffs = statfs(existing).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC);
    if on_bpffs { Ok(()) } else { Err(OpenError::NoBpffs { path: pins.into() }) }
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
    let groups = [found, wanted].map(|sizes| streams_copied(sizes.groups));
    for (what, [found, wanted]) in
        [("media addresses", [found.addresses, wanted.addresses]), ("copied streams (`groups`)", groups)]
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
