//! A UDP socket that speaks RTP, in a namespace.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::socket::sockopt::{
    IpRecvTos, Ipv4Tos, Ipv6RecvTClass, Ipv6TClass, RcvBuf, RcvBufForce, ReceiveTimestampns, RxqOvfl,
};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

use super::truth::Arrival;
use super::{Packet, Stream, Truth};
use crate::error::Doing;
use crate::lab::Namespace;
use crate::{Error, Result};

/// Datagrams, and when to send each, counted from the start of sending.
pub type Schedule = Vec<(Duration, Vec<u8>)>;

/// How often the receiver looks whether it is to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(20);

/// Room for a second of a hundred thousand packets, so that what is missing was lost on the way.
const RECEIVE_BUFFER_BYTES: usize = 64 << 20;

/// The longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// How long before its time a sender stops sleeping and spins: longer than a timer is late on an idle machine.
const SPIN: Duration = Duration::from_micros(100);

/// A bound UDP socket, whose arrivals a thread of its own collects until the endpoint is dropped.
#[derive(Debug)]
pub struct Endpoint {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    inbox: Arc<Inbox>,
    receiver: Option<JoinHandle<()>>,
}

/// A datagram that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// When the kernel took it in, as time since 1970.
    pub at: Duration,
    /// Who sent it.
    pub from: SocketAddr,
    /// The code point (DSCP) of its IP header.
    pub dscp: u8,
    /// What it carries.
    pub bytes: Vec<u8>,
}

impl Received {
    /// The RTP packet it is.
    pub fn packet(&self) -> Result<Packet> {
        Packet::parse(&self.bytes)
    }
}

impl Endpoint {
    /// Binds a socket in a namespace, port 0 for any, and begins to receive.
    pub fn bind(namespace: &Namespace, address: impl Into<SocketAddr>) -> Result<Self> {
        let address = address.into();
        let socket = namespace.run(|| UdpSocket::bind(address))?;
        let doing = || format!("binding {address} in {}", namespace.name());
        Self::receiving_at(socket.doing(doing)?).doing(doing)
    }

    /// Binds a socket in the namespace of this thread, which needs no privilege, and begins to receive.
    pub fn bind_here(address: impl Into<SocketAddr>) -> Result<Self> {
        let address = address.into();
        let doing = || format!("binding {address}");
        Self::receiving_at(UdpSocket::bind(address).doing(doing)?).doing(doing)
    }

    fn receiving_at(socket: UdpSocket) -> io::Result<Self> {
        let socket = Arc::new(socket);
        let local = socket.local_addr()?;
        prepare(&socket, local)?;
        let inbox = Arc::new(Inbox::default());
        let receiver = {
            let (socket, inbox) = (Arc::clone(&socket), Arc::clone(&inbox));
            thread::spawn(move || receive(&socket, &inbox))
        };
        Ok(Self { socket, local, inbox, receiver: Some(receiver) })
    }

    /// Where it is bound.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends with this code point (DSCP) from now on.
    pub fn set_dscp(&self, dscp: u8) -> Result<()> {
        let class = i32::from(dscp) << 2;
        match self.local {
            SocketAddr::V4(_) => setsockopt(&self.socket, Ipv4Tos, &class),
            SocketAddr::V6(_) => setsockopt(&self.socket, Ipv6TClass, &class),
        }
        .doing(|| format!("setting the code point of {}", self.local))
    }

