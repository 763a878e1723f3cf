//! The crate's one door to unsafe code: memory shared with the kernel.

#![expect(
    unsafe_code,
    reason = "memory that is shared, and calls with pointers; this file and its folder are the crate's only door"
)]

mod buffers;
pub(crate) mod ring;
pub(crate) mod target;

use std::{
    io,
    marker::PhantomData,
    ops::Deref,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr::{self, NonNull},
    slice,
};

use undertone_abi::{Config, Group, Published, Row, Word64};

/// A value that may lie in memory which others change at any time.
///
/// # Safety
///
/// The type consists of [`Word32`](undertone_abi::Word32) and [`Word64`] alone, and its size is a multiple of eight:
/// the distance of two values in a BPF array.
unsafe trait Shared {}

// SAFETY: words alone, 192 bytes.
unsafe impl Shared for Row {}
// SAFETY: words alone, 64 bytes.
unsafe impl Shared for Published {}
// SAFETY: words alone, 256 bytes.
unsafe impl Shared for Group {}
// SAFETY: words alone, a multiple of 64 bytes.
unsafe impl Shared for Config {}
// SAFETY: one word of eight bytes.
unsafe impl Shared for Word64 {}

/// The values of a BPF array map, mapped into this process.
#[derive(Debug)]
pub(crate) struct Mapped<T> {
    start: NonNull<T>,
    count: usize,
    values: PhantomData<T>,
}

// SAFETY: the values are words that may be read and written from any thread.
unsafe impl<T: Sync> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapped<T> {}

#[expect(private_bounds, reason = "the trait lists the types that may be mapped, all of them here")]
impl<T: Shared> Mapped<T> {
    /// Maps the first `count` values of the array map behind `map`, which was made with `BPF_F_MMAPABLE`.
    pub(crate) fn new(map: BorrowedFd<'_>, count: u32) -> io::Result<Self> {
        let count = count as usize;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours. The kernel refuses a
        // length beyond the map's.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                count * size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mapped at null"))?;
        Ok(Self { start, count, values: PhantomData })
    }
}

impl<T> Deref for Mapped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping holds `count` values until it is dropped, page-aligned; any bytes are a value, and
        // others change them only through the same interior words.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * size_of::<T>()) };
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds: the clock behind `bpf_ktime_get_ns`.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live `timespec`; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns when every packet that was on its way through an XDP program has left.
///
/// A global memory barrier waits for a grace period of RCU, and a device's poll, with the frames it sends at its end,
/// lies within one. An error says that this kernel has no such barrier.
pub(crate) fn settle() -> io::Result<()> {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: the call takes three numbers and touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes the kernel compute checksums of what it sends through the interface `name`, instead of leaving them to a
/// device.
pub(crate) fn disable_checksum_offload(name: &str) -> io::Result<()> {
    /// `struct ethtool_value`.
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    const ETHTOOL_STXCSUM: u32 = 0x17;
    let mut value = Value { command: ETHTOOL_STXCSUM, data: 0 };
    // SAFETY: all zeros is an empty request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    // SAFETY: the request names the interface in a terminated string and points to a live `Value`, as this call wants.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A socket that sends from `address`, even when no interface has it: an alias on the mixer's link.
pub(crate) fn bind_any_address(address: std::net::SocketAddr) -> io::Result<std::net::UdpSocket> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt};
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv4() {
        setsockopt(&fd, sockopt::IpTransparent, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd.into())
}
