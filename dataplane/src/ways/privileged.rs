//! What the kernel really does. Needs root: each test makes its own network namespaces.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use undertone_core::{Link, Way};

use super::Ways;
use super::events::Events;
use super::lab::{F0, F1, Lab, Lateness, N0, N1, Watching, text};
use super::tracker::Event;

/// How soon a change must be reported after the command that made it has returned.
const PROMPT: Duration = Duration::from_millis(100);
/// A time in which nothing comes if nothing is to come.
const A_WHILE: Duration = Duration::from_millis(300);
const ANOTHER: [u8; 6] = [2, 0, 0, 0, 9, 9];

/// Makes a change, waits for its report, and checks that it came promptly.
fn promptly(what: &str, change: impl FnOnce(), report: impl FnOnce() -> Instant) {
    within(PROMPT, what, change, report);
}

/// Makes a change, waits for its report, and checks that it came within `limit` of the command's return.
///
/// Between them a few threads wake one another; each may be as late as this machine is just now.
fn within(limit: Duration, what: &str, change: impl FnOnce(), report: impl FnOnce() -> Instant) {
    const WAKES: u32 = 10;
    let lateness = Lateness::measure();
    change();
    let made = Instant::now();
    let took = report().saturating_duration_since(made);
    let late = lateness.worst();
    println!("{what}: reported {took:?} after the command returned; threads woke up to {late:?} late");
    assert!(took < limit + WAKES * late, "{what} was reported only after {took:?}");
}

fn through(interface: u32) -> impl Fn(Option<&Way>) -> bool {
    move |way| way.is_some_and(|way| way.link.interface == interface && way.mac.is_some())
}

#[test]
fn a_neighbour_of_either_family_resolves_by_itself() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.2", "fd00::2"]);
    for ip in ["10.0.0.2", "fd00::2"] {
        let link = Link { interface: N0.1, tags: vec![], mac: N0.2, mtu: 1500 };
        let expected = Way { link, neighbour: ip.parse().unwrap(), mac: Some(F0) };
        watching.until(ip, |way| way == Some(&expected));
    }
}

#[test]
fn a_neighbour_that_comes_later_is_found() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.3"]);
    watching.until("10.0.0.3", |way| way.is_some_and(|way| way.mac.is_none()));
    assert_eq!(watching.during(A_WHILE), []);
    lab.far("addr add 10.0.0.3/24 dev f0");
    watching.until_mac("10.0.0.3", F0);
}

#[test]
fn a_neighbour_that_announces_a_new_mac_is_followed() {
    let lab = Lab::with_addresses();
    lab.far_set("net.ipv4.conf.f0.arp_notify", 1);
    let watching = lab.watch(["10.0.0.2"]);
    watching.until_mac("10.0.0.2", F0);
    let change = || drop(lab.far(&format!("link set f0 address {}", text(ANOTHER))));
    promptly("a gratuitous ARP", change, || watching.until_mac("10.0.0.2", ANOTHER));
}

#[test]
fn neighbours_that_are_flushed_are_found_again() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.2", "fd00::2"]);
    for ip in ["10.0.0.2", "fd00::2"] {
        watching.until_mac(ip, F0);
        promptly("a flush", || drop(lab.near("neigh flush dev n0")), || watching.until_mac(ip, F0));
    }
    watching.during(A_WHILE);
    let table = lab.near("neigh show");
    assert_eq!(table.matches(&text(F0)).count(), 2, "{table}");
}

#[test]
fn a_neighbour_that_is_set_by_hand_is_followed_and_left_as_it_is() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.2", "10.0.0.7"]);
    watching.until_mac("10.0.0.2", F0);
    for ip in ["10.0.0.2", "10.0.0.7"] {
        let change = || drop(lab.near(&format!("neigh replace {ip} lladdr {} dev n0 nud permanent", text(ANOTHER))));
        promptly("a static neighbour", change, || watching.until_mac(ip, ANOTHER));
    }
    watching.during(Duration::from_secs(6));
    let table = lab.near("neigh show");
    assert_eq!(table.matches("PERMANENT").count(), 2, "{table}");
}

