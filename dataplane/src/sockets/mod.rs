//! The `io_uring` path: the same rules without XDP.
//!
//! Every media port in use is a UDP socket; one thread with one ring receives at all of them, decides by the shared
//! tables ([`undertone_core::engine`]) and sends. It needs no privilege. What differs from the XDP path:
//!
//! - The kernel routes what leaves and finds its neighbours: there are no next hops, devices and shapes.
//! - No time to live is counted down: a packet that is received and sent again starts anew.
//! - A packet to a port without a socket never gets here: the kernel answers it with ICMP. [`Reason::NoStream`] counts
//!   only what comes between the end of a rule and that of its socket.
//! - A copy leaves from the port that its rule names where that is open, else from the stream's own, and from a port
//!   outside the media range where the stream has none of the monitor port's IP version.
//! - Congestion marks (ECN, RFC 3168) end here; code points are kept.
//! - Link-local IPv6 addresses have no scope in the tables, and cannot be reached.
//!
//! Where a packet's time goes, over loopback: three fifths in the kernel's send, a quarter in its receive, a sixteenth
//! here. What the kernel tells with a packet beside its bytes costs a thirtieth for the time and as much for the code
//! point; without the first, jitter would be the engine's own.

pub(crate) mod bind;
mod clock;
pub(crate) mod datagram;
mod error;
mod ports;
#[cfg(test)]
mod tests;
mod thread;

use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;
use undertone_abi::{Address, Endpoint, LocalAddress, Reason, RowIndex, Word64};
use undertone_core::{HeapMemory, Memory as _};

pub use self::error::EngineError;
use self::{
    error::Room,
    ports::Ports,
    thread::{Command, Reply, Thread, Turn},
};
use crate::{
    counts::Reasons,
    door::ring::{Ring, RingSize},
};

/// How large an engine is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sockets at most: one for each open media port, one more where it is diverted, one for each media address.
    pub sockets_max: u32,
    /// Bytes that each socket may hold until the engine comes round to it; the kernel doubles it for its own needs.
    pub receive_buffer: usize,
    /// Datagrams that can be under way in the engine: a power of two up to 32,768.
    pub buffers: u16,
    /// Who gets datagrams that are not media: STUN, DTLS. Without one, they are counted only.
    pub passed: Option<SyncSender<Passed>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sockets_max: 131_072, receive_buffer: 256 << 10, buffers: 1024, passed: None }
    }
}

/// Bytes of one buffer. What is larger, headers included, is no media and is dropped: [`Reason::TooBig`].
const BUFFER_BYTES: usize = 2048;
/// Requests queued at most; when there are more, the first are submitted at once.
const QUEUE: u32 = 512;
/// Completions that wait at most; the kernel keeps more, at a cost.
const COMPLETIONS: u32 = 8192;
/// Files that a process may need beside sockets.
const FILES_BESIDE: u64 = 256;
/// How long after the start a port may still belong to an engine that was killed: the kernel takes its ring apart when
/// it finds the time, seen to take 40 to 310 ms with 2,000 ports on a busy machine.
const LINGER: Duration = Duration::from_secs(1);
/// How often to look whether such a port is free.
const LINGER_STEP: Duration = Duration::from_millis(5);

/// A datagram that is not media, by RFC 7983.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The media port it came to.
    pub row: RowIndex,
    /// Who sent it.
    pub source: SocketAddr,
    /// The datagram.
    pub payload: Box<[u8]>,
}

/// What the thread shares with its owner.
#[derive(Debug, Default)]
struct Shared {
    heartbeat: Word64,
    reasons: Reasons,
    /// How often a receive ended for want of buffers.
    dry: Word64,
    /// Why the thread ended before it was told to.
    cause: OnceLock<String>,
}

/// The engine: sockets, and the thread that serves them.
///
/// Dropping it closes every port.
#[derive(Debug)]
pub struct Engine {
    memory: Arc<HeapMemory>,
    shared: Arc<Shared>,
    commands: Sender<Command>,
    bell: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
    open: Mutex<HashSet<RowIndex>>,
    receive_buffer: usize,
    room: Room,
    started: Instant,
}

