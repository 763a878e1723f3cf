//! The engine on loopback addresses: no privilege, no interface, no wire.

mod copies;
mod mixer;
mod ports;
mod streams;
mod timing;

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    process,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use undertone_abi::{CopyRule, Endpoint, GroupPlan, Kind, Local, Policy, Reason, Row, RowIndex, Rule, Statistics, Via};
use undertone_core::{HeapMemory, Memory as _};

use super::{Engine, EngineError, Options};

const V4: Local = Local(0);
const V6: Local = Local(1);
/// An address of ours that this host does not have (TEST-NET-1, RFC 5737).
const ELSEWHERE: Local = Local(2);
/// An index without an address.
const UNUSED: Local = Local(3);

const ALIAS: Ipv4Addr = Ipv4Addr::new(127, 64, 64, 16);
const MIXER: Ipv4Addr = Ipv4Addr::new(127, 64, 64, 1);

/// Media ports. Below them are those that no stream wants; above, those that the kernel gives to other tests.
const PORTS: (u16, u16) = (12_000, 32_000);
/// How long anything may take that will happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine with tables of its own.
struct Node {
    engine: Engine,
    memory: Arc<HeapMemory>,
}

/// One end of a relay: a media port, and the party that talks to it.
struct Leg {
    row: RowIndex,
    /// The media port.
    media: SocketAddr,
    party: UdpSocket,
}

impl Node {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let memory = Arc::new(HeapMemory::new(3, 16));
        memory.config().set_ports(PORTS.0, PORTS.1);
        let addresses = [
            (Ipv4Addr::LOCALHOST.into(), Some(ALIAS)),
            (Ipv6Addr::LOCALHOST.into(), Some(Ipv4Addr::new(127, 64, 64, 17))),
            (Ipv4Addr::new(192, 0, 2, 1).into(), None),
        ];
        assert!(memory.config().set_addresses(&addresses));
        let engine = Engine::start(Arc::clone(&memory), options).unwrap();
        Self { engine, memory }
    }

    fn row(&self, row: RowIndex) -> &Row {
        self.memory.row(row).unwrap()
    }

    /// Opens a media port that nobody has.
    fn open(&self, local: Local) -> RowIndex {
        loop {
            let row = RowIndex::new(local, next_port());
            match self.engine.open(row) {
                Ok(()) => return row,
                Err(EngineError::PortInUse { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A media port with a party that is at home.
    fn leg(&self, local: Local) -> Leg {
        let row = self.open(local);
        Leg { row, media: SocketAddr::new(self.address(local), row.port()), party: socket(local) }
    }

    fn address(&self, local: Local) -> std::net::IpAddr {
        self.memory.config().local(local).unwrap().address().into()
    }

    /// Two parties that hear each other.
    fn relay(&self, a: Local, b: Local) -> (Leg, Leg) {
        let (a, b) = (self.leg(a), self.leg(b));
        self.set(&a, &b, |_| {});
        self.set(&b, &a, |_| {});
        (a, b)
    }

    /// Begins another stream from one party to another, by an ordinary rule with a change.
    fn set(&self, from: &Leg, to: &Leg, change: impl FnOnce(&mut Rule)) {
        self.change(from, to, change);
        self.row(from.row).set_epoch(self.row(from.row).epoch().next_stream());
    }

    /// Changes the rule of a stream.
    fn change(&self, from: &Leg, to: &Leg, change: impl FnOnce(&mut Rule)) {
        let mut rule = Rule {
            kind: Kind::RtpMux,
            policy: Policy::Strict,
            forward: true,
            to: to.party.local_addr().unwrap().into(),
            from_port: to.row.port(),
            via: Via { local: to.row.local(), hop: 0 },
            ..Rule::default()
        };
        change(&mut rule);
        self.row(from.row).write(&rule);
    }

    /// Fills group 1 with copies to `monitors`, from `from`'s port or the same port of the other IP version.
    fn copies(&self, from: &Leg, monitors: &[SocketAddr]) {
        let mut plan = GroupPlan { count: monitors.len() as u8, ..GroupPlan::default() };
        for (copy, monitor) in plan.copies.iter_mut().zip(monitors) {
            let local = if monitor.is_ipv4() { V4 } else { V6 };
            let to = Endpoint::from(*monitor);
            *copy = CopyRule { to, from_port: from.row.port(), via: Via { local, hop: 0 } };
        }
        self.memory.group(1).unwrap().write(&plan);
    }

    fn count(&self, reason: Reason) -> u64 {
        self.engine.reasons()[reason as usize].1
    }

    /// Waits until so many packets had this fate.
    fn wait_for(&self, reason: Reason, count: u64) {
        until(|| self.count(reason) >= count, || format!("{reason:?}: {count} in {:?}", self.counted()));
        assert_eq!(self.count(reason), count, "{:?}", self.counted());
    }

    /// The reasons that anything counted for.
    fn counted(&self) -> Vec<(Reason, u64)> {
        self.engine.reasons().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn statistics(&self, leg: &Leg) -> Statistics {
        self.row(leg.row).statistics(self.row(leg.row).rule().unwrap().clock)
    }
}

impl Leg {
    fn say(&self, payload: &[u8]) {
        assert_eq!(self.party.send_to(payload, self.media).unwrap(), payload.len());
    }

    /// What the party hears next, and from whom.
    fn hear(&self) -> (Vec<u8>, SocketAddr) {
        receive(&self.party)
    }

    /// The party hears exactly this next, from its own media port.
    fn hears(&self, payload: &[u8]) {
        assert_eq!(self.hear(), (payload.to_vec(), self.media));
    }

    fn hears_nothing(&self) {
        assert_is_quiet(&self.party);
    }
}

/// A socket of somebody on this host.
fn socket(local: Local) -> UdpSocket {
    let socket = match local {
        V4 | ELSEWHERE => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)),
        _ => UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)),
    }
    .unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 4096];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

/// Nothing waits at the socket. Loopback delivers before a send returns, so what was counted has come.
fn assert_is_quiet(socket: &UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    let heard = socket.recv_from(&mut [0; 4096]);
    socket.set_nonblocking(false).unwrap();
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Waits for a condition, and panics with `why` when it takes too long.
fn until(mut condition: impl FnMut() -> bool, why: impl Fn() -> String) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {}", why());
        thread::sleep(Duration::from_millis(1));
    }
}

/// A port to try; other processes begin elsewhere.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let range = PORTS.1 - PORTS.0;
    let start = (process::id() % u32::from(range)) as u16;
    PORTS.0 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed) % range) % range
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(0x1234_5678_u32.to_be_bytes());
    packet.extend((0..160_u16).map(|byte| (byte ^ sequence) as u8));
    packet
}

const RTCP: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];