    /// Sends one datagram.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) -> Result<()> {
        self.socket.send_to(datagram, to).doing(|| format!("sending from {} to {to}", self.local)).map(drop)
    }

    /// Sends packets at this interval and gives the times, counted from the first.
    pub fn send_paced(&self, packets: &[Packet], interval: Duration, to: SocketAddr) -> Result<Vec<Duration>> {
        let times = (0..).map(|index| interval * index);
        let schedule: Schedule = times.zip(packets).map(|(at, packet)| (at, packet.to_bytes())).collect();
        self.send_schedule(&schedule, to)
    }

    /// Sends packets one right behind the other and gives how long it took.
    pub fn send_at_full_rate(&self, packets: &[Packet], to: SocketAddr) -> Result<Duration> {
        let datagrams: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
        let start = Instant::now();
        datagrams.iter().try_for_each(|datagram| self.send(datagram, to))?;
        Ok(start.elapsed())
    }

    /// Sends each datagram when its time has come, and gives the times at which they were sent.
    pub fn send_schedule(&self, schedule: &[(Duration, Vec<u8>)], to: SocketAddr) -> Result<Vec<Duration>> {
        self.send_schedule_while(schedule, to, |_| true)
    }

    /// Does so as long as `goes_on` allows: before it waits for a datagram's time, it asks with the datagram's index.
    pub fn send_schedule_while(
        &self,
        schedule: &[(Duration, Vec<u8>)],
        to: SocketAddr,
        mut goes_on: impl FnMut(usize) -> bool,
    ) -> Result<Vec<Duration>> {
        // Without, the kernel may let this thread sleep 50 µs longer than told.
        prctl::set_timerslack(1).doing(|| "setting the timer slack".to_owned())?;
        let start = Instant::now();
        let send = |(_, (at, datagram)): (usize, &(Duration, Vec<u8>))| {
            sleep_until(start + *at);
            let sent_at = start.elapsed();
            self.send(datagram, to).map(|()| sent_at)
        };
        schedule.iter().enumerate().take_while(|(index, _)| goes_on(*index)).map(send).collect()
    }

    /// Sends numbered packets at this interval while `meanwhile` runs, for as long as there are numbers. Gives what was
    /// sent.
    pub fn send_while(
        &self,
        interval: Duration,
        to: SocketAddr,
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<Vec<Vec<u8>>> {
        let packets = Stream::pcmu(7).numbered(u16::MAX.into());
        let times = (0..).map(|index| interval * index);
        let schedule: Schedule = times.zip(packets.iter().map(Packet::to_bytes)).collect();
        let done = AtomicBool::new(false);
        let sent = thread::scope(|scope| {
            let sender = scope.spawn(|| self.send_schedule_while(&schedule, to, |_| !done.load(Ordering::Relaxed)));
            let result = meanwhile();
            done.store(true, Ordering::Relaxed);
            let sent = sender.join().expect("a sender");
            result.and(sent)
        })?;
        Ok(schedule.into_iter().take(sent.len()).map(|(_, packet)| packet).collect())
    }

    /// What has arrived so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.inbox.lock().clone()
    }

    /// Forgets what has arrived so far and gives it.
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut *self.inbox.lock())
    }

    /// Waits until this many datagrams have arrived and gives them all.
    pub fn wait_for_packets(&self, count: usize, timeout: Duration) -> Result<Vec<Received>> {
        let deadline = Instant::now() + timeout;
        let mut received = self.inbox.lock();
        while received.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!("{count} datagrams at {}", self.local);
                return Err(Error::TimedOut { what, waited: timeout, seen: format!("; {} came", received.len()) });
            }
            received = self.inbox.wait(received, left);
        }
        Ok(received.clone())
    }

    /// Waits until nothing has arrived for this long, and gives what has.
    pub fn wait_for_silence(&self, silence: Duration) -> Vec<Received> {
        let mut received = self.inbox.lock();
        loop {
            let before = received.len();
            let deadline = Instant::now() + silence;
            while received.len() == before && Instant::now() < deadline {
                received = self.inbox.wait(received, deadline.saturating_duration_since(Instant::now()));
            }
            if received.len() == before {
                return received.clone();
            }
        }
    }

    /// How many datagrams the kernel dropped because this socket was too slow, as of the last arrival. Unless it is
    /// 0, missing packets say nothing about the way here.
    pub fn overflowed(&self) -> u32 {
        self.inbox.overflowed.load(Ordering::Relaxed)
    }

    /// Counts the RTP that has arrived, of a stream with this many timestamp units a second.
    pub fn truth(&self, clock_rate: u32) -> Result<Truth> {
        let arrival = |received: &Received| {
            let packet = received.packet()?;
            Ok(Arrival { at: received.at, sequence: packet.sequence, timestamp: packet.timestamp })
        };
        let arrivals: Result<Vec<_>> = self.received().iter().map(arrival).collect();
        Ok(Truth::of(arrivals?, clock_rate))
    }

    /// Stops receiving, closes the socket, and gives what has arrived.
    pub fn stop(mut self) -> Vec<Received> {
        self.stop_receiver();
        self.take_received()
    }

    fn stop_receiver(&mut self) {
        self.inbox.stop.store(true, Ordering::Relaxed);
        if let Some(receiver) = self.receiver.take()
            && receiver.join().is_err()
        {
            eprintln!("the receiver at {} panicked", self.local);
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop_receiver();
    }
}

