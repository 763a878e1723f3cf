//! The kernel's announcements.
//!
//! The socket is read here and not by `rtnetlink`'s connection, which knows no next-hop objects, drops what it cannot
//! decode, and would move the kernel's bounded queue into an unbounded one.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::MulticastGroup;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use tokio::time::{Instant, sleep_until};

use super::WaysError;
use super::decode;
use super::tracker::Event;

/// What can change a way.
const GROUPS: [MulticastGroup; 9] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Nexthop,
];
/// The socket's queue: room for some thousand announcements.
const QUEUE_BYTES: usize = 4 << 20;
/// No announcement is longer.
const DATAGRAM_BYTES: usize = 64 << 10;
/// A socket that cannot be read is not tried in a tight loop.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// A subscription to everything that can change a way.
pub(super) struct Events {
    socket: TokioSocket,
    datagram: Vec<u8>,
    /// Not to be read before this time.
    resume_at: Option<Instant>,
}

impl Events {
    pub(super) fn subscribe() -> Result<Self, WaysError> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(WaysError::Socket)?;
        subscribe(&mut socket).map_err(WaysError::Socket)?;
        Ok(Self { socket, datagram: Vec::with_capacity(DATAGRAM_BYTES), resume_at: None })
    }

    /// Waits for the next announcements; [`Event::Lost`] when some were dropped because the queue was full.
    ///
    /// Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Vec<Event> {
        if let Some(at) = self.resume_at {
            sleep_until(at).await;
            self.resume_at = None;
        }
        loop {
            self.datagram.clear();
            let received = poll_fn(|context| self.socket.poll_recv_from(context, &mut self.datagram)).await;
            match received {
                // Processes can send to this socket too; the kernel's address is 0.
                Ok(sender) if sender.port_number() != 0 => {}
                Ok(_) => return decode::events(&self.datagram),
                Err(cause) => {
                    if cause.raw_os_error() != Some(libc::ENOBUFS) {
                        self.resume_at = Some(Instant::now() + PAUSE_AFTER_ERROR);
                    }
                    return vec![Event::Lost];
                }
            }
        }
    }
}

fn subscribe(socket: &mut TokioSocket) -> io::Result<()> {
    let socket = socket.socket_mut();
    // Past the limit for everybody, which is often a tenth of this; as much as that gives where it is not allowed.
    setsockopt(socket, sockopt::RcvBufForce, &QUEUE_BYTES)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &QUEUE_BYTES))?;
    socket.bind(&SocketAddr::new(0, 0))?;
    GROUPS.iter().try_for_each(|group| socket.add_membership(*group as u32))
}
