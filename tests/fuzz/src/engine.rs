//! Packets across the `io_uring` path's engine, under a plane whose relays change.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use arbitrary::{Arbitrary, Unstructured};
use undertone_abi::{
    Clock, Config, Dscp, Fate, Group, Kind, Local, Policy, Published, Reason, Row, RowIndex, Side, Word64,
    limits::PORTS,
};
use undertone_core::{
    CopyId, End, Fabric, FabricError, Link, Memory, Mixer, MonitorPort, Node, Plane, Relay,
    engine::{Arrival, Departures, Sockets, Tables},
};

/// The first media port, and how many there are of each of the two addresses.
const PORT_FIRST: u16 = 20_000;
const PORT_COUNT: u16 = 8;
/// Replication groups, so few that they run out.
const GROUPS: u32 = 6;
const MIXER: Ipv4Addr = Ipv4Addr::new(127, 0, 64, 1);
/// One for each lane of the mixer.
const DIVERT_PORTS: [u16; 3] = [9000, 9002, 9004];

/// An order to the plane, or a datagram that comes.
#[derive(Debug, Arbitrary)]
enum Step {
    Add(RelayOf),
    Change(RelayOf),
    Remove(Port),
    AddCopy(Port, Option<Party>),
    RemoveCopy(Port, u8),
    Divert(Port, bool),
    Offset(Port, u16),
    Beat,
    Datagram { to: Port, from_mixer: bool, from: Party, dscp: Option<u8>, after_ms: u8, payload: Vec<u8> },
    Rtp { to: Port, from_mixer: bool, from: Party, sequence: u16 },
}

/// A media port; some are outside the range.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Port(u8);

/// One of few outside, and some that cannot be: nobody, the mixer, one of our own ports.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Party(u8);

#[derive(Debug, Arbitrary)]
struct RelayOf {
    ports: [Port; 2],
    peers: [Party; 2],
    learn: [u8; 2],
    sends: [bool; 2],
    dscp: Option<u8>,
    kind: u8,
}

/// Drives a plane and its engine.
///
/// Every packet has one reason, which says what the port counts, whether something leaves, and whereto. What leaves is
/// what came but for an RTP sequence number, and leaves through sockets that are open.
pub fn engine(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut host = Host::new();
    while !input.is_empty()
        && let Ok(step) = input.arbitrary()
    {
        host.take(step);
    }
}

/// A node on sockets.
struct Host {
    plane: Plane<Shell>,
    heartbeat: Word64,
    now_ns: u64,
    copies: Vec<CopyId>,
    departures: Departures<Id>,
}