/// What an endpoint shares with its receiver.
#[derive(Debug, Default)]
struct Inbox {
    received: Mutex<Vec<Received>>,
    arrived: Condvar,
    overflowed: AtomicU32,
    stop: AtomicBool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'inbox>(
        &self,
        received: MutexGuard<'inbox, Vec<Received>>,
        timeout: Duration,
    ) -> MutexGuard<'inbox, Vec<Received>> {
        self.arrived.wait_timeout(received, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    fn push(&self, received: Received) {
        self.lock().push(received);
        self.arrived.notify_all();
    }
}

fn prepare(socket: &UdpSocket, local: SocketAddr) -> io::Result<()> {
    socket.set_read_timeout(Some(STOP_INTERVAL))?;
    // Beyond the system's limit only with privilege; what the buffer lacks shows as overflow.
    setsockopt(socket, RcvBufForce, &RECEIVE_BUFFER_BYTES)
        .or_else(|_| setsockopt(socket, RcvBuf, &RECEIVE_BUFFER_BYTES))?;
    setsockopt(socket, ReceiveTimestampns, &true)?;
    setsockopt(socket, RxqOvfl, &1)?;
    match local {
        SocketAddr::V4(_) => setsockopt(socket, IpRecvTos, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvTClass, &true)?,
    }
    Ok(())
}

/// Collects datagrams until told to stop, or until the socket fails.
fn receive(socket: &UdpSocket, inbox: &Inbox) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut control = nix::cmsg_space!(TimeSpec, u32, i32);
    while !inbox.stop.load(Ordering::Relaxed) {
        match receive_one(socket, &mut buffer, &mut control, inbox) {
            Ok(received) => inbox.push(received),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => {
                eprintln!("receiving: {error}");
                return;
            }
        }
    }
}

fn receive_one(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8], inbox: &Inbox) -> nix::Result<Received> {
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::empty())?;
    let (mut at, mut class) = (None, 0);
    for extra in message.cmsgs()? {
        match extra {
            ControlMessageOwned::ScmTimestampns(time) => at = Some(time.into()),
            ControlMessageOwned::RxqOvfl(count) => inbox.overflowed.store(count, Ordering::Relaxed),
            ControlMessageOwned::Ipv4Tos(byte) => class = byte,
            ControlMessageOwned::Ipv6TClass(word) => class = word as u8,
            _ => {}
        }
    }
    let from = message.address.as_ref().and_then(socket_address).ok_or(Errno::EAFNOSUPPORT)?;
    let length = message.bytes;
    Ok(Received { at: at.unwrap_or_else(now), from, dscp: class >> 2, bytes: buffer[..length].to_vec() })
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn sleep_until(time: Instant) {
    let left = time.saturating_duration_since(Instant::now());
    thread::sleep(left.saturating_sub(SPIN));
    while Instant::now() < time {
        std::hint::spin_loop();
    }
}