#[test]
fn a_neighbour_that_falls_silent_loses_its_mac_and_one_that_answers_keeps_it() {
    let lab = Lab::with_addresses();
    lab.far("addr add 10.0.0.3/24 dev f0");
    // A neighbour is doubted after half a second, asked after one more, and given up a moment later.
    lab.near_set("net.ipv4.neigh.n0.base_reachable_time_ms", 500);
    lab.near_set("net.ipv4.neigh.n0.delay_first_probe_time", 1);
    lab.near_set("net.ipv4.neigh.n0.retrans_time_ms", 100);
    let watching = lab.watch(["10.0.0.2", "10.0.0.3"]);
    watching.until_mac("10.0.0.2", F0);
    watching.until_mac("10.0.0.3", F0);
    lab.far("addr del 10.0.0.3/24 dev f0");
    watching.until("10.0.0.3", |way| way.is_some_and(|way| way.mac.is_none()));
    assert_eq!(watching.during(Duration::from_secs(3)), [], "the other one is checked and answers");
    lab.far("addr add 10.0.0.3/24 dev f0");
    watching.until_mac("10.0.0.3", F0);
}

#[test]
fn a_route_that_changes_its_interface_is_followed() {
    let lab = Lab::with_addresses();
    lab.near("addr add 10.1.0.1/24 dev n1");
    lab.far("addr add 10.1.0.2/24 dev f1");
    lab.near("route add 172.16.0.0/16 via 10.0.0.2");
    let watching = lab.watch(["172.16.1.1"]);
    watching.until("172.16.1.1", through(N0.1));
    let change = || drop(lab.near("route replace 172.16.0.0/16 via 10.1.0.2"));
    promptly("another interface", change, || watching.until("172.16.1.1", through(N1.1)));
    let change = || drop(lab.near("route add 172.16.1.1/32 via 10.0.0.2"));
    promptly("a longer prefix", change, || watching.until("172.16.1.1", through(N0.1)));
    let change = || drop(lab.near("rule add to 172.16.0.0/16 ipproto udp prohibit"));
    promptly("a policy rule", change, || watching.until_none("172.16.1.1"));
}

#[test]
fn a_next_hop_object_that_changes_is_followed() {
    let lab = Lab::with_addresses();
    lab.near("addr add 10.1.0.1/24 dev n1");
    lab.far("addr add 10.1.0.2/24 dev f1");
    // Then the kernel announces the object, and not the routes that use it.
    lab.near_set("net.ipv4.nexthop_compat_mode", 0);
    lab.near("nexthop add id 7 via 10.0.0.2 dev n0");
    lab.near("route add 172.16.0.0/16 nhid 7");
    let watching = lab.watch(["172.16.1.1"]);
    watching.until("172.16.1.1", through(N0.1));
    let change = || drop(lab.near("nexthop replace id 7 via 10.1.0.2 dev n1"));
    promptly("a next-hop object", change, || watching.until("172.16.1.1", through(N1.1)));
}

#[test]
fn gateways_of_both_families_and_default_routes_are_understood() {
    let lab = Lab::with_addresses();
    lab.near("route add default via 10.0.0.2");
    lab.near("-6 route add default via fd00::2");
    lab.near("route add 172.16.0.0/16 via inet6 fd00::2 dev n0");
    let watching = lab.watch(["192.0.2.1", "2001:db8::1", "172.16.1.1"]);
    for (ip, gateway) in [("192.0.2.1", "10.0.0.2"), ("2001:db8::1", "fd00::2"), ("172.16.1.1", "fd00::2")] {
        let gateway: IpAddr = gateway.parse().unwrap();
        watching.until(ip, |way| way.is_some_and(|way| way.neighbour == gateway && way.mac == Some(F0)));
    }
}

#[test]
fn there_is_no_way_to_this_host_to_groups_and_to_what_is_refused() {
    let lab = Lab::with_addresses();
    lab.near("route add unreachable 172.16.0.0/16");
    lab.near("route add blackhole 172.17.0.0/16");
    lab.near("route add prohibit 172.18.0.0/16");
    lab.near("route add unreachable fd16::/16");
    lab.near("route add blackhole fd17::/16");
    let ips = [
        "10.0.0.1",
        "127.0.0.1",
        "::1",
        "fd00::1",
        "10.0.0.255",
        "224.0.0.9",
        "ff02::9",
        "172.16.0.1",
        "172.17.0.1",
        "172.18.0.1",
        "fd16::1",
        "fd17::1",
        "192.0.2.1",
        "2001:db8::1",
    ];
    let watching = lab.watch(ips);
    for ip in ips {
        watching.until_none(ip);
    }
    assert_eq!(watching.during(A_WHILE), []);
}

