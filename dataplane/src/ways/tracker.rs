//! Everything that is decided about ways, without I/O and without a clock.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use undertone_core::Way;

use super::pursuit::Pursuits;
use super::view::{Adjacency, Interface, Neighbour, Route, View};

/// How long changes are gathered before routes are looked up again: one command often makes several.
const GATHER: Duration = Duration::from_millis(10);
/// How often everything is listed and looked up again although nothing seems to have changed.
const RELIST_EVERY: Duration = Duration::from_secs(5);
/// The least time between two listings when events keep getting lost.
const RELIST_PAUSE: Duration = Duration::from_millis(50);
/// How long to wait when the kernel did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// With more changed prefixes than this, every address is looked up again without comparing.
const PREFIXES_MAX: usize = 32;

/// The watched addresses and the ways to them.
///
/// Input comes through the methods that take a time. After each, the owner polls until nothing is left:
/// [`poll_relist`](Self::poll_relist), [`poll_lookup`](Self::poll_lookup), [`poll_ask`](Self::poll_ask) say what to
/// get from the kernel, and [`poll_report`](Self::poll_report) what to tell; then it sleeps until new input or the
/// [`deadline`](Self::deadline).
#[derive(Debug)]
pub(super) struct Tracker {
    view: View,
    watched: HashMap<IpAddr, Watched>,
    pursuits: Pursuits,
    /// Watched addresses whose route is to be asked for.
    lookups: BTreeSet<IpAddr>,
    changes: Changes,
    relist_at: Instant,
    relisted_at: Option<Instant>,
    /// Watched addresses whose way may differ from the one last reported.
    reports: BTreeSet<IpAddr>,
}

/// What the kernel announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Interface(Interface),
    InterfaceGone(u32),
    Neighbour(Adjacency, Neighbour),
    NeighbourGone(Adjacency),
    /// A route to this prefix came, went or changed. Whatever the table, no other destination can be affected.
    Routes(Prefix),
    /// Something changed that any route may depend on: a policy rule, an address, a next-hop object.
    AnyRoute,
    /// The kernel announced more than could be received.
    Lost,
}

/// A set of addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) address: IpAddr,
    pub(super) length: u8,
}

#[derive(Debug, Default)]
struct Watched {
    route: Option<Route>,
    /// The neighbour that is pursued for this address.
    adjacency: Option<Adjacency>,
    way: Option<Way>,
    /// Whether anything was reported yet, and what was last.
    told: bool,
    told_way: Option<Way>,
}

/// Changes since the last look-up.
#[derive(Debug, Default)]
struct Changes {
    /// When to look; none without changes.
    due: Option<Instant>,
    everything: bool,
    prefixes: Vec<Prefix>,
}

