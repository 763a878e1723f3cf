//! Full tables, and interfaces that come and go.

use std::net::Ipv4Addr;

use undertone_abi::limits::{DEVICES_MAX, HOPS_MAX, SHAPES_MAX};

use super::*;
use crate::Refused;

/// Gives a relay between the ports number `index` to a party at `party`.
fn relay_to(party: Ipv4Addr, index: u16) -> Relay {
    let local = |address: [u8; 4]| SocketAddr::from((address, 20_000 + index));
    Relay {
        a: End { local: local([10, 0, 0, 1]), ..relay().a },
        b: End { local: local([10, 1, 0, 1]), peer: (party, 5000).into(), ..relay().b },
        ..relay()
    }
}

fn party(index: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 1).to_bits() + u32::from(index))
}

impl Bench {
    fn add_to(&mut self, index: u16, interface: u32) -> Result<(), PlaneError> {
        self.plane.add(&relay_to(party(index), index)).unwrap();
        self.plane.handle_way(party(index).into(), Some(way(interface, &party(index).to_string(), 7)))
    }

    fn to_party(&self, index: u16) -> Hop {
        self.hop(&relay_to(party(index), index).a.local.to_string())
    }

    /// An interface goes, and every way through it.
    fn lose(&mut self, interface: u32, parties: &[u16]) {
        let mut asked = self.asked.borrow_mut();
        asked.gone.insert(interface);
        asked.devices.retain(|_, (there, _)| *there != interface);
        drop(asked);
        for index in parties {
            self.plane.handle_way(party(*index).into(), None).unwrap();
        }
    }
}

#[test]
fn the_slots_of_interfaces_that_are_gone_are_used_again() {
    let mut bench = Bench::new();
    bench.add_to(0, 1).unwrap();
    for interface in 2..10 * DEVICES_MAX {
        bench.add_to(1, interface).unwrap();
        let hop = bench.to_party(1);
        assert_eq!(bench.asked.borrow().devices[&hop.device], (interface, false));
        bench.lose(interface, &[1]);
        bench.plane.remove(relay_to(party(1), 1).a.local).unwrap();
        let other = bench.to_party(0);
        assert_eq!(bench.asked.borrow().devices[&other.device], (1, false), "what runs is left alone");
    }
    assert!(bench.asked.borrow().settled > 0, "packets under way left before a slot was used again");
    assert_eq!(bench.plane.capacity().refused, Refused::default());
}

#[test]
fn interfaces_that_carried_copies_give_back_slots_and_shapes() {
    let mut bench = Bench::new();
    bench.add_to(0, 1).unwrap();
    let at = relay_to(party(0), 0).a.local;
    for interface in 2..2 * SHAPES_MAX {
        let monitor = SocketAddr::from((party(5000), 9000));
        let id = bench.plane.add_copy(at, MonitorPort::Network(monitor)).unwrap();
        bench.plane.handle_way(monitor.ip(), Some(way(interface, "10.9.0.1", 9))).unwrap();
        assert_eq!(bench.copies(&at.to_string()).1, [(1, false), (interface, true)]);
        bench.lose(interface, &[]);
        bench.plane.handle_way(monitor.ip(), None).unwrap();
        bench.plane.remove_copy(at, id).unwrap();
    }
    assert_eq!(bench.plane.capacity().refused, Refused::default());
}

#[test]
fn one_device_too_many_is_refused_and_has_its_way_when_there_is_room() {
    let mut bench = Bench::new();
    let max = DEVICES_MAX as u16;
    for index in 0..max {
        bench.add_to(index, 1 + u32::from(index)).unwrap();
    }
    let before = bench.to_party(3);
    let error = bench.add_to(max, 1000).unwrap_err();
    assert!(error.to_string().contains("all 32 output devices are in use"), "{error}");
    let capacity = bench.plane.capacity();
    assert_eq!((capacity.devices, capacity.destinations_without_room, capacity.refused.devices), (32, 1, 1));
    assert!(!bench.to_party(max).resolved, "its packets take the kernel's path");
    assert_eq!(bench.to_party(3), before);

    bench.lose(4, &[3]);
    assert!(bench.to_party(max).resolved, "it has the slot of the one that is gone");
    assert_eq!(bench.asked.borrow().devices[&bench.to_party(max).device], (1000, false));
    assert_eq!(bench.plane.capacity().destinations_without_room, 0);
}

