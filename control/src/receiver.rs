//! The socket that copies arrive at, with the kernel's own times.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt,
            sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, RxqOvfl},
        },
        time::TimeSpec,
    },
};
use tokio::{io::Interest, net::UdpSocket};

/// Room for a quarter of a second of ten thousand packets.
const RECEIVE_BUFFER_BYTES: usize = 2 << 20;
/// The longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A socket for copies.
pub(crate) struct Receiver {
    socket: UdpSocket,
    port: u16,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// A copy that arrived.
pub(crate) struct Copy<'r> {
    /// When, since 1970.
    pub(crate) at: Duration,
    /// From which alias and port.
    pub(crate) from: SocketAddrV4,
    /// What it carries.
    pub(crate) payload: &'r [u8],
    /// Packets that the socket had no room for so far.
    pub(crate) missed: u32,
}

impl Receiver {
    /// Binds a socket at any port of `address`.
    pub(crate) fn bind(address: Ipv4Addr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        // Without privilege the system's own bound holds.
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER_BYTES)?;
        }
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        setsockopt(&socket, RxqOvfl, &1)?;
        let port = socket.local_addr()?.port();
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self { socket, port, buffer: vec![0; DATAGRAM_BYTES_MAX], control: nix::cmsg_space!(TimeSpec, u32) })
    }

    /// The port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until a copy may be there.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// The next copy, if one is there.
    pub(crate) fn next(&mut self) -> Option<Copy<'_>> {
        let Self { socket, buffer, control, .. } = self;
        let receive = || receive(socket, buffer, control).map_err(io::Error::from);
        let Header { length, from, at, missed } = socket.try_io(Interest::READABLE, receive).ok()?;
        let at = at.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        Some(Copy { at, from, payload: self.buffer.get(..length)?, missed })
    }
}

struct Header {
    length: usize,
    from: SocketAddrV4,
    at: Option<Duration>,
    missed: u32,
}

fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> nix::Result<Header> {
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::MSG_DONTWAIT)?;
    let (mut at, mut missed) = (None, 0);
    for extra in message.cmsgs()? {
        match extra {
            ControlMessageOwned::ScmTimestampns(time) => at = Some(time.into()),
            ControlMessageOwned::RxqOvfl(count) => missed = count,
            _ => {}
        }
    }
    let from = message.address.map(SocketAddrV4::from).ok_or(Errno::EAFNOSUPPORT)?;
    Ok(Header { length: message.bytes, from, at, missed })
}
