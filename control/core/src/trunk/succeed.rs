//! Taking the place of earlier trunks while calls run.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{Group, Member, Peer, PeerIndex, Route, Trunks};

/// Addresses that a peer was at before and that are kept, the latest: names may lead elsewhere every few seconds.
const PAST_SOURCES_MAX: usize = 1024;

impl Trunks {
    /// These trunks in place of the `old` ones, whose calls run on: a peer that was there by this name keeps its index.
    ///
    /// Peers that are gone stay where they are as [former](Peer::is_former) ones, so that what is known of a running
    /// call's leg still holds: they have their name, and no call comes from them or goes to them. Where a peer was before is
    /// kept too, for the calls that it has there. Listeners are those of before, or the numbers that former peers have of
    /// them mean others.
    #[must_use]
    pub fn succeed(&self, old: &Self) -> Self {
        let mut peers: Vec<Peer> = old.peers.iter().map(Peer::to_former).collect();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (place, peer) in old.peers.iter().enumerate() {
            places.entry(&peer.name).or_insert(place);
        }
        let mut gone = Gone::new(self, old);
        let moved: Vec<PeerIndex> =
            self.peers.iter().map(|peer| take_place(peer, places.get(&*peer.name), &mut peers, &mut gone)).collect();
        let now = |index: PeerIndex| moved.get(index.0 as usize).copied().unwrap_or(index);
        Self {
            listeners: self.listeners.clone(),
            peers,
            groups: self.groups.iter().map(|group| group.with_peers(now)).collect(),
            routes: self.routes.iter().map(|route| route.with_peers(now)).collect(),
            calls_max: self.calls_max,
            dids: self.dids.clone(),
            directory: self.directory.clone(),
        }
    }
}

/// Places of former peers, for when there are no others left.
struct Gone(Vec<usize>);

impl Gone {
    /// The longest gone first.
    fn new(new: &Trunks, old: &Trunks) -> Self {
        let stay: HashSet<&str> = new.peers.iter().map(|peer| peer.name.as_str()).collect();
        let (former, leave): (Vec<_>, Vec<_>) = old
            .peers
            .iter()
            .enumerate()
            .filter(|(_, peer)| !stay.contains(&*peer.name))
            .partition(|(_, peer)| peer.is_former());
        // Taken from the end.
        Self(leave.into_iter().rev().chain(former.into_iter().rev()).map(|(place, _)| place).collect())
    }
}

/// Puts a peer where it was, or behind the others; where there are no indices left, in place of a former one.
fn take_place(peer: &Peer, was: Option<&usize>, peers: &mut Vec<Peer>, gone: &mut Gone) -> PeerIndex {
    let is_full = peers.len() > u16::MAX as usize;
    let place = was.copied().or_else(|| is_full.then(|| gone.0.pop()).flatten()).unwrap_or(peers.len());
    match peers.get_mut(place) {
        Some(there) if was.is_some() => {
            let past_sources = there.past_beside(&peer.sources);
            *there = Peer { past_sources, ..peer.clone() };
        }
        Some(there) => *there = peer.clone(),
        None => peers.push(peer.clone()),
    }
    PeerIndex(place as u16)
}

impl Peer {
    /// Whether it has left the configuration, and is kept for the sake of calls that run.
    pub const fn is_former(&self) -> bool {
        self.sources.is_empty() && self.names.is_none()
    }

    fn to_former(&self) -> Self {
        let past_sources = self.past_beside(&[]);
        Self { sources: Vec::new(), past_sources, names: None, options_interval_s: None, ..self.clone() }
    }

    /// Whether messages of it come from an address, or did.
    pub fn is_at(&self, source: IpAddr) -> bool {
        [&self.sources, &self.past_sources].into_iter().flatten().any(|address| *address == source.to_canonical())
    }

    /// Where it is or was, but for where it is now: the latest first.
    fn past_beside(&self, now: &[IpAddr]) -> Vec<IpAddr> {
        let mut seen: HashSet<_> = now.iter().copied().collect();
        let all = self.sources.iter().chain(&self.past_sources).filter(|address| seen.insert(**address));
        all.take(PAST_SOURCES_MAX).copied().collect()
    }
}

impl Group {
    fn with_peers(&self, now: impl Fn(PeerIndex) -> PeerIndex) -> Self {
        let members = self.members.iter().map(|member| Member { peer: now(member.peer), ..*member }).collect();
        Self { name: self.name.clone(), members }
    }
}

