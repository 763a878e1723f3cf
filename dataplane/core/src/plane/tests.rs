mod full;

use std::{cell::RefCell, collections::HashSet, net::Ipv4Addr, rc::Rc};

use undertone_abi::{CopyRule, Endpoint, Hop, Tag};

use super::*;
use crate::{Clock, FabricError, HeapMemory, Link, Policy, Way};

/// What a shell was asked for.
#[derive(Default)]
struct Asked {
    watched: HashSet<IpAddr>,
    open: HashSet<RowIndex>,
    devices: HashMap<u8, (u32, bool)>,
    shapes: HashMap<u16, Vec<(u32, bool)>>,
    settled: u32,
    /// Interfaces that are gone: the kernel has dropped them from every list.
    gone: HashSet<u32>,
    /// Whether the kernel makes no more lists of devices.
    shapes_refused: bool,
}

struct Shell {
    memory: Rc<HeapMemory>,
    asked: Rc<RefCell<Asked>>,
}

impl Fabric for Shell {
    type Memory = HeapMemory;
    const ROUTED_BY_KERNEL: bool = false;

    fn memory(&self) -> &HeapMemory {
        &self.memory
    }
    fn watch(&mut self, ip: IpAddr) {
        assert!(self.asked.borrow_mut().watched.insert(ip), "{ip} is watched already");
    }
    fn forget(&mut self, ip: IpAddr) {
        assert!(self.asked.borrow_mut().watched.remove(&ip), "{ip} was not watched");
    }
    fn open(&mut self, row: RowIndex) -> Result<(), FabricError> {
        assert!(self.asked.borrow_mut().open.insert(row));
        Ok(())
    }
    fn close(&mut self, row: RowIndex) {
        assert!(self.asked.borrow_mut().open.remove(&row));
    }
    fn set_device(&mut self, slot: u8, interface: u32, copies: bool) -> Result<(), FabricError> {
        if self.asked.borrow().gone.contains(&interface) {
            return Err("no such device".into());
        }
        self.asked.borrow_mut().devices.insert(slot, (interface, copies));
        Ok(())
    }
    fn has_device(&self, slot: u8, interface: u32) -> bool {
        self.asked.borrow().devices.get(&slot).is_some_and(|(there, _)| *there == interface)
    }
    fn set_shape(&mut self, index: u16, interfaces: &[(u32, bool)]) -> Result<(), FabricError> {
        if self.asked.borrow().shapes_refused {
            return Err("no memory".into());
        }
        self.asked.borrow_mut().shapes.insert(index, interfaces.to_vec());
        Ok(())
    }
    fn settle(&mut self) {
        self.asked.borrow_mut().settled += 1;
    }
}

/// A plane with two IPv4 media addresses and one IPv6, and a look behind it.
struct Bench {
    plane: Plane<Shell>,
    memory: Rc<HeapMemory>,
    asked: Rc<RefCell<Asked>>,
}

const CALLER: &str = "10.0.0.2:4000";
const AGENT: &str = "10.1.0.2:5000";
const AT_CALLER: &str = "10.0.0.1:30000";
const AT_AGENT: &str = "10.1.0.1:30002";

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn node() -> Node {
    let addresses = ["10.0.0.1", "10.1.0.1", "fd00::1"].map(|ip| ip.parse().unwrap()).to_vec();
    Node { addresses, port_first: 20_000, port_last: 40_000 }
}

fn end(local: &str, peer: &str) -> End {
    End { local: socket(local), peer: socket(peer), learn: Policy::Latch, sends: true, dscp: None }
}

fn relay() -> Relay {
    Relay { a: end(AT_CALLER, CALLER), b: end(AT_AGENT, AGENT), kind: Kind::Rtp, clock: Clock::Hz8000 }
}

fn way(interface: u32, neighbour: &str, mac: u8) -> Way {
    let link = Link { interface, tags: Vec::new(), mac: [2, 0, 0, 0, 0, interface as u8], mtu: 1500 };
    Way { link, neighbour: neighbour.parse().unwrap(), mac: (mac != 0).then_some([2, 0, 0, 0, 1, mac]) }
}

impl Bench {
    fn new() -> Self {
        Self::with_groups(16)
    }

