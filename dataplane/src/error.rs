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
    #[error("cannot {what} `{}`: {source}", path.display())]
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
    /// Whether streams of an earlier process run in the kernel, which another path would leave out of reach.
    pub(crate) fn leaves_streams(&self) -> bool {
        match self {
            Self::OtherVersion { .. } | Self::TooSmall { .. } => true,
            Self::Plane(error) => matches!(error, PlaneError::OtherAddress { .. } | PlaneError::AddressGone { .. }),
            _ => false,
        }
    }
}