impl Host {
    fn new() -> Self {
        let addresses = [Local(0), Local(1)].map(address);
        let node =
            Node { addresses: addresses.to_vec(), port_first: PORT_FIRST, port_last: PORT_FIRST + PORT_COUNT - 1 };
        let aliases = [Ipv4Addr::new(127, 0, 64, 16), Ipv4Addr::new(127, 0, 64, 17)];
        let mut plane = Plane::new(Shell::default(), node, &aliases).expect("two different addresses");
        let mixer = Mixer { address: MIXER, divert_ports: DIVERT_PORTS.to_vec(), unresolved_port: 0, copies_port: 0 };
        let link = Link { interface: 1, tags: Vec::new(), mac: [2; 6], mtu: u16::MAX };
        plane.set_mixer(mixer, link, [2; 6]).expect("no stream is copied yet");
        let now_ns = 1 << 40;
        Self { plane, heartbeat: Word64::new(0), now_ns, copies: Vec::new(), departures: Departures::new() }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add(relay) => drop(self.plane.add(&relay.relay())),
            Step::Change(relay) => drop(self.plane.change(&relay.relay())),
            Step::Remove(port) => drop(self.plane.remove(port.socket())),
            Step::AddCopy(port, to) => {
                let to = to.map_or(MonitorPort::Mixer(7000), |party| MonitorPort::Network(party.socket()));
                self.copies.extend(self.plane.add_copy(port.socket(), to));
            }
            Step::RemoveCopy(port, which) => {
                if let Some(copy) = self.copies.get(usize::from(which)) {
                    drop(self.plane.remove_copy(port.socket(), *copy));
                }
            }
            Step::Divert(port, divert) => drop(self.plane.set_divert(port.socket(), divert)),
            Step::Offset(port, packets) => drop(self.plane.set_sequence_offset(port.socket(), packets)),
            Step::Beat => self.heartbeat.store(self.now_ns),
            Step::Datagram { to, from_mixer, from, dscp, after_ms, payload } => {
                self.now_ns += u64::from(after_ms) * 1_000_000;
                self.walk(to, from_mixer, from, dscp.and_then(Dscp::new), payload);
            }
            Step::Rtp { to, from_mixer, from, sequence } => {
                let [high, low] = sequence.to_be_bytes();
                let payload = vec![0x80, 0, high, low, 0, 0, 0, 160, 1, 2, 3, 4, 0xd5, 0xd5];
                self.walk(to, from_mixer, from, None, payload);
            }
        }
    }

    fn walk(&mut self, to: Port, from_mixer: bool, from: Party, dscp: Option<Dscp>, mut payload: Vec<u8>) {
        let side = if from_mixer { Side::Mixer } else { Side::Network };
        let arrival = Arrival { index: to.row(), side, source: from.socket().into(), dscp, now_ns: self.now_ns };
        let (before, came) = (self.counted(to), payload.clone());
        let shell = self.plane.fabric();
        let tables = Tables { memory: shell.memory(), heartbeat: &self.heartbeat };
        let reason = tables.walk(&arrival, &mut payload, &mut Board(&shell.open), &mut self.departures);

        let counted = self.counted(to).map_with(before, u64::wrapping_sub);
        assert_eq!(counted, Counted::of(reason, side), "what the port counts for {reason:?}");
        self.compare_departures(&arrival, reason);
        if payload != came {
            assert!(reason.fate() == Fate::Sent && came.len() >= 12, "{reason:?} changed {came:x?}");
            let offset = shell.memory().row(to.row()).and_then(Row::rule).map_or(0, |rule| rule.sequence_offset);
            assert!(
                side == Side::Network && offset != 0,
                "{came:x?} from the mixer, or of a stream that is not shifted"
            );
            let sequence = u16::from_be_bytes([came[2], came[3]]).wrapping_add(offset);
            assert_eq!(payload[2..4], sequence.to_be_bytes(), "another number than {offset} more");
            payload[2..4].copy_from_slice(&came[2..4]);
            assert_eq!(payload, came, "more than the sequence number");
        }
    }

    fn compare_departures(&self, arrival: &Arrival, reason: Reason) {
        let mut leaving: Vec<_> = self.departures.iter().collect();
        let stuck = self.departures.copies_stuck();
        match reason.fate() {
            Fate::Sent if reason == Reason::CopiedOnly => assert!(!leaving.is_empty() || stuck > 0),
            Fate::Sent => {
                let original = leaving.remove(0);
                assert_eq!(original.reason, reason);
                let is_to_mixer = original.to.address == MIXER.into() && DIVERT_PORTS.contains(&original.to.port);
                assert_eq!(is_to_mixer, reason == Reason::Diverted, "{reason:?} to {:?}", original.to);
            }
            Fate::Passed | Fate::Dropped => assert!(leaving.is_empty() && stuck == 0, "{reason:?}, and yet it leaves"),
        }
        assert!(leaving.is_empty() || arrival.side == Side::Network, "copies were made before");
        for copy in &leaving {
            assert_eq!(copy.reason, Reason::CopySent);
        }
        let copies = self.plane.report(socket(arrival.index)).map_or(0, |report| report.copies.len());
        assert_eq!(
            leaving.len() + stuck as usize,
            if arrival.side == Side::Mixer || reason.fate() != Fate::Sent { 0 } else { copies }
        );
        for departure in self.departures.iter() {
            assert!(!departure.to.address.is_unspecified() && departure.to.port != 0, "to nobody: {departure:?}");
            let is_open = match departure.socket {
                Id::Port(row) | Id::Alias(row) => self.plane.fabric().open.contains(&row),
                Id::Spare(_) => true,
            };
            assert!(is_open, "through a closed socket: {departure:?}");
        }
    }

    fn counted(&self, port: Port) -> Counted {
        let Some(row) = self.plane.fabric().memory().row(port.row()) else { return Counted::default() };
        let it = row.statistics(Clock::Hz8000);
        Counted { packets: it.packets, strangers: it.strangers, invalid: it.invalid.into() }
    }
}

/// What a port counts of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counted {
    packets: u64,
    strangers: u64,
    invalid: u64,
}

impl Counted {
    /// What is counted of a packet with this fate.
    fn of(reason: Reason, side: Side) -> Self {
        match reason {
            _ if side == Side::Mixer => Self::default(),
            Reason::Stranger => Self { strangers: 1, ..Self::default() },
            Reason::BadRtp | Reason::WrongKind => Self { invalid: 1, ..Self::default() },
            Reason::NoStream | Reason::NotRtp => Self::default(),
            Reason::Held | Reason::NoHop => Self { packets: 1, ..Self::default() },
            _ if reason.fate() == Fate::Sent => Self { packets: 1, ..Self::default() },
            other => panic!("{other:?} is no reason on this path"),
        }
    }

    fn map_with(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            packets: with(self.packets, other.packets),
            strangers: with(self.strangers, other.strangers),
            invalid: with(self.invalid, other.invalid),
        }
    }
}