#[test]
fn a_link_that_goes_down_or_loses_its_carrier_ends_the_way() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.2"]);
    watching.until_mac("10.0.0.2", F0);
    promptly("down", || drop(lab.near("link set n0 down")), || watching.until_none("10.0.0.2"));
    promptly("up", || drop(lab.near("link set n0 up")), || watching.until("10.0.0.2", |way| way.is_some()));
    watching.until_mac("10.0.0.2", F0);
    promptly("no carrier", || drop(lab.far("link set f0 down")), || watching.until_none("10.0.0.2"));
    lab.far("link set f0 up");
    watching.until_mac("10.0.0.2", F0);
    promptly("gone", || drop(lab.near("link del n0")), || watching.until_none("10.0.0.2"));
}

#[test]
fn an_interface_that_changes_its_mac_or_mtu_is_followed() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.2"]);
    watching.until_mac("10.0.0.2", F0);
    let change = || drop(lab.near("link set n0 mtu 1400"));
    promptly("an MTU", change, || watching.until("10.0.0.2", |way| way.is_some_and(|way| way.link.mtu == 1400)));
    let change = || drop(lab.near(&format!("link set n0 address {}", text(ANOTHER))));
    promptly("a MAC", change, || watching.until("10.0.0.2", |way| way.is_some_and(|way| way.link.mac == ANOTHER)));
}

#[test]
fn an_interface_without_address_resolution_uses_what_the_kernel_would() {
    let lab = Lab::with_addresses();
    lab.near("link set n0 arp off");
    let watching = lab.watch(["10.0.0.9"]);
    watching.until_mac("10.0.0.9", N0.2);
}

#[test]
fn an_interface_that_is_not_ethernet_is_no_way() {
    let lab = Lab::new();
    lab.near("tuntap add t0 mode tun");
    lab.near("link set t0 up");
    lab.near("route add 172.16.0.0/16 dev t0");
    lab.watch(["172.16.0.1"]).until_none("172.16.0.1");
}

#[test]
fn a_forgotten_address_is_reported_no_more() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.2", "10.0.0.3"]);
    watching.until_mac("10.0.0.2", F0);
    watching.ways.forget("10.0.0.2".parse().unwrap());
    // What was said before the forgetting has arrived when a later question is answered.
    watching.ways.watch("127.0.0.1".parse().unwrap());
    watching.until_none("127.0.0.1");
    lab.near("link set n0 down");
    watching.until_none("10.0.0.3");
    assert_eq!(watching.during(A_WHILE), []);

    watching.ways.watch("10.0.0.2".parse().unwrap());
    watching.until_none("10.0.0.2");
}

/// Addresses 172.16.0.0 and on.
fn many(count: u32) -> impl Iterator<Item = IpAddr> {
    let first = u32::from(Ipv4Addr::new(172, 16, 0, 0));
    (first..first + count).map(|bits| Ipv4Addr::from(bits).into())
}

/// When the last of `count` addresses was reported with this MAC address.
fn all_with(watching: &Watching, count: u32, mac: [u8; 6]) -> Instant {
    let end = Instant::now() + Duration::from_secs(10);
    let mut left: std::collections::HashSet<IpAddr> = many(count).collect();
    let mut last = Instant::now();
    while !left.is_empty() {
        let (at, ip, way) = watching.next(end).unwrap_or_else(|| panic!("{} addresses were not reported", left.len()));
        if way.is_some_and(|way| way.mac == Some(mac)) {
            left.remove(&ip);
            last = at;
        }
    }
    last
}