    fn with_groups(groups: u32) -> Self {
        let memory = Rc::new(HeapMemory::new(3, groups));
        let asked = Rc::new(RefCell::new(Asked::default()));
        let shell = Shell { memory: Rc::clone(&memory), asked: Rc::clone(&asked) };
        Self { plane: Plane::new(shell, node(), &[]).unwrap(), memory, asked }
    }

    fn with_relay() -> Self {
        let mut bench = Self::new();
        bench.plane.add(&relay()).unwrap();
        bench.plane.handle_way("10.0.0.2".parse().unwrap(), Some(way(1, "10.0.0.2", 1))).unwrap();
        bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(way(2, "10.1.0.2", 2))).unwrap();
        bench
    }

    fn row(&self, at: &str) -> &undertone_abi::Row {
        self.memory.row(self.plane.row(socket(at)).unwrap()).unwrap()
    }

    fn rule(&self, at: &str) -> Rule {
        self.row(at).rule().unwrap()
    }

    fn hop(&self, at: &str) -> Hop {
        self.memory.hop(self.rule(at).via.hop).unwrap().read().unwrap()
    }

    /// The copies of a stream as the tables have them, with the shapes they leave by.
    fn copies(&self, at: &str) -> (Vec<CopyRule>, Vec<(u32, bool)>) {
        let group = self.memory.group(self.rule(at).group).unwrap();
        let copies = (0..group.count() as usize).map(|index| group.copy(index).unwrap()).collect();
        (copies, self.asked.borrow().shapes[&group.shapes().forward].clone())
    }
}

#[test]
fn a_relay_is_two_rules_that_point_at_each_other() {
    let bench = Bench::with_relay();
    let rule = bench.rule(AT_CALLER);
    assert_eq!((rule.kind, rule.forward, rule.policy), (Kind::Rtp, true, Policy::Latch));
    assert_eq!(rule.to, Endpoint::from(socket(AGENT)));
    assert_eq!(rule.partner(), bench.plane.row(socket(AT_AGENT)).unwrap());
    assert_eq!(bench.rule(AT_AGENT).to, Endpoint::from(socket(CALLER)));
    assert_eq!(bench.rule(AT_AGENT).partner(), bench.plane.row(socket(AT_CALLER)).unwrap());
    let hop = bench.hop(AT_CALLER);
    assert_eq!((hop.resolved, hop.macs), (true, Hop::macs([2, 0, 0, 0, 1, 2], [2, 0, 0, 0, 0, 2])));
    assert_eq!(bench.asked.borrow().devices[&hop.device], (2, false));
}

#[test]
fn a_removed_relay_leaves_nothing_behind() {
    let mut bench = Bench::with_relay();
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket("10.2.0.9:9000"))).unwrap();
    bench.plane.remove(socket(AT_AGENT)).unwrap();
    assert_eq!((bench.rule(AT_CALLER), bench.rule(AT_AGENT)), (Rule::default(), Rule::default()));
    assert!(bench.asked.borrow().watched.is_empty() && bench.asked.borrow().open.is_empty());
    assert_eq!((bench.plane.capacity().streams, bench.plane.capacity().groups), (0, 0));
    assert!(matches!(bench.plane.remove(socket(AT_CALLER)), Err(PlaneError::NoStream { .. })));
}

#[test]
fn a_port_that_is_used_again_does_not_hear_its_last_party() {
    use undertone_abi::Admission::{Known, Stranger};
    let mut bench = Bench::with_relay();
    let hears = |bench: &Bench, from: &str| {
        let (row, rule) = (bench.row(AT_CALLER), bench.rule(AT_CALLER));
        let signalled = || Some(bench.rule(AT_AGENT).to);
        row.admit(rule.policy, row.epoch(), socket(from).into(), signalled, 1 << 40)
    };
    assert_eq!(hears(&bench, CALLER), Known);
    let old = bench.rule(AT_CALLER);
    bench.plane.remove(socket(AT_CALLER)).unwrap();
    // The next call's rule stands, and its epoch does not yet: the moment in which a daemon may be killed.
    let next = Rule { policy: Policy::Strict, ..old };
    bench.row(AT_CALLER).write(&next);
    assert_eq!(hears(&bench, CALLER), Stranger, "the last call's source");
}