impl RelayOf {
    fn relay(&self) -> Relay {
        let end = |which: usize| End {
            local: self.ports[which].socket(),
            peer: self.peers[which].socket(),
            learn: [Policy::Strict, Policy::SameHost, Policy::Latch][usize::from(self.learn[which] % 3)],
            sends: self.sends[which],
            dscp: self.dscp.and_then(Dscp::new),
        };
        let kind = [Kind::Free].into_iter().chain(Kind::ALL).nth(usize::from(self.kind % 6)).unwrap_or_default();
        Relay { a: end(0), b: end(1), kind, clock: Clock::Hz8000 }
    }
}

impl Port {
    /// The row; there is none for the last two of an address.
    fn row(self) -> RowIndex {
        RowIndex::new(Local(self.0 & 1), PORT_FIRST + u16::from(self.0 >> 1) % (PORT_COUNT + 2))
    }

    fn socket(self) -> SocketAddr {
        socket(self.row())
    }
}

fn socket(row: RowIndex) -> SocketAddr {
    SocketAddr::new(address(row.local()), row.port())
}

fn address(local: Local) -> IpAddr {
    if local == Local(0) {
        Ipv4Addr::new(192, 0, 2, 1).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
    }
}

impl Party {
    fn socket(self) -> SocketAddr {
        let host = u16::from(self.0 >> 2 & 3);
        let port = 4000 + u16::from(self.0 >> 1 & 1);
        match (self.0 >> 4 & 7, self.0 & 1) {
            (0, 0) => (Ipv4Addr::UNSPECIFIED, port).into(),
            (0, _) => (MIXER, port).into(),
            (1, 0) => Port(self.0 >> 1).socket(),
            (_, 0) => (Ipv4Addr::new(198, 51, 100, host as u8), port).into(),
            (_, _) => (Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, host), port).into(),
        }
    }
}

/// The sockets that are open.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Id {
    Port(RowIndex),
    Alias(RowIndex),
    Spare(Local),
}

struct Board<'a>(&'a HashSet<RowIndex>);

impl Sockets for Board<'_> {
    type Id = Id;

    fn port(&self, row: RowIndex) -> Option<Id> {
        self.0.contains(&row).then_some(Id::Port(row))
    }

    fn alias(&mut self, row: RowIndex) -> Option<Id> {
        self.0.contains(&row).then_some(Id::Alias(row))
    }

    fn spare(&mut self, local: Local) -> Option<Id> {
        Some(Id::Spare(local))
    }
}

/// The shell of a plane whose packets the kernel routes.
#[derive(Default)]
struct Shell {
    memory: Tiny,
    open: HashSet<RowIndex>,
    watched: HashSet<IpAddr>,
}

impl Fabric for Shell {
    type Memory = Tiny;
    const ROUTED_BY_KERNEL: bool = true;

    fn memory(&self) -> &Tiny {
        &self.memory
    }

    fn watch(&mut self, ip: IpAddr) {
        assert!(self.watched.insert(ip), "{ip} is watched already");
    }

    fn forget(&mut self, ip: IpAddr) {
        assert!(self.watched.remove(&ip), "{ip} was not watched");
    }

    fn open(&mut self, row: RowIndex) -> Result<(), FabricError> {
        assert!(self.open.insert(row), "{row:?} is open already");
        Ok(())
    }

    fn close(&mut self, row: RowIndex) {
        assert!(self.open.remove(&row), "{row:?} was not open");
    }

    fn set_device(&mut self, _: u8, _: u32, _: bool) -> Result<(), FabricError> {
        Ok(())
    }

    fn set_shape(&mut self, _: u16, _: &[(u32, bool)]) -> Result<(), FabricError> {
        Ok(())
    }

    fn settle(&mut self) {}
}

/// Tables with the rows of the media range only, so that an input costs no megabytes.
struct Tiny {
    rows: Vec<Row>,
    groups: Vec<Group>,
    config: Config,
}

impl Default for Tiny {
    fn default() -> Self {
        Self {
            rows: (0..2 * PORT_COUNT).map(|_| Row::default()).collect(),
            groups: (0..GROUPS).map(|_| Group::default()).collect(),
            config: Config::new(),
        }
    }
}

impl Memory for Tiny {
    fn rows(&self) -> u32 {
        2 * PORTS
    }

    fn row(&self, index: RowIndex) -> Option<&Row> {
        let port = index.port().checked_sub(PORT_FIRST).filter(|port| *port < PORT_COUNT)?;
        self.rows.get(usize::from(u16::from(index.local().0) * PORT_COUNT + port))
    }

    fn hop(&self, _: u16) -> Option<&Published> {
        None
    }

    fn groups(&self) -> u32 {
        GROUPS
    }

    fn group(&self, index: u16) -> Option<&Group> {
        self.groups.get(usize::from(index))
    }

    fn config(&self) -> &Config {
        &self.config
    }
}