#[test]
fn one_hop_too_many_is_refused_and_has_its_way_when_a_stream_ends() {
    let mut bench = Bench::new();
    // One hop is the caller's.
    let max = (HOPS_MAX - 3) as u16;
    bench.plane.add(&relay()).unwrap();
    bench.plane.handle_way("10.0.0.2".parse().unwrap(), Some(way(1, "10.0.0.2", 1))).unwrap();
    for index in 0..max {
        bench.add_to(index, 2).unwrap();
    }
    let before = bench.to_party(0);
    for index in [max, max + 1] {
        let error = bench.add_to(index, 2).unwrap_err();
        assert!(error.to_string().contains("all 4096 next hops are in use"), "{error}");
    }
    assert_eq!((bench.plane.capacity().destinations_without_room, bench.plane.capacity().refused.hops), (2, 2));
    assert_eq!(bench.to_party(0), before);
    bench.plane.remove(relay_to(party(7), 7).a.local).unwrap();
    assert!(bench.to_party(max).resolved && !bench.to_party(max + 1).resolved);
    assert_eq!(bench.to_party(max).macs, Hop::macs([2, 0, 0, 0, 1, 7], [2, 0, 0, 0, 0, 2]));
}

/// Copies of each stream to `towards` over another list of three devices out of 16, until one is refused: how many
/// streams had theirs.
fn fill_shapes(bench: &mut Bench, towards: u16) -> u16 {
    for index in 0..16 {
        let to = MonitorPort::Network((party(index), 9).into());
        bench.plane.add(&relay_to(party(index), 10_000 + index)).unwrap();
        bench.plane.add_copy(relay_to(party(index), 10_000 + index).a.local, to).unwrap();
        bench.plane.handle_way(party(index).into(), Some(way(1 + u32::from(index), "10.9.0.1", 9))).unwrap();
    }
    let triples = (0..16).flat_map(|a| (a..16).flat_map(move |b| (b..16).map(move |c| [a, b, c])));
    for (index, triple) in (0..).zip(triples) {
        bench.plane.add(&relay_to(party(towards), index)).unwrap();
        for (port, to) in (9..).zip(triple) {
            let to = MonitorPort::Network((party(to), port).into());
            if let Err(error) = bench.plane.add_copy(relay_to(party(towards), index).a.local, to) {
                assert!(error.to_string().contains("all 1024 combinations of output devices are in use"), "{error}");
                return index;
            }
        }
    }
    panic!("it never was full")
}

#[test]
fn one_shape_too_many_is_refused_until_others_are_given_up() {
    let mut bench = Bench::with_groups(2000);
    let full = fill_shapes(&mut bench, 0);
    assert!(full > 400, "{full}");
    let refused = relay_to(party(0), full).a.local;
    assert_eq!(bench.plane.capacity().refused.shapes, 1);
    let first = relay_to(party(0), 0).a.local;
    assert_eq!(bench.copies(&first.to_string()).1, [(1, true); 4], "what runs is left alone");

    let before = bench.plane.report(refused).unwrap().copies.len();
    for index in 1..9 {
        bench.plane.remove(relay_to(party(0), index).a.local).unwrap();
    }
    bench.plane.add_copy(refused, MonitorPort::Network((party(15), 99).into())).unwrap();
    assert_eq!(bench.plane.report(refused).unwrap().copies.len(), before + 1);
}

#[test]
fn a_copy_ends_also_where_fewer_copies_would_be_one_shape_too_many() {
    let mut bench = Bench::with_groups(2000);
    bench.plane.add(&relay_to(party(20), 12_000)).unwrap();
    bench.plane.handle_way(party(20).into(), Some(way(99, "10.9.0.1", 9))).unwrap();
    let full = fill_shapes(&mut bench, 20);
    let copies = |plane: &Plane<Shell>, at| {
        let copies = plane.report(at).unwrap().copies;
        copies.into_iter().map(|(_, to)| to).collect::<Vec<_>>()
    };
    let mut vacant = Vec::new();
    // The last first: what is left of the first ones is some other stream's shape already, and makes room for the rest.
    for index in (0..full).rev() {
        let at = relay_to(party(20), index).a.local;
        let before = bench.plane.report(at).unwrap().copies;
        bench.plane.remove_copy(at, before[0].0).unwrap();
        let group = bench.memory.group(bench.rule(&at.to_string()).group).unwrap();
        vacant.extend((group.count() == 3).then_some(at));
        let left = (0..group.count().into())
            .filter_map(|index| group.copy(index))
            .map(|copy| MonitorPort::Network(copy.to.into()));
        let (left, listed) = (left.collect::<Vec<_>>(), copies(&bench.plane, at));
        assert!(left.len() == 2 && listed.len() == 2 && left.iter().all(|to| listed.contains(to)), "{left:?}");
        assert!(!left.contains(&before[0].1));
    }
    // The next daemon finds the copies that are left, and no more.
    let at = *vacant.last().expect("shapes that were full");
    let shell = Shell { memory: Rc::clone(&bench.memory), asked: Rc::default() };
    let adopted = Plane::adopt(shell, node(), &[], &[]).unwrap();
    assert_eq!(copies(&adopted, at), copies(&bench.plane, at));
}