impl Route {
    fn with_peers(&self, now: impl Fn(PeerIndex) -> PeerIndex) -> Self {
        Self { from: self.from.iter().map(|peer| now(*peer)).collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{
        sip::Transport,
        trunk::{Listener, Pattern, Side, Source, Sources},
    };

    fn peer(name: &str, host: u8) -> Peer {
        let target = SocketAddr::from(([198, 51, 100, host], 5060));
        Peer { options_interval_s: Some(30), ..Peer::new(name, Side::OffNet, target) }
    }

    /// Peers by name, each taking calls from all, and each a group of its own that a route from it goes to.
    fn trunks(peers: &[(&str, u8)]) -> Trunks {
        let member = |peer| Member { peer: PeerIndex(peer), priority: 1, weight: 1 };
        let count = peers.len() as u16;
        Trunks {
            listeners: vec![Listener { transport: Transport::Udp, address: ([192, 0, 2, 1], 5060).into() }],
            peers: peers.iter().map(|(name, host)| peer(name, *host)).collect(),
            groups: (0..count)
                .map(|it| Group { name: peers[it as usize].0.into(), members: vec![member(it)] })
                .collect(),
            routes: (0..count)
                .map(|it| Route {
                    from: vec![PeerIndex(it)],
                    number: Pattern::Any,
                    strip: 0,
                    prepend: String::new(),
                    to: it,
                    record: false,
                })
                .collect(),
            calls_max: Some(7),
            ..Trunks::default()
        }
    }

    fn names(trunks: &Trunks) -> Vec<(&str, bool)> {
        trunks.peers.iter().map(|peer| (&*peer.name, peer.is_former())).collect()
    }

    #[test]
    fn trunks_succeed_themselves_unchanged() {
        let trunks = trunks(&[("carrier", 1), ("pbx", 2)]);
        assert_eq!(trunks.succeed(&trunks), trunks);
        assert_eq!(trunks.succeed(&Trunks::default()), trunks);
    }

    #[test]
    fn a_peer_keeps_its_index_wherever_it_stands_now() {
        let old = trunks(&[("carrier", 1), ("pbx", 2), ("spare", 3)]);
        let new = trunks(&[("pbx-2", 5), ("spare", 3), ("carrier", 9)]).succeed(&old);
        assert_eq!(names(&new), [("carrier", false), ("pbx", true), ("spare", false), ("pbx-2", false)]);
        let past_sources = vec![[198, 51, 100, 1].into()];
        assert_eq!(new.peers[0], Peer { past_sources, ..peer("carrier", 9) }, "with what is new of it");
        let [pbx_2, spare, carrier] = [3, 2, 0].map(PeerIndex);
        assert_eq!(new.groups.iter().map(|it| it.members[0].peer).collect::<Vec<_>>(), [pbx_2, spare, carrier]);
        assert_eq!(new.routes.iter().map(|it| it.from[0]).collect::<Vec<_>>(), [pbx_2, spare, carrier]);
        let source = |host| Sources::of(&new).peer([198, 51, 100, host].into(), Transport::Udp);
        assert_eq!(source(9), Some(Source { peer: carrier, is_past: false }));
        assert_eq!(source(1), Some(Source { peer: carrier, is_past: true }));
        let routed = new.route(pbx_2, "1", 0, |_| true).expect("a route");
        assert_eq!((routed.number.as_str(), routed.peers), ("1", vec![pbx_2]));
    }

    #[test]
    fn a_former_peer_has_its_name_and_no_calls() {
        let old = trunks(&[("carrier", 1), ("pbx", 2)]);
        let new = trunks(&[("pbx", 2)]).succeed(&old);
        let carrier = PeerIndex(0);
        let past_sources = vec![[198, 51, 100, 1].into()];
        let expected = Peer { sources: Vec::new(), past_sources, options_interval_s: None, ..peer("carrier", 1) };
        assert_eq!(new.peer(carrier), Some(&expected));
        let source = |trunks: &Trunks| Sources::of(trunks).peer([198, 51, 100, 1].into(), Transport::Udp);
        assert_eq!(source(&new), Some(Source { peer: carrier, is_past: true }));
        let taken = trunks(&[("pbx", 2), ("carrier-2", 1)]).succeed(&new);
        assert_eq!(source(&taken), Some(Source { peer: PeerIndex(2), is_past: false }), "whose the address is now");
        assert!(taken.peers[0].is_at([198, 51, 100, 1].into()), "its calls are known by it all the same");
        assert_eq!(new.route(carrier, "1", 0, |_| true), None);
        assert!(new.groups.iter().all(|group| group.members.iter().all(|member| member.peer != carrier)));
    }

    #[test]
    fn a_former_peer_that_returns_is_where_it_was() {
        let first = trunks(&[("carrier", 1), ("pbx", 2)]);
        let second = trunks(&[("pbx", 2)]).succeed(&first);
        let third = trunks(&[("pbx", 2), ("new", 3), ("carrier", 4)]).succeed(&second);
        assert_eq!(names(&third), [("carrier", false), ("pbx", false), ("new", false)]);
        assert_eq!(third.peers[0], Peer { past_sources: vec![[198, 51, 100, 1].into()], ..peer("carrier", 4) });
        let fourth = first.succeed(&third);
        assert_eq!(fourth.peers[0], Peer { past_sources: vec![[198, 51, 100, 4].into()], ..peer("carrier", 1) });
    }

    #[test]
    fn when_all_indices_are_given_out_the_longest_gone_makes_room() {
        let all: Vec<String> = (0..=u16::MAX).map(|number| format!("peer-{number}")).collect();
        let all: Vec<(&str, u8)> = all.iter().map(|name| (name.as_str(), 1)).collect();
        let full = trunks(&all);
        let old = trunks(&[all[0], all[1], all[2]]).succeed(&full);
        let new = trunks(&[all[0], ("late", 2)]).succeed(&old);
        assert_eq!(new.peers.len(), all.len());
        assert_eq!(names(&new)[..4], [("peer-0", false), ("peer-1", true), ("peer-2", true), ("late", false)]);
    }
}
