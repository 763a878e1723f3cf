//! System calls without a safe wrapper: limits, an event counter, and receive timestamps.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _},
};

/// Raises how many files this process may have open to `wanted`, or as far as it is allowed, and says how far.
pub(crate) fn raise_file_limit(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live `rlimit`.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 || limit.rlim_cur >= wanted {
        return limit.rlim_cur;
    }
    // Beyond the hard limit with the privilege to, else up to it.
    let beyond = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    let within = libc::rlimit { rlim_cur: limit.rlim_max.min(wanted), rlim_max: limit.rlim_max };
    [beyond, within]
        .into_iter()
        // SAFETY: the pointer is to a live `rlimit`.
        .find(|new| unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, new) } == 0)
        .map_or(limit.rlim_cur, |new| new.rlim_cur)
}

/// A counter that is readable when it is not zero: `eventfd(2)`. Reading eight bytes sets it to zero.
pub(crate) fn event_counter() -> io::Result<File> {
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Makes the kernel say when each datagram came: `SO_TIMESTAMPNS`, `socket(7)`.
pub(crate) fn enable_timestamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    let enable: libc::c_int = 1;
    // SAFETY: the pointer is to a live integer of the length that is told.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const enable).cast(),
            size_of_val(&enable) as u32,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
