//! Opening sockets.

use std::{io, net::SocketAddr, os::fd::AsFd as _};

use socket2::{Domain, Protocol, Socket, Type};
use undertone_abi::Dscp;

use crate::door::os;

/// A bound UDP socket that says when each datagram came, and with what code point.
pub(super) fn open(port: SocketAddr, receive_buffer: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(port), Type::DGRAM, Some(Protocol::UDP))?;
    if port.is_ipv6() {
        // Both versions may be media addresses; each has sockets of its own.
        socket.set_only_v6(true)?;
        socket.set_recv_tclass_v6(true)?;
    } else {
        socket.set_recv_tos_v4(true)?;
    }
    socket.set_recv_buffer_size(receive_buffer)?;
    os::enable_timestamps(socket.as_fd())?;
    socket.bind(&port.into())?;
    Ok(socket)
}

/// Makes what the socket sends bear a code point.
pub(super) fn set_dscp(socket: &Socket, is_v6: bool, dscp: Dscp) -> io::Result<()> {
    let class = (dscp.bits() as u32) << 2;
    if is_v6 { socket.set_tclass_v6(class) } else { socket.set_tos_v4(class) }
}
