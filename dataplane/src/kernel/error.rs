//! What can go wrong on the way to XDP, and the way out.

use std::io;

/// Why the kernel side is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The build had no BPF toolchain.
    #[error(
        "this build holds no XDP programs; build with `cargo xtask setup` and `cargo xtask ebpf` done, or use the io_uring path"
    )]
    NoPrograms,
    /// The object file does not fit this code.
    #[error("the XDP object has no {what}; it was built from other sources: run `cargo xtask ebpf` and build again")]
    Missing {
        /// The map or program.
        what: &'static str,
    },
    /// Not allowed.
    #[error("not allowed to {what}; run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")]
    NotPermitted {
        /// What was tried.
        what: &'static str,
    },
    /// The kernel refused.
    #[error("cannot {what}: {}", cause(source.as_ref()))]
    Refused {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The verifier refused a program.
    #[error("the kernel's verifier refused the program `{program}`: {reason}; kernels from 6.6 on are known to work")]
    Verifier {
        /// The program.
        program: &'static str,
        /// The end of its log.
        reason: String,
    },
}

impl KernelError {
    /// Whether this kernel, this build or this user has no XDP for us, whatever is configured.
    pub(crate) fn is_no_xdp(&self) -> bool {
        match self {
            Self::NoPrograms | Self::NotPermitted { .. } | Self::Verifier { .. } => true,
            Self::Missing { .. } => false,
            Self::Refused { source, .. } => matches!(errno(source.as_ref()), Some(libc::ENOSYS | libc::EOPNOTSUPP)),
        }
    }

    /// An error of a system call, told apart by whether it was a matter of privilege.
    pub(crate) fn of(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        if is_permission(&source) {
            Self::NotPermitted { what }
        } else {
            Self::Refused { what, source: Box::new(source) }
        }
    }
}

/// Whether somewhere down the chain the system said `EPERM` or `EACCES`.
fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(errno(error), Some(libc::EPERM | libc::EACCES))
}

/// What the system said, somewhere down the chain.
pub(crate) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        next = error.source();
    }
    None
}

/// The innermost reason of an error: what the system said.
pub(crate) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
