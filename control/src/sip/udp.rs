//! SIP in datagrams.

use std::{
    cell::Cell,
    io,
    net::{SocketAddr, UdpSocket as StdSocket},
};

use nix::sys::socket::{
    setsockopt,
    sockopt::{Ipv6V6Only, RcvBuf, RcvBufForce},
};
use tokio::net::UdpSocket;
use tracing::warn;
use undertone_control_core::sip::{Flow, Transport, message::BYTES_MAX};

use super::{Sip, now};

/// Bytes that may wait until we come round to them: two seconds of 2,000 calls a second.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Datagrams that are handled before others have their turn.
const PER_TURN: usize = 64;

/// One UDP listener.
pub(super) struct Datagrams {
    socket: UdpSocket,
    /// Datagrams that the kernel would not take.
    unsent: Cell<u64>,
    /// Whether a turn has ended before all was read that had come.
    is_behind: Cell<bool>,
}

impl Datagrams {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let kind = nix::sys::socket::SockType::Datagram;
        let family = if address.is_ipv4() {
            nix::sys::socket::AddressFamily::Inet
        } else {
            nix::sys::socket::AddressFamily::Inet6
        };
        let flags = nix::sys::socket::SockFlag::SOCK_CLOEXEC | nix::sys::socket::SockFlag::SOCK_NONBLOCK;
        let socket = nix::sys::socket::socket(family, kind, flags, None)?;
        if address.is_ipv6() {
            setsockopt(&socket, Ipv6V6Only, &true)?;
        }
        // More than the system allows takes privilege; without it, what it allows has to do.
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER)?;
        }
        let bound: nix::sys::socket::SockaddrStorage = address.into();
        nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &bound)?;
        let socket = UdpSocket::from_std(StdSocket::from(socket))?;
        Ok(Self { socket, unsent: Cell::new(0), is_behind: Cell::new(false) })
    }

    pub(super) const fn is_behind(&self) -> bool {
        self.is_behind.get()
    }

    pub(super) fn send(&self, to: SocketAddr, message: &[u8]) {
        // Transactions send again what is lost.
        if self.socket.try_send_to(message, to).is_err() {
            self.unsent.set(self.unsent.get() + 1);
        }
    }
}

/// Takes in what comes to a listener.
pub(super) async fn serve(sip: Sip, number: usize) {
    let Some(Some(datagrams)) = sip.shared.datagrams.get(number) else { return };
    let mut buffer = vec![0; BYTES_MAX];
    loop {
        if let Err(error) = datagrams.socket.readable().await {
            warn!(%error, "a SIP socket cannot be waited for");
            return;
        }
        let is_behind = read(&sip, number as u8, datagrams, &mut buffer);
        datagrams.is_behind.set(is_behind);
        // Who waits for a datagram that is yet to come lets others run anyway.
        if is_behind {
            tokio::task::yield_now().await;
        }
    }
}

/// A turn: takes in what has come, up to a bound. Whether it has come so far.
fn read(sip: &Sip, listener: u8, datagrams: &Datagrams, buffer: &mut [u8]) -> bool {
    for _ in 0..PER_TURN {
        // An error is about a datagram that was sent before, like "port unreachable": its transaction times out.
        let (length, remote) = match datagrams.socket.try_recv_from(buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => continue,
        };
        let flow = Flow { listener, transport: Transport::Udp, remote, connection: 0 };
        let Some(message) = buffer.get(..length) else { continue };
        // Keep-alives are a line break, or nothing at all.
        if message.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            continue;
        }
        sip.drive(|element| element.receive(now(), flow, message));
    }
    true
}