impl Engine {
    /// Starts an engine over `memory`, with no port open.
    pub fn start(memory: Arc<HeapMemory>, options: Options) -> Result<Self, EngineError> {
        let room = make_room(options.sockets_max);
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|error| EngineError::System { what: "make an eventfd", source: error.into() })?;
        let (commands, inbox) = mpsc::channel();
        let (started, outcome) = mpsc::sync_channel(1);
        let receive_buffer = options.receive_buffer;
        let (bell, shared) = (Arc::new(bell), Arc::new(Shared::default()));
        let parts = (Arc::clone(&memory), Arc::clone(&shared), Arc::clone(&bell));
        // A ring belongs to the thread that makes it.
        let run = move || {
            let (memory, shared, bell) = parts;
            let size = RingSize {
                queue: QUEUE,
                completions: COMPLETIONS,
                buffers: options.buffers,
                buffer_bytes: BUFFER_BYTES,
                sockets: room.sockets_max,
            };
            let ring = match Ring::new(size) {
                Ok(ring) => ring,
                Err(error) => return drop(started.send(Err(error))),
            };
            drop(started.send(Ok(())));
            let ports = Ports::new(Arc::clone(&memory), receive_buffer, room.sockets_max);
            let (passed, turn) = (options.passed, Turn::new());
            let mut thread = Thread { memory, shared, ring, ports, bell, commands: inbox, passed, turn };
            if let Err(error) = thread.run() {
                let _ = thread.shared.cause.set(error.to_string());
            }
        };
        let thread = std::thread::Builder::new()
            .name("undertone-relay".into())
            .spawn(run)
            .map_err(|source| EngineError::System { what: "start a thread", source })?;
        outcome.recv().map_err(io::Error::other).flatten().map_err(EngineError::of_ring)?;
        let (thread, open, started) = (Some(thread), Mutex::default(), Instant::now());
        Ok(Self { memory, shared, commands, bell, thread, open, receive_buffer, room, started })
    }

    /// The tables.
    pub fn memory(&self) -> &HeapMemory {
        &self.memory
    }

    /// Makes a media port ready to receive. A port that is open stays as it is.
    pub fn open(&self, row: RowIndex) -> Result<(), EngineError> {
        let mut open = self.open.lock();
        if open.contains(&row) {
            return Ok(());
        }
        let port = self.port(row, LocalAddress::address)?;
        let socket =
            self.wait_for_port(|| bind::open(port, self.receive_buffer)).map_err(|error| self.refused(port, error))?;
        self.command(|reply| Command::Open(row, socket, reply))?.map_err(|error| self.refused(port, error))?;
        open.insert(row);
        Ok(())
    }

    /// Makes an open media port ready to be diverted. Without this, its first diverted packet does.
    pub fn open_alias(&self, row: RowIndex) -> Result<(), EngineError> {
        let open = self.open.lock();
        let port = self.port(row, LocalAddress::alias)?;
        if !open.contains(&row) {
            return Err(EngineError::NoSuchPort { row });
        }
        let mut stopped = None;
        let opened = self.wait_for_port(|| match self.command(|reply| Command::OpenAlias(row, reply)) {
            Ok(outcome) => outcome,
            Err(error) => {
                stopped = Some(error);
                Ok(())
            }
        });
        match stopped {
            Some(error) => Err(error),
            None => opened.map_err(|error| self.refused(port, error)),
        }
    }

    /// Closes a media port and its alias. When this returns, the port is free.
    pub fn close(&self, row: RowIndex) {
        let mut open = self.open.lock();
        if open.remove(&row) {
            // A thread that has ended has closed everything.
            let _ = self.command(|reply| Command::Close(row, reply));
        }
    }

    /// Returns when every packet that was received before has left, by whatever rules it met.
    pub fn settle(&self) {
        let _ = self.command(Command::Settle);
    }

    /// Packets by what became of them, in the order of [`Reason::ALL`].
    pub fn reasons(&self) -> Vec<(Reason, u64)> {
        self.shared.reasons.read()
    }

    /// How often a socket waited because every buffer was in use. Nothing is lost by that until the socket's own
    /// room is full.
    pub fn buffers_ran_dry(&self) -> u64 {
        self.shared.dry.load()
    }

    /// Why nothing is relayed any more, if the thread has ended.
    pub fn ended(&self) -> Option<String> {
        self.thread.as_ref().filter(|thread| thread.is_finished()).map(|_| self.stopped().to_string())
    }

    /// Says that the mixer's thread is alive at `now_ns`.
    pub fn beat(&self, now_ns: u64) {
        self.shared.heartbeat.store(now_ns);
    }

    /// The socket address of a media port, or of its alias.
    fn port(&self, row: RowIndex, address: impl Fn(&LocalAddress) -> Address) -> Result<SocketAddr, EngineError> {
        let local = self.memory.row(row).and_then(|_| self.memory.config().local(row.local()));
        match local.map(address) {
            Some(address) if address != Address::NONE && row.port() != 0 => {
                Ok(Endpoint { address, port: row.port() }.into())
            }
            _ => Err(EngineError::NoSuchPort { row }),
        }
    }

    /// Opens a port, with patience for one that belonged to an engine that was killed just before this one started.
    fn wait_for_port<T>(&self, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match open() {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.started.elapsed() < LINGER => {
                    std::thread::sleep(LINGER_STEP);
                }
                opened => return opened,
            }
        }
    }

    fn refused(&self, port: SocketAddr, error: io::Error) -> EngineError {
        EngineError::of_socket(port, error, self.room)
    }

    /// Has the thread do something, and waits for the outcome.
    fn command(&self, make: impl FnOnce(Reply) -> Command) -> Result<io::Result<()>, EngineError> {
        let (reply, outcome): (_, Receiver<_>) = mpsc::sync_channel(1);
        let is_sent = self.commands.send(make(reply)).is_ok() && self.bell.write(1).is_ok();
        match outcome.recv() {
            Ok(outcome) if is_sent => Ok(outcome),
            _ => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> EngineError {
        let cause = self.shared.cause.get().map_or("its thread has ended", String::as_str);
        EngineError::Stopped { cause: cause.into() }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        let _ = self.bell.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes room for so many sockets, as far as this process may.
fn make_room(sockets_wanted: u32) -> Room {
    let files_wanted = u64::from(sockets_wanted) + FILES_BESIDE;
    let files_max = bind::raise_file_limit(files_wanted);
    // The ring's table of sockets may be as large as the limit, and each of them is a file beside.
    let sockets_max = sockets_wanted.min(files_max.saturating_sub(FILES_BESIDE).max(1) as u32);
    Room { sockets_max, files_wanted, files_max }
}