impl Tracker {
    /// Knows nothing; the first thing to do is a listing.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            view: View::default(),
            watched: HashMap::new(),
            pursuits: Pursuits::default(),
            lookups: BTreeSet::new(),
            changes: Changes::default(),
            relist_at: now,
            relisted_at: None,
            reports: BTreeSet::new(),
        }
    }

    /// Watches `ip` from now on.
    pub(super) fn watch(&mut self, ip: IpAddr) {
        if let Entry::Vacant(vacant) = self.watched.entry(ip) {
            vacant.insert(Watched::default());
            self.lookups.insert(ip);
        }
    }

    /// Stops watching `ip`.
    pub(super) fn forget(&mut self, ip: IpAddr) {
        self.lookups.remove(&ip);
        self.reports.remove(&ip);
        if let Some(adjacency) = self.watched.remove(&ip).and_then(|watched| watched.adjacency) {
            self.pursuits.release(adjacency);
        }
    }

    /// The kernel announced `event`.
    pub(super) fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Interface(interface) => {
                if self.view.learn_interface(interface) {
                    self.changes.add_everything(now);
                }
            }
            Event::InterfaceGone(index) => {
                if self.view.forget_interface(index) {
                    self.changes.add_everything(now);
                }
            }
            Event::Neighbour(adjacency, neighbour) => self.learn_neighbour(adjacency, neighbour, now),
            Event::NeighbourGone(adjacency) => {
                if self.pursuits.wants(adjacency) {
                    self.learn_neighbour(adjacency, Neighbour::Unknown, now);
                } else {
                    self.view.forget_neighbour(adjacency);
                }
            }
            Event::Routes(prefix) => self.changes.add(prefix, now),
            Event::AnyRoute => self.changes.add_everything(now),
            Event::Lost => {
                let allowed = self.relisted_at.map_or(now, |last| last + RELIST_PAUSE);
                self.relist_by(allowed.max(now + GATHER));
            }
        }
    }

    /// The kernel was asked about one neighbour.
    pub(super) fn learn_neighbour(&mut self, adjacency: Adjacency, neighbour: Neighbour, now: Instant) {
        let neighbour = neighbour.after(self.view.neighbour(adjacency));
        let mac_changed = self.view.learn_neighbour(adjacency, neighbour);
        if !self.pursuits.wants(adjacency) {
            return;
        }
        self.pursuits.learn(adjacency, neighbour, now);
        if mac_changed {
            let users = self.watched.iter().filter(|(_, watched)| watched.adjacency == Some(adjacency));
            for ip in users.map(|(&ip, _)| ip).collect::<Vec<_>>() {
                self.settle(ip, now);
            }
        }
    }

    /// The kernel listed all its links and neighbours.
    pub(super) fn relisted(
        &mut self,
        interfaces: Vec<Interface>,
        neighbours: Vec<(Adjacency, Neighbour)>,
        now: Instant,
    ) {
        let earlier = std::mem::take(&mut self.view);
        self.view.replace(interfaces, neighbours);
        for adjacency in self.pursuits.wanted() {
            let neighbour = self.view.neighbour(adjacency).after(earlier.neighbour(adjacency));
            self.view.learn_neighbour(adjacency, neighbour);
            self.pursuits.learn(adjacency, neighbour, now);
        }
        self.changes = Changes::default();
        self.lookups.extend(self.watched.keys());
        self.relisted_at = Some(now);
    }

    /// The kernel's route to `ip` is `route`.
    pub(super) fn routed(&mut self, ip: IpAddr, route: Option<Route>, now: Instant) {
        if let Some(watched) = self.watched.get_mut(&ip) {
            watched.route = route;
            self.settle(ip, now);
        }
    }

    /// The kernel did not answer a listing or a look-up: what was reported stands until a later one succeeds.
    pub(super) fn unanswered(&mut self, now: Instant) {
        self.relist_by(now + RETRY);
    }

    /// Whether links and neighbours are to be listed now.
    pub(super) fn poll_relist(&mut self, now: Instant) -> bool {
        let due = self.relist_at <= now;
        if due {
            self.relist_at = now + RELIST_EVERY;
        }
        due
    }

    /// The next address whose route is to be asked for.
    pub(super) fn poll_lookup(&mut self, now: Instant) -> Option<IpAddr> {
        if let Some(changes) = self.changes.take_due(now) {
            self.lookups.extend(self.watched.keys().filter(|ip| changes.affect(**ip)));
        }
        self.lookups.pop_first()
    }

    /// The next neighbour that the kernel is to be asked to find, or to check.
    pub(super) fn poll_ask(&mut self, now: Instant) -> Option<Adjacency> {
        self.pursuits.poll(now)
    }

    /// The next change to report. Polled after the others, so that what was broken and mended between is none.
    pub(super) fn poll_report(&mut self) -> Option<(IpAddr, Option<Way>)> {
        while let Some(ip) = self.reports.pop_first() {
            if let Some(watched) = self.watched.get_mut(&ip)
                && (!watched.told || watched.told_way != watched.way)
            {
                watched.told = true;
                watched.told_way.clone_from(&watched.way);
                return Some((ip, watched.way.clone()));
            }
        }
        None
    }

    /// When to poll again if nothing else happens: `now` while there is something to do.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        if !self.lookups.is_empty() {
            return now;
        }
        [self.changes.due, self.pursuits.deadline()].into_iter().flatten().fold(self.relist_at, Instant::min)
    }

    /// Works out the way to `ip` anew, and pursues its neighbour.
    fn settle(&mut self, ip: IpAddr, now: Instant) {
        let Some(watched) = self.watched.get_mut(&ip) else { return };
        let way = watched.route.and_then(|route| self.view.way(ip, route));
        let adjacency = watched.route.filter(|_| way.is_some()).map(|route| route.adjacency(ip));
        let old = std::mem::replace(&mut watched.adjacency, adjacency);
        watched.way = way;
        self.reports.insert(ip);
        if old != adjacency {
            if let Some(adjacency) = adjacency {
                self.pursuits.acquire(adjacency, self.view.neighbour(adjacency), now);
            }
            if let Some(old) = old {
                self.pursuits.release(old);
            }
        }
    }

    fn relist_by(&mut self, at: Instant) {
        self.relist_at = self.relist_at.min(at);
    }
}

