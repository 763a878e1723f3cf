//! RTP at the parties' own interfaces, as the kernel saw it leave and arrive.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
            socket,
            sockopt::{RcvBufForce, ReceiveTimeout, ReceiveTimestampns},
        },
        time::{TimeSpec, TimeVal},
    },
};

use super::Packet;
use crate::{Result, error::Doing as _, lab::Namespace};

/// Enough for seconds of a call while nobody reads.
const BUFFER: usize = 8 << 20;
/// The largest frame.
const FRAME_MAX: usize = 2048;

/// Somebody who watches the interfaces of a namespace; dropped, it stops.
#[derive(Debug)]
pub struct Tap {
    stops: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    thread: Option<JoinHandle<()>>,
}

/// An RTP packet at an interface.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Since the epoch, as the kernel says.
    pub at: Duration,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// The packet.
    pub packet: Packet,
}

impl Tap {
    /// Watches a namespace from now on, or without one where this thread is.
    pub fn on(namespace: Option<&Namespace>) -> Result<Self> {
        let opened = namespace.map_or_else(|| Ok(open()), |namespace| namespace.run(open))?;
        let socket = opened.doing(|| "watching interfaces".to_owned())?;
        let (stops, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (told, kept) = (Arc::clone(&stops), Arc::clone(&seen));
        Ok(Self { stops, seen, thread: Some(thread::spawn(move || watch(&socket, &told, &kept))) })
    }

    /// All that was seen so far, to be looked at. Nothing more is seen meanwhile.
    pub fn so_far(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was seen.
    pub fn seen(mut self) -> Vec<Seen> {
        self.stop();
        std::mem::take(&mut self.so_far())
    }

    fn stop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A packet socket for all interfaces of this thread's namespace, without link headers.
fn open() -> io::Result<OwnedFd> {
    let (flags, protocol) = (SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll);
    let socket = socket(AddressFamily::Packet, SockType::Datagram, flags, protocol)?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    setsockopt(&socket, RcvBufForce, &BUFFER)?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, 100_000))?;
    Ok(socket)
}

fn watch(socket: &OwnedFd, stops: &AtomicBool, seen: &Mutex<Vec<Seen>>) {
    while !stops.load(Ordering::Relaxed) {
        match receive(socket) {
            Ok(packet) => seen.lock().unwrap_or_else(PoisonError::into_inner).extend(packet),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => break,
        }
    }
}

fn receive(socket: &OwnedFd) -> nix::Result<Option<Seen>> {
    let (mut buffer, mut control) = ([0; FRAME_MAX], cmsg_space!(TimeSpec));
    let mut parts = [io::IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let at = message.cmsgs()?.find_map(|it| match it {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    let length = message.bytes;
    Ok(at.and_then(|at| read(at, &buffer[..length])))
}

/// Reads an IP packet.
fn read(at: Duration, bytes: &[u8]) -> Option<Seen> {
    let sliced = SlicedPacket::from_ip(bytes).ok()?;
    let Some(TransportSlice::Udp(udp)) = sliced.transport else { return None };
    let (from, to): (IpAddr, IpAddr) = match sliced.net? {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Arp(_) => return None,
    };
    let packet = Packet::parse(udp.payload()).ok()?;
    let (from, to) = (SocketAddr::new(from, udp.source_port()), SocketAddr::new(to, udp.destination_port()));
    Some(Seen { at, from, to, packet })
}
