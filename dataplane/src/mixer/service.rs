//! What serves those of the mixer's ports that nothing is mixed at.
//!
//! Packets whose next hop is not known are sent through a socket, so that the
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

use undertone_abi::limits::LANES_MAX;
use undertone_core::Mixer;

use crate::{
    counts::Counts,
    door,
    mixer::{MixerError, copier::Copier},
    threads,
};

/// How often the heartbeat is written, in milliseconds: many times while it is fresh.
const BEAT_MS: u16 = 5;
/// How long to wait where nobody relies on the beat, until it is looked whether to end.
const LOOK_MS: u16 = 100;
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_536;
/// Bytes that each port may hold until the thread comes round to it.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Packets taken from a socket before the other one has its turn, and the heart beats.
const PACKETS_PER_TURN: usize = 256;

/// What the service needs of the data plane.
pub(crate) trait Heart: Send + 'static {
    /// Says that the mixer is alive.
    fn beat(&self, now_ns: u64);

    /// Where the packet that came to the port behind `alias` is to go: from which of our ports, and to whom.
    fn way_out(&self, alias: SocketAddrV4) -> Option<(SocketAddr, SocketAddr)>;

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
    /// For diverted packets, one a lane. They go back as they came where nothing can be mixed.
    pub(super) divert: Vec<UdpSocket>,
    unresolved: UdpSocket,
    copies: UdpSocket,
}

impl Ports {
    /// Opens the sockets on `address`, at ports of the kernel's choice, for as many lanes.
    pub(crate) fn open(address: Ipv4Addr, lanes: u32) -> Result<Self, MixerError> {
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
            divert: (0..lanes.clamp(1, LANES_MAX)).map(|_| open()).collect::<Result<_, _>>().map_err(failed)?,
            unresolved: open().map_err(failed)?,
            copies: open().map_err(failed)?,
        })
    }

    /// Where the mixer is, as the data plane has to know it.
    pub(crate) fn mixer(&self, address: Ipv4Addr) -> Result<Mixer, MixerError> {
        let port = |socket: &UdpSocket| {
            socket
                .local_addr()
                .map(|address| address.port())
                .map_err(|source| MixerError::System { what: "read a socket's port", source })
        };
        Ok(Mixer {
            address,
            divert_ports: self.divert.iter().map(port).collect::<Result<_, _>>()?,
            unresolved_port: port(&self.unresolved)?,
            copies_port: port(&self.copies)?,
        })
    }
}

impl MixerService {
    pub(crate) fn start(ports: Ports, heart: impl Heart) -> Result<Self, MixerError> {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new()
            .name("mixer-ports".into())
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
    let mut place = Place { packet: vec![0; DATAGRAM_MAX], control: nix::cmsg_space!(u8) };
    let mut copier = Copier::default();
    let sockets = ports.divert.iter().chain([&ports.unresolved, &ports.copies]);
    let mut sockets: Vec<_> = sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    while !stop.load(Ordering::Relaxed) {
        // A signal ends the wait early, which does no harm.
        let _ = poll(&mut sockets, if ports.divert.is_empty() { LOOK_MS } else { BEAT_MS });
        if !ports.divert.is_empty() {
            heart.beat(door::monotonic_ns());
        }
        for divert in &ports.divert {
            turn(divert, &mut place, |packet, alias, class| hand_on(divert, packet, alias, class));
        }
        turn(&ports.unresolved, &mut place, |packet, alias, _| {
            if let Some((local, to)) = heart.way_out(alias) {
                let _ = UdpSocket::bind(local).and_then(|socket| socket.send_to(packet, to));
            }
        });
        turn(&ports.copies, &mut place, |packet, alias, class| {
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

/// Where packets are received into.
struct Place {
    packet: Vec<u8>,
    control: Vec<u8>,
}

/// Has `handle` look at packets, each with its sender and its type of service.
fn turn(socket: &UdpSocket, place: &mut Place, mut handle: impl FnMut(&mut [u8], SocketAddrV4, u8)) {
    for _ in 0..PACKETS_PER_TURN {
        let Some((length, from, class)) = receive(socket, place) else { return };
        if let Some(packet) = place.packet.get_mut(..length) {
            handle(packet, from, class);
        }
    }
}

fn receive(socket: &UdpSocket, place: &mut Place) -> Option<(usize, SocketAddrV4, u8)> {
    let mut into = [IoSliceMut::new(&mut place.packet)];
    let control = Some(&mut place.control[..]);
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut into, control, MsgFlags::empty()).ok()?;
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