#[test]
fn a_media_port_of_ours_is_nobodys_address() {
    let mut bench = Bench::new();
    let mut loops = relay();
    loops.a.peer = loops.b.local;
    assert!(matches!(bench.plane.add(&loops), Err(PlaneError::OwnPort { .. })));
    let mut bench = Bench::with_relay();
    let copy = bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket(AT_AGENT)));
    assert!(matches!(copy, Err(PlaneError::OwnPort { .. })));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut bench = Bench::with_relay();
    let with = |change: fn(&mut Relay)| {
        let mut relay = Relay { a: end("10.0.0.1:20000", CALLER), b: end("10.1.0.1:20002", AGENT), ..relay() };
        change(&mut relay);
        relay
    };
    let table: [(Relay, &str); 7] = [
        (with(|relay| relay.a.local = socket("10.9.9.9:20000")), "10.9.9.9 is not one of the media addresses"),
        (with(|relay| relay.a.local.set_port(19_999)), "outside the media range 20000 to 40000"),
        (with(|relay| relay.a.local = socket(AT_CALLER)), "media port 10.0.0.1:30000 is in use"),
        (with(|relay| relay.b.local = relay.a.local), "two different ports"),
        (with(|relay| relay.kind = Kind::Free), "a kind of media"),
        (with(|relay| relay.a.peer = socket("[fd00::2]:4000")), "one is IPv4, the other IPv6"),
        (with(|relay| relay.b.peer.set_port(0)), "no address to send to"),
    ];
    for (relay, text) in table {
        let error = bench.plane.add(&relay).unwrap_err().to_string();
        assert!(error.contains(text), "{error:?} does not say {text:?}");
    }
    assert_eq!(bench.plane.capacity().streams, 2);
    assert_eq!(bench.asked.borrow().open.len(), 2);
}

#[test]
fn a_gateways_new_mac_is_one_write() {
    let mut bench = Bench::with_relay();
    let before = bench.rule(AT_CALLER);
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(way(2, "10.1.0.2", 77))).unwrap();
    assert_eq!(bench.rule(AT_CALLER), before, "the rule is as it was");
    assert_eq!(bench.hop(AT_CALLER).macs, Hop::macs([2, 0, 0, 0, 1, 77], [2, 0, 0, 0, 0, 2]));
}

#[test]
fn a_route_over_another_interface_moves_stream_and_copies() {
    let mut bench = Bench::with_relay();
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket("10.1.0.2:9000"))).unwrap();
    assert_eq!(bench.copies(AT_CALLER).1, [(2, true), (2, true)]);
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(way(3, "10.3.0.1", 5))).unwrap();
    assert_eq!(bench.copies(AT_CALLER).1, [(3, true), (3, true)]);
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), None).unwrap();
    assert!(!bench.hop(AT_CALLER).resolved);
    assert_eq!(bench.rule(AT_CALLER).group, 0, "a copy without a way is left out");
}

#[test]
fn copies_stand_behind_the_stream_sorted_by_device() {
    let mut bench = Bench::with_relay();
    for (to, interface) in [("10.4.0.1:1", 4), ("10.2.0.1:2", 2), ("10.4.0.1:3", 4)] {
        bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket(to))).unwrap();
        bench.plane.handle_way(socket(to).ip(), Some(way(interface, "10.9.0.1", 9))).unwrap();
    }
    let (copies, shape) = bench.copies(AT_CALLER);
    assert_eq!(copies.iter().map(|copy| copy.to.port).collect::<Vec<_>>(), [2, 1, 3]);
    assert_eq!(shape, [(2, true), (2, true), (4, true), (4, true)]);
    assert!(copies.iter().all(|copy| copy.from_port == 30_000));
    assert!(bench.asked.borrow().settled > 0, "frames under way left before a device began to carry copies");
}

#[test]
fn an_ipv4_stream_is_copied_to_an_ipv6_monitor() {
    let mut bench = Bench::with_relay();
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket("[fd00::9]:9"))).unwrap();
    bench.plane.handle_way("fd00::9".parse().unwrap(), Some(way(2, "fd00::9", 9))).unwrap();
    assert_eq!(bench.copies(AT_CALLER).0[0].via.local, Local(2));
}

