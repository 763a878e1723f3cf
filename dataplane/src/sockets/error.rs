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
        "io_uring is not to be had here ({source}): set the sysctl kernel.io_uring_disabled to 0; in a container, use a \
         seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register"
    )]
    NotPermitted {
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel's `io_uring` lacks what is used.
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
        /// How many there may have to be.
        needed: u64,
        /// How many there may be.
        limit: u64,
    },
    /// As many sockets as the engine was started for.
    #[error("all {sockets} sockets are in use: close media ports, or start with room for more")]
    Full {
        /// How many there are.
        sockets: u32,
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

/// How many sockets there may be, and why no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Sockets that the engine was started for.
    pub(super) sockets_max: u32,
    /// Files that the process needs for them.
    pub(super) files_wanted: u64,
    /// Files that it may have.
    pub(super) files_max: u64,
}

impl EngineError {
    /// An error of setting up a ring.
    pub(super) fn of_ring(source: io::Error) -> Self {
        match source.raw_os_error() {
            // A seccomp profile may say either.
            Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Self::NotPermitted { source },
            Some(libc::EINVAL) => Self::TooOld { source },
            _ => Self::System { what: "set up an io_uring", source },
        }
    }

    /// An error of opening the socket of `port`.
    pub(super) fn of_socket(port: SocketAddr, source: io::Error, room: Room) -> Self {
        let too_many = Self::TooManyFiles { needed: room.files_wanted, limit: room.files_max };
        if source.kind() == io::ErrorKind::QuotaExceeded {
            return if room.files_max < room.files_wanted {
                too_many
            } else {
                Self::Full { sockets: room.sockets_max }
            };
        }
        match source.raw_os_error() {
            Some(libc::EADDRINUSE) => Self::PortInUse { port },
            Some(libc::EADDRNOTAVAIL) => Self::AddressNotHere { address: port.ip() },
            Some(libc::EMFILE | libc::ENFILE) => too_many,
            _ => Self::System { what: "open the socket of a media port", source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_cause_and_the_way_out() {
        let room = Room { sockets_max: 744, files_wanted: 2256, files_max: 1000 };
        let port = "10.0.0.1:20000".parse().unwrap();
        let ring = |errno| EngineError::of_ring(io::Error::from_raw_os_error(errno));
        let socket = |errno| EngineError::of_socket(port, io::Error::from_raw_os_error(errno), room);
        let full = |files_max| {
            let room = Room { files_max, ..room };
            EngineError::of_socket(port, io::ErrorKind::QuotaExceeded.into(), room)
        };
        let table = [
            (ring(libc::EPERM), ["not permitted", "kernel.io_uring_disabled"]),
            (ring(libc::ENOSYS), ["not implemented", "seccomp"]),
            (ring(libc::EINVAL), ["too old", "6.1"]),
            (socket(libc::EADDRINUSE), ["10.0.0.1:20000 is in use", "sport = :20000"]),
            (socket(libc::EADDRNOTAVAIL), ["10.0.0.1 is no address of this host", "add it to an interface"]),
            (socket(libc::EMFILE), ["2256 are needed and 1000 allowed", "LimitNOFILE"]),
            (full(1000), ["2256 are needed and 1000 allowed", "ulimit -n"]),
            (full(5000), ["all 744 sockets are in use", "close media ports"]),
            (socket(libc::EACCES), ["cannot open the socket of a media port", "ermission denied"]),
        ];
        for (error, parts) in table {
            let text = error.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}
