//! Opening sockets.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{
        AddressFamily, SetSockOpt, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
    },
};
use undertone_abi::Dscp;

/// A bound UDP socket that says when each datagram came, and with what code point.
pub(crate) fn open(port: SocketAddr, receive_buffer: usize) -> io::Result<UdpSocket> {
    bound(port, receive_buffer, |socket| {
        if port.is_ipv4() {
            set(socket, sockopt::IpRecvTos, &true)?;
        } else {
            set(socket, sockopt::Ipv6RecvTClass, &true)?;
        }
        set(socket, sockopt::ReceiveTimestampns, &true)
    })
}

/// A bound UDP socket that says nothing of its datagrams but who has sent them.
pub(crate) fn open_silent(port: SocketAddr, receive_buffer: usize) -> io::Result<UdpSocket> {
    bound(port, receive_buffer, |_| Ok(()))
}

fn bound(
    port: SocketAddr,
    receive_buffer: usize,
    prepare: impl FnOnce(&OwnedFd) -> io::Result<()>,
) -> io::Result<UdpSocket> {
    let family = if port.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::Udp)?;
    if port.is_ipv6() {
        // Both versions may be media addresses; each has sockets of its own.
        set(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    // More than the system allows takes privilege; without it, what it allows has to do.
    if set(&socket, sockopt::RcvBufForce, &receive_buffer).is_err() {
        set(&socket, sockopt::RcvBuf, &receive_buffer)?;
    }
    prepare(&socket)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(port))?;
    Ok(socket.into())
}

/// Makes what the socket sends bear a code point.
pub(crate) fn set_dscp(socket: &UdpSocket, is_v6: bool, dscp: Dscp) -> io::Result<()> {
    let class = i32::from(dscp.bits()) << 2;
    if is_v6 { set(socket, sockopt::Ipv6TClass, &class) } else { set(socket, sockopt::Ipv4Tos, &class) }
}

fn set<O: SetSockOpt>(socket: &impl AsFd, option: O, value: &O::Val) -> io::Result<()> {
    Ok(setsockopt(socket, option, value)?)
}

/// Raises how many files this process may have open to `wanted`, or as far as it is allowed, and says how far.
pub(crate) fn raise_file_limit(wanted: u64) -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    if soft >= wanted {
        return soft;
    }
    // Beyond the hard limit with the privilege to, else up to it.
    [(wanted, hard.max(wanted)), (wanted.min(hard), hard)]
        .into_iter()
        .find(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard).is_ok())
        .map_or(soft, |(soft, _)| soft)
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

    use super::*;

    #[test]
    fn a_datagram_says_when_it_came_and_with_what_code_point() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = open(address.parse().unwrap(), 65_536).unwrap();
            let port = socket.local_addr().unwrap();
            set_dscp(&socket, port.is_ipv6(), Dscp::new(46).unwrap()).unwrap();
            socket.send_to(&[1], port).unwrap();
            let mut byte = [0];
            let mut into = [IoSliceMut::new(&mut byte)];
            let mut control = [0; crate::door::ring::CONTROL];
            let message =
                recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::MSG_DONTWAIT).unwrap();
            let messages: Vec<_> = message.cmsgs().unwrap().collect();
            let (time, class) = (&messages[0], &messages[1]);
            assert!(matches!(time, ControlMessageOwned::ScmTimestampns(time) if time.tv_sec() > 0), "{time:?}");
            let class = match class {
                ControlMessageOwned::Ipv4Tos(class) => i32::from(*class),
                ControlMessageOwned::Ipv6TClass(class) => *class,
                other => panic!("{other:?}"),
            };
            assert_eq!(class, 46 << 2);
        }
    }
}