#[test]
fn the_ninth_copy_is_refused_and_the_eight_stay() {
    let mut bench = Bench::with_relay();
    let monitor = |port| MonitorPort::Network(SocketAddr::from(([10, 1, 0, 2], port)));
    let ids: Vec<_> = (1..=8).map(|port| bench.plane.add_copy(socket(AT_CALLER), monitor(port)).unwrap()).collect();
    assert!(matches!(bench.plane.add_copy(socket(AT_CALLER), monitor(9)), Err(PlaneError::CopiesFull { .. })));
    assert_eq!(bench.copies(AT_CALLER).0.len(), 8);
    for id in ids {
        bench.plane.remove_copy(socket(AT_CALLER), id).unwrap();
    }
    assert_eq!(bench.rule(AT_CALLER).group, 0);
    assert_eq!(bench.plane.capacity().groups, 0);
}

#[test]
fn full_groups_refuse_and_leave_the_stream_alone() {
    let mut bench = Bench::new();
    for index in 0..16_u16 {
        let local = |address: [u8; 4]| SocketAddr::from((address, 20_000 + index));
        let relay = Relay {
            a: End { local: local([10, 0, 0, 1]), ..relay().a },
            b: End { local: local([10, 1, 0, 1]), ..relay().b },
            ..relay()
        };
        bench.plane.add(&relay).unwrap();
        bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(way(2, "10.1.0.2", 2))).unwrap();
        let result = bench.plane.add_copy(relay.a.local, MonitorPort::Network(socket("10.1.0.2:7")));
        assert_eq!(result.is_ok(), u32::from(index) < streams_copied(16), "{index}: {result:?}");
    }
    let report = bench.plane.report(socket("10.0.0.1:20015")).unwrap();
    assert!(report.copies.is_empty());
    assert_eq!(bench.rule("10.0.0.1:20015").group, 0);
    assert_eq!(bench.plane.capacity().refused.groups, 5);
    // What has copies can still be given others, or another way.
    bench.plane.add_copy(socket("10.0.0.1:20000"), MonitorPort::Network(socket("10.1.0.2:8"))).unwrap();
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(way(3, "10.3.0.1", 5))).unwrap();
    assert_eq!(bench.copies("10.0.0.1:20000").1, [(3, true); 3]);
}

#[test]
fn a_changed_party_is_learned_afresh_and_the_other_is_not() {
    let mut bench = Bench::with_relay();
    let epochs = [bench.row(AT_CALLER).epoch(), bench.row(AT_AGENT).epoch()];
    let mut relay = relay();
    relay.b.peer = socket("10.1.0.3:6000");
    bench.plane.change(&relay).unwrap();
    assert_eq!(bench.row(AT_CALLER).epoch(), epochs[0]);
    assert_eq!(bench.row(AT_AGENT).epoch(), epochs[1].next_source());
    assert_eq!(bench.rule(AT_CALLER).to, Endpoint::from(socket("10.1.0.3:6000")));
    assert!(!bench.hop(AT_CALLER).resolved, "nothing is known of the new address yet");
    assert!(!bench.asked.borrow().watched.contains(&"10.1.0.2".parse::<IpAddr>().unwrap()));
}

#[test]
fn hold_and_code_point_change_without_learning() {
    let mut bench = Bench::with_relay();
    let epoch = bench.row(AT_CALLER).epoch();
    let mut relay = relay();
    relay.a.sends = false;
    relay.b.dscp = crate::Dscp::new(46);
    bench.plane.change(&relay).unwrap();
    let rule = bench.rule(AT_CALLER);
    assert_eq!((rule.forward, rule.dscp), (false, crate::Dscp::new(46)));
    assert_eq!(bench.row(AT_CALLER).epoch(), epoch);
}

#[test]
fn a_learned_source_takes_its_own_way() {
    let mut bench = Bench::with_relay();
    let learned = Endpoint::from(socket("172.16.0.9:40000"));
    let row = bench.row(AT_AGENT);
    row.admit(Policy::Latch, row.epoch(), learned, || Some(socket(AGENT).into()), 1);
    bench.plane.handle_move(bench.plane.row(socket(AT_AGENT)).unwrap()).unwrap();
    bench.plane.handle_way("172.16.0.9".parse().unwrap(), Some(way(2, "10.1.0.254", 9))).unwrap();
    assert_eq!(bench.hop(AT_CALLER).macs, Hop::macs([2, 0, 0, 0, 1, 9], [2, 0, 0, 0, 0, 2]));
    assert_eq!(bench.rule(AT_CALLER).to, Endpoint::from(socket(AGENT)), "the SDP's address stays what is expected");
    assert_eq!(bench.plane.report(socket(AT_CALLER)).unwrap().to, socket("172.16.0.9:40000"));
}