#[test]
fn an_interface_that_comes_again_under_its_old_index_is_put_back() {
    let mut bench = Bench::with_relay();
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket("10.1.0.2:9000"))).unwrap();
    bench.lose(2, &[]);
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), None).unwrap();
    bench.asked.borrow_mut().gone.clear();
    bench.asked.borrow_mut().shapes.values_mut().for_each(Vec::clear);
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(way(2, "10.1.0.2", 2))).unwrap();
    assert_eq!(bench.asked.borrow().devices[&bench.hop(AT_CALLER).device], (2, true));
    assert_eq!(bench.copies(AT_CALLER).1, [(2, true), (2, true)]);
}

#[test]
fn a_stream_without_room_for_its_copies_follows_its_way_and_keeps_no_other_from_it() {
    let mut bench = Bench::new();
    for index in 0..4 {
        bench.plane.add(&relay_to(party(0), index)).unwrap();
        bench.plane.add_copy(relay_to(party(0), index).a.local, MonitorPort::Network(socket("10.2.0.9:9"))).unwrap();
    }
    bench.plane.handle_way("10.2.0.9".parse().unwrap(), Some(way(8, "10.2.0.9", 9))).unwrap();
    bench.plane.handle_way(party(0).into(), Some(way(1, "10.9.0.1", 1))).unwrap();
    bench.asked.borrow_mut().shapes_refused = true;
    bench.plane.handle_way(party(0).into(), Some(way(2, "10.9.0.2", 2))).unwrap_err();
    for index in 0..4 {
        let at = relay_to(party(0), index).a.local.to_string();
        assert_eq!(bench.hop(&at).macs, Hop::macs([2, 0, 0, 0, 1, 2], [2, 0, 0, 0, 0, 2]));
        assert_eq!(bench.rule(&at).group, 0);
    }
}

#[test]
fn a_change_that_cannot_be_changes_nothing() {
    let mut bench = Bench::with_relay();
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket("10.1.0.2:9000"))).unwrap();
    // Another stream knows the way to where the party is to move.
    bench.add_to(0, 3).unwrap();
    let before = (bench.rule(AT_CALLER).to, bench.copies(AT_CALLER), bench.asked.borrow().watched.clone());
    bench.asked.borrow_mut().shapes_refused = true;
    let mut other = relay();
    other.b.peer = (party(0), 6000).into();
    bench.plane.change(&other).unwrap_err();
    let after = (bench.rule(AT_CALLER).to, bench.copies(AT_CALLER), bench.asked.borrow().watched.clone());
    assert_eq!(after, before);
    assert_eq!(bench.plane.report(socket(AT_CALLER)).unwrap().to, socket(AGENT));
}

#[test]
fn an_adopted_plane_lives_with_an_interface_that_is_gone() {
    let mut bench = Bench::with_relay();
    bench.plane.add_copy(socket(AT_CALLER), MonitorPort::Network(socket("10.2.0.9:9000"))).unwrap();
    bench.plane.handle_way("10.2.0.9".parse().unwrap(), Some(way(3, "10.2.0.9", 3))).unwrap();
    let slots = bench.asked.borrow().devices.clone();
    let left: Vec<_> = slots
        .iter()
        .filter(|(_, (interface, _))| *interface != 3)
        .map(|(slot, (interface, copies))| (*slot, *interface, *copies))
        .collect();

    let asked = Rc::new(RefCell::new(Asked::default()));
    let shell = Shell { memory: Rc::clone(&bench.memory), asked: Rc::clone(&asked) };
    bench.plane = Plane::adopt(shell, node(), &[], &left).unwrap();
    bench.asked = asked;
    assert_eq!(bench.copies(AT_CALLER).1, [(2, false), (0, false)], "its place is left empty");
    // The monitor is reached over another interface now, which does not get the slot that the copies name still.
    bench.plane.handle_way("10.1.0.2".parse().unwrap(), Some(way(2, "10.1.0.2", 2))).unwrap();
    bench.plane.handle_way("10.2.0.9".parse().unwrap(), Some(way(4, "10.2.0.9", 3))).unwrap();
    assert_eq!(bench.copies(AT_CALLER).1, [(2, false), (4, true)]);
}
