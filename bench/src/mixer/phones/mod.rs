//! Telephones: callers, agents and supervisors, by the thousand.
//!
//! All that stand on one side share a socket: the port of the appliance that a packet goes to, or comes from, says whose it
//! is. One thread sends and one hears, on a core that is not the mixer's. A packet of a party's bears the time when it was
//! sent, in a header extension that goes through unchanged, and the kernel says when it arrived.

mod hearer;
mod packet;
mod sender;
mod tally;

use std::{
    net::{SocketAddr, SocketAddrV4, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::{
        prctl,
        socket::{setsockopt, sockopt},
    },
    time::{ClockId, clock_gettime},
};

pub(super) use self::packet::EVENT_TYPE;
use self::tally::{Heard, Sent};
use self::{hearer::Hearer, sender::Sender};
use crate::machine;

/// How long a packet lasts.
pub(super) const PACKET: Duration = Duration::from_millis(20);
pub(super) const PACKET_NS: u64 = PACKET.as_nanos() as u64;
/// Packets a second.
pub(super) const RATE: f64 = 50.0;
/// The names of the threads.
pub(super) const THREADS: [&str; 2] = ["phones-send", "phones-hear"];

/// How long after a window what was sent in it may still arrive.
const GRACE: Duration = Duration::from_millis(300);
/// How long before a window it is said when it begins.
const LEAD: Duration = Duration::from_millis(30);
/// How long a change of mode may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that a socket may hold until it is read.
const BUFFER: usize = 64 << 20;

/// Who stands where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Agent,
    Supervisor,
}

impl Side {
    pub(super) const ALL: [Self; 3] = [Self::Caller, Self::Agent, Self::Supervisor];
}

/// What somebody sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) side: Side,
    /// The call.
    pub(super) number: u32,
    /// The port of the appliance.
    pub(super) to: SocketAddrV4,
}

/// What both threads and their owner know.
#[derive(Default)]
struct Shared {
    stops: AtomicBool,
    /// What is counted: packets sent, and arrivals of those without a time, from one moment to another.
    window: [AtomicU64; 2],
    /// When a key was pressed whose packets the sender was told to send.
    pressed_ns: AtomicU64,
    /// The port of the appliance whose next mixed packet is waited for, and when that came.
    awaited: AtomicU32,
    mixed_ns: AtomicU64,
    sent: Mutex<Sent>,
    heard: Mutex<Heard>,
}

impl Shared {
    fn is_counted(&self, at_ns: u64) -> bool {
        let [from, to] = self.window.each_ref().map(|end| end.load(Ordering::Relaxed));
        (from..to).contains(&at_ns)
    }
}

/// What the sender is told.
enum Order {
    Streams(Vec<Stream>),
    /// The supervisor of this call presses a key.
    Press(u32, u8),
}

/// The telephones.
pub(super) struct Phones {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    threads: Vec<JoinHandle<()>>,
}

/// What happened within a window.
pub(super) struct Window {
    pub(super) sent: Sent,
    pub(super) heard: Heard,
    pub(super) lasted: Duration,
}

impl Phones {
    /// Telephones at these sockets, of each side one, on a core.
    pub(super) fn start(sockets: [Option<UdpSocket>; 3], core: usize) -> Result<Self> {
        for socket in sockets.iter().flatten() {
            setsockopt(socket, sockopt::RcvBufForce, &BUFFER).context("a socket gets no buffer; run as root")?;
            setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
        }
        let copies = sockets.iter().map(|socket| socket.as_ref().map(UdpSocket::try_clone).transpose());
        let copies: Vec<_> = copies.collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared::default());
        let (orders, inbox) = mpsc::channel();
        let (for_sender, for_hearer) = (Arc::clone(&shared), Arc::clone(&shared));
        let [send, hear] = THREADS;
        let threads = vec![
            spawn(send, core, move || Sender::new(sockets, for_sender, inbox).run())?,
            spawn(hear, core, move || Hearer::new(copies, for_hearer).run())?,
        ];
        Ok(Self { shared, orders, threads })
    }

    /// Has exactly these streams sent.
    pub(super) fn send(&self, streams: Vec<Stream>) -> Result<()> {
        self.orders.send(Order::Streams(streams)).context("the sender has ended")
    }

    /// Counts for `duration`. `at_ends` is called as it begins and as it ends.
    pub(super) fn count<T>(
        &self,
        duration: Duration,
        mut at_ends: impl FnMut() -> Result<T>,
    ) -> Result<(Window, [T; 2])> {
        let begin = Instant::now() + LEAD;
        let from = now_ns() + LEAD.as_nanos() as u64;
        *lock(&self.shared.sent) = Sent::default();
        *lock(&self.shared.heard) = Heard::default();
        let ends = [from, from + duration.as_nanos() as u64];
        for (end, at) in self.shared.window.iter().zip(ends) {
            end.store(at, Ordering::Relaxed);
        }
        thread::sleep(begin.saturating_duration_since(Instant::now()));
        let (first, began) = (at_ends()?, Instant::now());
        thread::sleep((begin + duration).saturating_duration_since(Instant::now()));
        let (last, lasted) = (at_ends()?, began.elapsed());
        thread::sleep(GRACE);
        self.check()?;
        let (sent, heard) = (lock(&self.shared.sent).clone(), lock(&self.shared.heard).clone());
        Ok((Window { sent, heard, lasted }, [first, last]))
    }

    /// Has a supervisor press a key, and waits until a mixed packet comes to a party out of the port `from`: how long after
    /// the key's packet left. `obey` does what the key asks for.
    pub(super) fn press(
        &self,
        number: u32,
        event: u8,
        from: u16,
        obey: impl FnOnce() -> Result<()>,
    ) -> Result<Duration> {
        self.shared.mixed_ns.store(0, Ordering::SeqCst);
        self.shared.pressed_ns.store(0, Ordering::SeqCst);
        self.shared.awaited.store(from.into(), Ordering::SeqCst);
        self.orders.send(Order::Press(number, event)).context("the sender has ended")?;
        obey()?;
        let deadline = Instant::now() + PATIENCE;
        let mixed_ns = loop {
            match self.shared.mixed_ns.load(Ordering::SeqCst) {
                0 if Instant::now() > deadline => bail!("nothing mixed came within {} s", PATIENCE.as_secs()),
                0 => thread::sleep(Duration::from_millis(1)),
                mixed_ns => break mixed_ns,
            }
        };
        self.shared.awaited.store(0, Ordering::SeqCst);
        Ok(Duration::from_nanos(mixed_ns.saturating_sub(self.shared.pressed_ns.load(Ordering::SeqCst))))
    }

    fn check(&self) -> Result<()> {
        if self.threads.iter().any(JoinHandle::is_finished) {
            bail!("a thread of the telephones has ended");
        }
        Ok(())
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, core: usize, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let run = move || {
        // On a core of somebody else's choice, and with coarser sleep, it still works.
        let _ = machine::pin(core);
        let _ = prctl::set_timerslack(1_000);
        run();
    };
    thread::Builder::new().name(name.into()).spawn(run).context("cannot start a thread")
}

/// The clock by which the kernel says when a packet came.
fn now_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address as the one kind that all of this uses.
pub(super) fn v4(address: SocketAddr) -> Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => bail!("{address} is no IPv4 address"),
    }
}