impl Changes {
    fn add(&mut self, prefix: Prefix, now: Instant) {
        self.due.get_or_insert(now + GATHER);
        if self.prefixes.len() < PREFIXES_MAX {
            self.prefixes.push(prefix);
        } else {
            self.everything = true;
        }
    }

    fn add_everything(&mut self, now: Instant) {
        self.due.get_or_insert(now + GATHER);
        self.everything = true;
    }

    fn take_due(&mut self, now: Instant) -> Option<Self> {
        self.due.filter(|&due| due <= now).map(|_| std::mem::take(self))
    }

    fn affect(&self, ip: IpAddr) -> bool {
        self.everything || self.prefixes.iter().any(|prefix| prefix.contains(ip))
    }
}

impl Prefix {
    fn contains(self, ip: IpAddr) -> bool {
        // The bits that differ must all lie behind the prefix.
        let same = match (self.address, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        same >= u32::from(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 3];

    /// A tracker, a clock that only moves when told, and a kernel that routes everything through one gateway.
    struct Scene {
        tracker: Tracker,
        now: Instant,
        route: Option<Route>,
        lookups: Vec<IpAddr>,
        asks: Vec<Adjacency>,
    }

    impl Scene {
        fn new() -> Self {
            let now = Instant::now();
            let mut tracker = Tracker::new(now);
            assert!(tracker.poll_relist(now));
            tracker.relisted(vec![ethernet(1), ethernet(2)], vec![], now);
            Self { tracker, now, route: Some(via(1)), lookups: vec![], asks: vec![] }
        }

        /// Answers every look-up and returns what was reported.
        fn drain(&mut self) -> Vec<(IpAddr, Option<Way>)> {
            while let Some(ip) = self.tracker.poll_lookup(self.now) {
                self.lookups.push(ip);
                self.tracker.routed(ip, self.route, self.now);
            }
            self.asks.extend(std::iter::from_fn(|| self.tracker.poll_ask(self.now)));
            std::iter::from_fn(|| self.tracker.poll_report()).collect()
        }

        fn handle(&mut self, event: Event) {
            self.tracker.handle(event, self.now);
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
        }

        /// A watched address, its gateway known.
        fn watching(ips: &[&str]) -> Self {
            let mut scene = Self::new();
            scene.handle(Event::Neighbour(gateway(1), Neighbour::Known(GATEWAY)));
            for text in ips {
                scene.tracker.watch(ip(text));
            }
            assert_eq!(scene.drain().len(), ips.len());
            scene.lookups.clear();
            scene
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ethernet(index: u32) -> Interface {
        Interface { index, up: true, mac: Some(NEAR), mtu: 1500, vlan: None }
    }

    fn via(interface: u32) -> Route {
        Route { interface, gateway: Some(ip("192.0.2.1")) }
    }

    fn gateway(interface: u32) -> Adjacency {
        Adjacency { interface, address: ip("192.0.2.1") }
    }

    fn macs(reports: &[(IpAddr, Option<Way>)]) -> Vec<Option<[u8; 6]>> {
        reports.iter().map(|(_, way)| way.as_ref().unwrap().mac).collect()
    }

    #[test]
    fn a_new_address_is_reported_at_once_and_its_neighbour_when_it_answers() {
        let mut scene = Scene::new();
        scene.tracker.watch(ip("10.0.0.1"));
        assert_eq!(macs(&scene.drain()), [None]);
        assert_eq!(scene.asks, [gateway(1)]);

        scene.handle(Event::Neighbour(gateway(1), Neighbour::Known(GATEWAY)));
        assert_eq!(macs(&scene.drain()), [Some(GATEWAY)]);
    }

    #[test]
    fn an_address_that_comes_back_is_not_reported_before_it_was_looked_up() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        scene.tracker.routed(ip("10.0.0.1"), Some(via(2)), scene.now);
        scene.tracker.forget(ip("10.0.0.1"));
        scene.tracker.watch(ip("10.0.0.1"));
        assert_eq!(scene.tracker.poll_report(), None);
        assert_eq!(macs(&scene.drain()), [Some(GATEWAY)]);
    }

    #[test]
    fn an_address_without_a_way_is_reported_too_and_only_once() {
        let mut scene = Scene::new();
        scene.route = None;
        scene.tracker.watch(ip("10.0.0.1"));
        assert_eq!(scene.drain(), [(ip("10.0.0.1"), None)]);
        scene.tracker.watch(ip("10.0.0.1"));
        scene.handle(Event::AnyRoute);
        scene.pass(GATHER);
        assert_eq!(scene.drain(), []);
        assert_eq!(scene.lookups.len(), 2);
        assert_eq!(scene.asks, []);
    }

    #[test]
    fn a_gateways_new_mac_is_reported_for_every_address_behind_it() {
        let mut scene = Scene::watching(&["10.0.0.1", "10.0.0.2"]);
        scene.handle(Event::Neighbour(gateway(1), Neighbour::Doubted(OTHER)));
        assert_eq!(macs(&scene.drain()), [Some(OTHER); 2]);
        assert_eq!(scene.asks, [gateway(1)], "a doubted neighbour is checked");
        scene.handle(Event::Neighbour(gateway(1), Neighbour::Known(OTHER)));
        scene.handle(Event::Neighbour(gateway(2), Neighbour::Known(GATEWAY)));
        assert_eq!(scene.drain(), [], "nothing that matters changed");
        scene.handle(Event::Neighbour(gateway(1), Neighbour::Failed));
        assert_eq!(macs(&scene.drain()), [None; 2]);
        assert_eq!(scene.asks, [gateway(1); 2], "a lost neighbour is looked for");
    }

    #[test]
    fn a_mac_outlives_its_entry_until_it_fails() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        scene.handle(Event::NeighbourGone(gateway(1)));
        assert_eq!(scene.drain(), []);
        assert_eq!(scene.asks, [gateway(1)], "it is looked for at once");
        scene.tracker.learn_neighbour(gateway(1), Neighbour::Unknown, scene.now);
        scene.tracker.relisted(vec![ethernet(1)], vec![], scene.now);
        assert_eq!(scene.drain(), []);
        scene.handle(Event::Neighbour(gateway(1), Neighbour::Failed));
        assert_eq!(macs(&scene.drain()), [None]);
        assert_eq!(scene.asks, [gateway(1); 2]);
    }

    #[test]
    fn a_neighbour_that_answers_at_once_was_never_away() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        scene.handle(Event::Neighbour(gateway(1), Neighbour::Failed));
        assert_eq!(scene.tracker.poll_ask(scene.now), Some(gateway(1)));
        scene.tracker.learn_neighbour(gateway(1), Neighbour::Known(GATEWAY), scene.now);
        assert_eq!(scene.drain(), []);
    }

    #[test]
    fn only_addresses_that_a_changed_route_covers_are_looked_up_again() {
        let mut scene = Scene::watching(&["10.0.0.1", "10.1.0.1", "fd00::1"]);
        let change = |prefix, length| Event::Routes(Prefix { address: ip(prefix), length });
        scene.handle(change("10.1.0.0", 16));
        assert_eq!((scene.drain(), scene.lookups.len()), (vec![], 0), "changes are gathered first");
        scene.pass(GATHER);
        scene.drain();
        assert_eq!(scene.lookups, [ip("10.1.0.1")]);

        scene.handle(change("::", 0));
        scene.handle(change("10.0.0.1", 32));
        scene.pass(GATHER);
        scene.drain();
        assert_eq!(scene.lookups[1..], [ip("10.0.0.1"), ip("fd00::1")]);
    }

    #[test]
    fn very_many_changed_routes_have_everything_looked_up_again() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        for last in 0..=PREFIXES_MAX as u8 {
            scene.handle(Event::Routes(Prefix { address: [192, 0, 2, last].into(), length: 32 }));
        }
        scene.pass(GATHER);
        scene.drain();
        assert_eq!(scene.lookups, [ip("10.0.0.1")]);
    }

