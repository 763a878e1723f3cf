//! What serves the mixer's ports until a mixer does.
//!
//! Diverted packets go back as they came. Packets whose next hop is not known are sent through a socket, so that the
//! kernel finds the neighbour; that is slow, and lasts until it has. Packets of streams with copies come here on generic
//! XDP, where the kernel's copies of a packet would share their bytes: they are copied, and go back.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::{AsFd as _, AsRawFd as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
        sockopt::{IpRecvTos, RcvBuf, RcvBufForce},
    },
};

use crate::{
    counts::Counts,
    mixer::{MixerError, copier::Copier},
    threads,
};

/// How often the heartbeat is written, in milliseconds: many times while it is fresh.
const BEAT_MS: u16 = 5;
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_536;
/// Bytes that each port may hold until the thread comes round to it.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Packets taken from a socket before the other one has its turn, and the heart beats.
const PACKETS_PER_TURN: usize = 256;

/// What the service needs of the data plane.
pub(crate) trait Heart: Send + 'static {
    /// Says that the mixer is alive.
    fn beat(&self);

    /// Where the packet that came to the port behind `alias` is to go: from which of our ports, to whom, and how much is
    /// added to its sequence number.
    fn way_out(&self, alias: SocketAddrV4) -> Option<(SocketAddr, SocketAddr, u16)>;

    /// What becomes of a packet that came to the port behind `alias`, and is copied here.
    fn copies(&self, alias: SocketAddrV4) -> Option<CopyOrders>;

    /// Takes what has become of copies that were made here.
    fn count(&self, copies: &mut Counts);
}

/// What becomes of a packet that is copied.
pub(crate) struct CopyOrders {
    /// Whether the packet itself goes back, to go on from there.
    pub(crate) forward: bool,
    /// Source and destination of the packet itself where it is diverted: the mixer sends it back.
    pub(crate) divert: Option<(SocketAddr, SocketAddrV4)>,
    /// Sources and destinations of its copies.
    pub(crate) copies: Vec<(SocketAddr, SocketAddr)>,
}

/// The thread that serves the mixer's ports. It ends when this is dropped.
pub(crate) struct MixerService {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The mixer's sockets, opened before the tables name their ports.
pub(crate) struct Ports {
    divert: UdpSocket,
    unresolved: UdpSocket,
    copies: UdpSocket,
}

impl Ports {
    /// Opens the sockets on `address`, at ports of the kernel's choice.
    pub(crate) fn open(address: Ipv4Addr) -> Result<Self, MixerError> {
        let open = || {
            let socket = UdpSocket::bind((address, 0))?;
            // More than the system allows takes privilege; without it, what it allows has to do.
            if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
                setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER)?;
            }
            setsockopt(&socket, IpRecvTos, &true)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let failed = |source: io::Error| MixerError::System { what: "open a socket", source };
        Ok(Self {
            divert: open().map_err(failed)?,
            unresolved: open().map_err(failed)?,
            copies: open().map_err(failed)?,
        })
    }

    /// The ports, for diverted packets, for those without a next hop and for those to be copied.
    pub(crate) fn numbers(&self) -> Result<[u16; 3], MixerError> {
        let port = |socket: &UdpSocket| {
            socket
                .local_addr()
                .map(|address| address.port())
                .map_err(|source| MixerError::System { what: "read a socket's port", source })
        };
        Ok([port(&self.divert)?, port(&self.unresolved)?, port(&self.copies)?])
    }
}

impl MixerService {
    pub(crate) fn start(ports: Ports, heart: impl Heart) -> Result<Self, MixerError> {
        let stop = Arc::new(AtomicBool::new(false));
        heart.beat();
        let thread = thread::Builder::new()
            .name("mixer".into())
            .spawn({
                let stop = Arc::clone(&stop);
                move || serve(&ports, &heart, &stop)
            })
            .map_err(|source| MixerError::System { what: "start a thread", source })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl MixerService {
    /// The name of the thread, if it has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        threads::ended(&self.thread)
    }
}

impl Drop for MixerService {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

fn serve(ports: &Ports, heart: &impl Heart, stop: &AtomicBool) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    let mut copier = Copier::default();
    while !stop.load(Ordering::Relaxed) {
        let sockets = [&ports.divert, &ports.unresolved, &ports.copies];
        let mut sockets = sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        // A signal ends the wait early, which does no harm.
        let _ = poll(&mut sockets, BEAT_MS);
        heart.beat();
        turn(&ports.divert, &mut buffer, |packet, alias, class| hand_on(&ports.divert, packet, alias, class));
        turn(&ports.unresolved, &mut buffer, |packet, alias, _| {
            if let Some((local, to, sequence_offset)) = heart.way_out(alias) {
                add_to_sequence(packet, sequence_offset);
                let _ = UdpSocket::bind(local).and_then(|socket| socket.send_to(packet, to));
            }
        });
        turn(&ports.copies, &mut buffer, |packet, alias, class| {
            let Some(orders) = heart.copies(alias) else { return };
            if orders.forward {
                hand_on(&ports.copies, packet, alias, class);
            }
            copier.copy(packet, &orders.copies);
            if let Some((from, to)) = orders.divert
                && let Ok(socket) = copier.socket(from)
            {
                hand_on(socket, packet, to, class);
            }
        });
        heart.count(&mut copier.counts);
    }
}

/// Has `handle` look at packets, each with its sender and its type of service.
fn turn(socket: &UdpSocket, buffer: &mut [u8], mut handle: impl FnMut(&mut [u8], SocketAddrV4, u8)) {
    let mut control = nix::cmsg_space!(u8);
    for _ in 0..PACKETS_PER_TURN {
        let Some((length, from, class)) = receive(socket, buffer, &mut control) else { return };
        if let Some(packet) = buffer.get_mut(..length) {
            handle(packet, from, class);
        }
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> Option<(usize, SocketAddrV4, u8)> {
    let mut into = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut into, Some(control), MsgFlags::empty()).ok()?;
    let class = message.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4Tos(class) => Some(class),
        _ => None,
    });
    Some((message.bytes, message.address?.into(), class.unwrap_or_default()))
}

/// Sends a packet with the type of service that it came with. A full queue drops it, as any network does.
fn hand_on(socket: &UdpSocket, packet: &[u8], to: SocketAddrV4, class: u8) {
    let class = [ControlMessage::Ipv4Tos(&class)];
    let _ =
        sendmsg(socket.as_raw_fd(), &[IoSlice::new(packet)], &class, MsgFlags::empty(), Some(&SockaddrIn::from(to)));
}

/// Adds to an RTP packet's sequence number. RTCP has none.
fn add_to_sequence(packet: &mut [u8], offset: u16) {
    if let [_, kind, high, low, ..] = packet
        && !(192..=223).contains(kind)
    {
        [*high, *low] = u16::from_be_bytes([*high, *low]).wrapping_add(offset).to_be_bytes();
    }
}