#[test]
fn a_divert_needs_a_mixer() {
    let mut bench = Bench::with_relay();
    assert!(matches!(bench.plane.set_divert(socket(AT_CALLER), true), Err(PlaneError::NoMixer)));
    let mixer = Mixer {
        address: Ipv4Addr::new(169, 254, 64, 1),
        divert_ports: vec![1000, 1002],
        unresolved_port: 1001,
        copies_port: 0,
    };
    bench.plane.set_mixer(mixer, way(9, "10.0.0.1", 1).link, [2; 6]).unwrap();
    bench.plane.set_divert(socket(AT_CALLER), true).unwrap();
    assert!(bench.rule(AT_CALLER).divert && !bench.rule(AT_AGENT).divert);
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Mixer(2000)).unwrap();
    assert_eq!(bench.copies(AT_CALLER).0[0].to, Endpoint::from(socket("169.254.64.1:2000")));
}

#[test]
fn tags_and_devices_stand_in_the_hop() {
    let mut bench = Bench::with_relay();
    let tags = vec![Tag { tpid: 0x88a8, tci: 7 }, Tag { tpid: 0x8100, tci: 100 }];
    let mut tagged = way(2, "10.1.0.2", 2);
    tagged.link.tags.clone_from(&tags);
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(tagged)).unwrap();
    let hop = bench.hop(AT_CALLER);
    assert_eq!((hop.tags, hop.outer, hop.inner), (2, tags[0], tags[1]));
}

#[test]
fn an_adopted_plane_can_change_and_remove_what_it_found() {
    let mut bench = Bench::with_relay();
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket("10.1.0.2:9000"))).unwrap();
    let before = (bench.rule(AT_CALLER), bench.rule(AT_AGENT), bench.hop(AT_CALLER));
    let reports = [AT_CALLER, AT_AGENT].map(|at| bench.plane.report(socket(at)).unwrap());
    let devices: Vec<_> =
        bench.asked.borrow().devices.iter().map(|(slot, (interface, copies))| (*slot, *interface, *copies)).collect();

    let asked = Rc::new(RefCell::new(Asked::default()));
    let shell = Shell { memory: Rc::clone(&bench.memory), asked: Rc::clone(&asked) };
    let mut plane = Plane::adopt(shell, node(), &[], &devices).unwrap();
    assert_eq!([AT_CALLER, AT_AGENT].map(|at| plane.report(socket(at)).unwrap().to), reports.map(|report| report.to));
    bench.plane = plane;
    bench.asked = asked;
    assert_eq!((bench.rule(AT_CALLER), bench.rule(AT_AGENT), bench.hop(AT_CALLER)), before, "untouched");
    assert_eq!(bench.asked.borrow().watched.len(), 2);

    // The shell finds the same ways again: new hops, the same packets.
    for (ip, interface) in [("10.0.0.2", 1), ("10.1.0.2", 2)] {
        bench.plane.handle_way(ip.parse().unwrap(), Some(way(interface, ip, interface as u8))).unwrap();
    }
    assert_eq!(bench.hop(AT_CALLER), before.2);
    assert_eq!(bench.copies(AT_CALLER).1, [(2, true), (2, true)]);
    plane = bench.plane;
    plane.remove(socket(AT_CALLER)).unwrap();
    assert_eq!(plane.capacity().streams, 0);
    assert!(bench.asked.borrow().watched.is_empty());
}

#[test]
fn running_streams_keep_their_media_address() {
    let bench = Bench::with_relay();
    let adopt = |addresses: &[&str]| {
        let shell = Shell { memory: Rc::clone(&bench.memory), asked: Rc::default() };
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        Plane::adopt(shell, Node { addresses, ..node() }, &[], &[]).err().map(|error| error.to_string())
    };
    assert!(adopt(&["10.1.0.1", "10.0.0.1"]).unwrap().contains("running streams use media address 10.0.0.1"));
    assert!(adopt(&["10.0.0.1"]).unwrap().contains("running streams use media address 10.1.0.1"));
    assert_eq!(adopt(&["10.0.0.1", "10.1.0.1"]), None);
}