#[test]
fn a_thousand_addresses_follow_a_route_and_a_gateway_in_time() {
    const COUNT: u32 = 1000;
    let lab = Lab::with_addresses();
    lab.near("addr add 10.1.0.1/24 dev n1");
    lab.far("addr add 10.1.0.2/24 dev f1");
    lab.near("route add default via 10.0.0.2");
    let watching = lab.watch(["10.1.0.2"]);
    watching.until_mac("10.1.0.2", F1);
    let begin = Instant::now();
    many(COUNT).for_each(|ip| watching.ways.watch(ip));
    println!("{COUNT} new addresses: all reported after {:?}", all_with(&watching, COUNT, F0) - begin);

    let change = || drop(lab.near("route replace default via 10.1.0.2"));
    within(3 * PROMPT, "another interface for a thousand addresses", change, || all_with(&watching, COUNT, F1));
    let change = || drop(lab.near(&format!("neigh replace 10.1.0.2 lladdr {} dev n1 nud permanent", text(ANOTHER))));
    within(3 * PROMPT, "another gateway for a thousand addresses", change, || all_with(&watching, COUNT, ANOTHER));
}

#[test]
fn many_neighbours_on_one_link_are_all_found() {
    // All namespaces together may have a thousand, as the kernel comes, and deleted ones keep theirs for a while.
    const COUNT: u32 = 300;
    let lab = Lab::new();
    lab.near("addr add 172.31.255.1/12 dev n0");
    lab.far("addr add 172.31.255.2/12 dev f0");
    lab.far("route add local 172.16.0.0/16 dev lo");
    let watching = lab.watch([]);
    let begin = Instant::now();
    many(COUNT).for_each(|ip| watching.ways.watch(ip));
    println!("{COUNT} neighbours: all found after {:?}", all_with(&watching, COUNT, F0) - begin);
}

#[test]
fn announcements_that_were_lost_are_noticed() {
    let lab = Lab::with_addresses();
    let lost = lab.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut events = Events::subscribe().unwrap();
            lab.near_flood();
            while let Ok(events) = tokio::time::timeout(PROMPT, events.next()).await {
                if events.contains(&Event::Lost) {
                    return true;
                }
            }
            false
        })
    });
    assert!(lost);
}

#[test]
fn what_changed_while_announcements_were_lost_is_found_out() {
    let lab = Lab::with_addresses();
    let (sender, reports) = mpsc::channel();
    let gate = Arc::new(Mutex::new(()));
    let ways = lab.inside(|| {
        let gate = Arc::clone(&gate);
        let report = move |ip: IpAddr, way: Option<Way>| {
            drop(gate.lock());
            drop(sender.send((ip, way)));
        };
        Ways::start(report).unwrap()
    });
    let [ip, other]: [IpAddr; 2] = ["10.0.0.2", "10.0.0.3"].map(|ip| ip.parse().unwrap());
    let wait = |expected: &dyn Fn(&Way) -> bool| loop {
        let (about, way) = reports.recv_timeout(Duration::from_secs(10)).unwrap();
        if about == ip && way.as_ref().is_some_and(expected) {
            break;
        }
    };
    ways.watch(ip);
    wait(&|way| way.mac == Some(F0));

    let closed = gate.lock().unwrap();
    // The watcher is held up in this report while far more happens than its queue holds.
    ways.watch(other);
    lab.near_flood();
    lab.near(&format!("neigh replace 10.0.0.2 lladdr {} dev n0 nud permanent", text(ANOTHER)));
    drop(closed);
    let opened = Instant::now();
    wait(&|way| way.mac == Some(ANOTHER));
    println!("after the loss of announcements: found out in {:?}", opened.elapsed());
    drop(ways);
}

#[test]
fn the_thread_ends_with_its_handle() {
    let lab = Lab::with_addresses();
    let watching = lab.watch(["10.0.0.2"]);
    watching.until_mac("10.0.0.2", F0);
    assert!(watching.stop());
}

#[test]
fn a_handle_may_be_dropped_inside_a_report() {
    let lab = Lab::with_addresses();
    let slot: Arc<Mutex<Option<Ways>>> = Arc::default();
    let (sender, done) = mpsc::channel::<()>();
    let ways = lab.inside(|| {
        let slot = Arc::clone(&slot);
        let report = move |_, _| {
            drop(slot.lock().unwrap().take());
            let _ = &sender;
        };
        Ways::start(report).unwrap()
    });
    slot.lock().unwrap().insert(ways).watch("10.0.0.2".parse().unwrap());
    let ended = done.recv_timeout(Duration::from_secs(10));
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected), "the closure goes with the thread");
}
