//! What can go wrong on the way to sockets, and the way out.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use undertone_abi::RowIndex;

/// Why the engine cannot start, or cannot open a media port.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `io_uring` is switched off for this process.
    #[error(
        "io_uring is not permitted here: set the sysctl kernel.io_uring_disabled to 0, and in a container use a seccomp \
         profile that allows io_uring_setup, io_uring_enter and io_uring_register"
    )]
    NotPermitted,
    /// The kernel has no `io_uring`, or one that lacks what is used.
    #[error("this kernel's io_uring is too old ({source}): Linux 6.1 or later is needed")]
    TooOld {
        /// What the kernel said.
        source: io::Error,
    },
    /// Another process has the port.
    #[error(
        "UDP port {port} is in use by another process (`ss -ulpn sport = :{}` names it): end it, or move the media \
         ports, and keep them out of net.ipv4.ip_local_port_range or list them in net.ipv4.ip_local_reserved_ports",
        port.port()
    )]
    PortInUse {
        /// The address and port.
        port: SocketAddr,
    },
    /// The address is on no interface.
    #[error("{address} is no address of this host: add it to an interface, or correct the media addresses")]
    AddressNotHere {
        /// The address.
        address: IpAddr,
    },
    /// More sockets than the process may have.
    #[error(
        "too many open files: {needed} are needed and {limit} allowed; raise the limit (`ulimit -n`, or LimitNOFILE= of \
         the service)"
    )]
    TooManyFiles {
        /// How many there have to be, this one included.
        needed: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A row that is no media port of this node.
    #[error("row {} (address {}, port {}) is no media port of this node", row.0, row.local().0, row.port())]
    NoSuchPort {
        /// The row.
        row: RowIndex,
    },
    /// The engine's thread has ended.
    #[error("the io_uring engine has stopped: {cause}")]
    Stopped {
        /// Why.
        cause: String,
    },
    /// Anything else that the system refused.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl EngineError {
    /// An error of setting up a ring.
    pub(super) fn of_ring(source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted,
            Some(libc::ENOSYS | libc::EINVAL) => Self::TooOld { source },
            _ => Self::System { what: "set up an io_uring", source },
        }
    }

    /// An error of opening the socket of `port`, when `open` sockets are open and `limit` files allowed.
    pub(super) fn of_socket(port: SocketAddr, source: io::Error, open: u64, limit: u64) -> Self {
        match source.raw_os_error() {
            Some(libc::EADDRINUSE) => Self::PortInUse { port },
            Some(libc::EADDRNOTAVAIL) => Self::AddressNotHere { address: port.ip() },
            Some(libc::EMFILE | libc::ENFILE) => Self::TooManyFiles { needed: open + 1, limit },
            _ => Self::System { what: "open the socket of a media port", source },
        }
    }
}
