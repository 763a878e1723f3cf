//! Why a data plane cannot be opened.

use std::path::PathBuf;

use undertone_core::PlaneError;

use crate::{kernel::KernelError, mixer::MixerError, sockets::EngineError, ways::WaysError};

/// Why a data plane cannot be opened, or not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The XDP side.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The node does not make sense.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// The link to the local mixer.
    #[error(transparent)]
    Mixer(#[from] MixerError),
    /// Routes and neighbours cannot be watched.
    #[error(transparent)]
    Ways(#[from] WaysError),
    /// The `io_uring` path.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No interface to take media from.
    #[error("no interfaces to take media from: name them in the configuration, or choose the io_uring path")]
    NoInterfaces,
    /// An interface that is not there.
    #[error("there is no interface `{name}`; `ip link` lists those that are")]
    UnknownInterface {
        /// Its name.
        name: String,
    },
    /// An interface that takes no program of the wanted kind.
    #[error("`{name}` does not take {path}: {reason}; choose another path, or another interface")]
    NoXdp {
        /// Its name.
        name: String,
        /// The path that was tried.
        path: &'static str,
        /// What the kernel said.
        reason: String,
    },
    /// An interface that runs somebody else's program.
    #[error(
        "`{name}` runs an XDP program of somebody else's (`ip link show dev {name}` tells which): remove that, or take \
         another interface"
    )]
    Busy {
        /// Its name.
        name: String,
    },
    /// Another process has the pin folder.
    #[error(
        "another daemon{} has the pin folder `{}`: stop it first, or give this one a `pins` folder, interfaces and media \
         addresses of its own", holder.map_or(String::new(), |pid| format!(" (process {pid})")), path.display()
    )]
    PinsInUse {
        /// The pin folder.
        path: PathBuf,
        /// The process, where it can be seen from here.
        holder: Option<u32>,
    },
    /// XDP is not to be had, and programs that are pinned go on without us.
    #[error(
        "{cause}; what is pinned in `{}` goes on, and the io_uring path could not reach it: put this right, or end its \
         streams with `undertone unload`", path.display()
    )]
    LeftPinned {
        /// The pin folder.
        path: PathBuf,
        /// What is in the way.
        cause: Box<OpenError>,
    },
    /// The sockets path was chosen while programs of an earlier process are pinned.
    #[error(
        "the programs pinned in `{}` go on taking the packets, and the io_uring path would see none: end their streams \
         with `undertone unload`, or choose a path of XDP, which takes them over", path.display()
    )]
    StillPinned {
        /// The pin folder.
        path: PathBuf,
    },
    /// A folder with things in it that no data plane has put there.
    #[error("`{}` holds what is not ours: name a folder that is empty or not there yet as `pins`", path.display())]
    NotOurs {
        /// The pin folder.
        path: PathBuf,
    },
    /// Not a BPF file system.
    #[error("`{}` is not on a BPF file system; mount one (`mount -t bpf bpf /sys/fs/bpf`) or change `pins`", path.display())]
    NoBpffs {
        /// The pin folder.
        path: PathBuf,
    },
    /// Tables of another version.
    #[error(
        "the tables pinned in `{}` have ABI version {found}, this build has {ours}: run the build that made them until \
         its streams have ended, or end them now with `undertone unload`", path.display()
    )]
    OtherVersion {
        /// The pin folder.
        path: PathBuf,
        /// The version of what is pinned; 0 when it does not say.
        found: u32,
        /// Ours.
        ours: u32,
    },
    /// Tables that are too small.
    #[error(
        "the tables pinned in `{}` have room for {found} {what}, and {wanted} are wanted: end the running streams with \
         `undertone unload`, or configure no more than there is room for", path.display()
    )]
    TooSmall {
        /// The pin folder.
        path: PathBuf,
        /// What there is no room for.
        what: &'static str,
        /// How many there are.
        found: u32,
        /// How many are wanted.
        wanted: u32,
    },
    /// The file system.
    #[error("cannot {what} `{}`: {source}{}", path.display(), way_out_of(source))]
    Files {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl OpenError {
    /// Whether XDP is not to be had here, for want of privilege or support. Everything else is for somebody to put
    /// right, and no reason to take a slower path.
    pub(crate) fn is_no_xdp(&self) -> bool {
        match self {
            Self::Kernel(error) => error.is_no_xdp(),
            Self::Mixer(error) => error.is_permission(),
            Self::NoXdp { .. } | Self::NoBpffs { .. } | Self::Ways(WaysError::Privilege) => true,
            Self::Files { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// What to do about what the file system said, where there is something.
fn way_out_of(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "; run as root, or as the user who owns it",
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "; make room on that file system",
        _ => "",
    }
}