    #[test]
    fn a_route_that_moves_to_another_interface_takes_the_pursuit_with_it() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        scene.route = Some(via(2));
        scene.handle(Event::AnyRoute);
        assert_eq!(scene.tracker.deadline(scene.now), scene.now + GATHER);
        scene.pass(GATHER);
        let reports = scene.drain();
        assert_eq!(reports[0].1.as_ref().unwrap().link.interface, 2);
        assert_eq!(macs(&reports), [None]);
        assert_eq!(scene.asks, [gateway(2)]);
        scene.handle(Event::Neighbour(gateway(1), Neighbour::Failed));
        scene.drain();
        assert_eq!(scene.asks, [gateway(2)], "nobody needs the old one any more");
    }

    #[test]
    fn a_link_that_goes_down_is_reported_after_the_routes_were_asked_again() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        scene.handle(Event::Interface(ethernet(1)));
        scene.pass(GATHER);
        assert_eq!((scene.drain(), scene.lookups.len()), (vec![], 0), "no news, no work");

        scene.handle(Event::Interface(Interface { up: false, ..ethernet(1) }));
        scene.pass(GATHER);
        assert_eq!(scene.drain(), [(ip("10.0.0.1"), None)]);
        scene.handle(Event::Interface(ethernet(1)));
        scene.pass(GATHER);
        assert_eq!(macs(&scene.drain()), [None], "it may be another gateway now");
        scene.handle(Event::InterfaceGone(1));
        scene.pass(GATHER);
        assert_eq!(scene.drain(), [(ip("10.0.0.1"), None)]);
    }

    #[test]
    fn lost_events_lead_to_a_listing_which_finds_what_was_missed() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        scene.handle(Event::Lost);
        assert!(!scene.tracker.poll_relist(scene.now));
        scene.pass(RELIST_PAUSE);
        assert!(scene.tracker.poll_relist(scene.now));
        assert!(!scene.tracker.poll_relist(scene.now));
        scene.tracker.relisted(vec![ethernet(1)], vec![(gateway(1), Neighbour::Doubted(OTHER))], scene.now);
        assert_eq!(macs(&scene.drain()), [Some(OTHER)]);
        assert_eq!(scene.asks, [gateway(1)]);

        scene.handle(Event::Lost);
        assert_eq!(scene.tracker.deadline(scene.now), scene.now + RELIST_PAUSE, "not more often than that");
    }

    #[test]
    fn everything_is_listed_now_and_then_and_soon_again_when_the_kernel_did_not_answer() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        assert_eq!(scene.tracker.deadline(scene.now), scene.now + RELIST_EVERY);
        scene.tracker.unanswered(scene.now);
        assert_eq!(scene.tracker.deadline(scene.now), scene.now + RETRY);
        assert_eq!(scene.drain(), []);
    }

    #[test]
    fn a_forgotten_address_is_neither_looked_up_nor_reported_nor_pursued() {
        let mut scene = Scene::watching(&["10.0.0.1"]);
        scene.tracker.watch(ip("10.0.0.2"));
        scene.tracker.forget(ip("10.0.0.1"));
        scene.tracker.forget(ip("10.0.0.2"));
        scene.tracker.routed(ip("10.0.0.1"), None, scene.now);
        scene.handle(Event::NeighbourGone(gateway(1)));
        assert_eq!((scene.drain(), scene.lookups.len(), scene.asks.len()), (vec![], 0, 0));
    }

    #[test]
    fn a_prefix_contains_what_begins_with_it() {
        let within = |prefix: &str, length, address: &str| Prefix { address: ip(prefix), length }.contains(ip(address));
        assert!(within("0.0.0.0", 0, "255.255.255.255"));
        assert!(within("10.128.0.0", 9, "10.255.0.1"));
        assert!(!within("10.128.0.0", 9, "10.127.255.255"));
        assert!(within("10.0.0.1", 32, "10.0.0.1"));
        assert!(!within("10.0.0.1", 32, "10.0.0.0"));
        assert!(within("fd00::", 8, "fdff::1"));
        assert!(within("fd00::1", 128, "fd00::1"));
        assert!(!within("::", 0, "10.0.0.1"));
    }
}
