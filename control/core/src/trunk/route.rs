//! Which peers a call goes to.

use super::{Pattern, PeerIndex, Trunks};

/// Peers that stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name in the configuration.
    pub name: String,
    /// Its peers.
    pub members: Vec<Member>,
}

/// A peer in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The peer.
    pub peer: PeerIndex,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Its share of calls among members of the same priority.
    pub weight: u16,
}

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The peers whose calls it takes; empty for all.
    pub from: Vec<PeerIndex>,
    /// The called numbers that it takes, and what becomes of them.
    pub number: Pattern,
    /// Digits taken off the front of the number.
    pub strip: u8,
    /// What is put in front of it then.
    pub prepend: String,
    /// The group it goes to, as its place in [`Trunks::groups`].
    pub to: u16,
    /// Whether the calls that it takes are recorded.
    pub record: bool,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The number to call.
    pub number: String,
    /// The peers to try, in this order.
    pub peers: Vec<PeerIndex>,
    /// Whether it is recorded.
    pub record: bool,
}

impl Group {
    /// The peers in the order in which they are tried, as `random` has it: those that are known to be down are left out, as
    /// long as there are others.
    pub fn in_order(&self, random: u64, is_well: impl Fn(PeerIndex) -> bool) -> Vec<PeerIndex> {
        let order = in_order(self.members.clone(), |member| (member.priority, member.weight), random);
        let (well, ill): (Vec<_>, Vec<_>) =
            order.into_iter().map(|member| member.peer).partition(|peer| is_well(*peer));
        if well.is_empty() { ill } else { well }
    }
}

impl Trunks {
    /// Where a call from `from` to `number` goes. `random` is anything, and decides between peers of the same priority;
    /// `is_well` leaves out those that are known to be down, as long as there are others.
    pub fn route(
        &self,
        from: PeerIndex,
        number: &str,
        random: u64,
        is_well: impl Fn(PeerIndex) -> bool,
    ) -> Option<Routed> {
        let takes = |route: &&Route| route.from.is_empty() || route.from.contains(&from);
        let mut taking = self.routes.iter().filter(takes);
        let (route, number) = taking.find_map(|route| Some((route, route.number.apply(number)?)))?;
        let rest: String = number.chars().skip(route.strip.into()).collect();
        let group = self.groups.get(route.to as usize)?;
        Some(Routed {
            number: format!("{}{rest}", route.prepend),
            peers: group.in_order(random, is_well),
            record: route.record,
        })
    }

    /// The group of a name.
    pub fn group_named(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }
}

/// The order in which items are tried that have a priority and a weight: by priority, and where that is the same, each
/// first as often as its weight says (RFC 2782).
pub(super) fn in_order<T>(mut items: Vec<T>, rank: impl Fn(&T) -> (u16, u16), mut random: u64) -> Vec<T> {
    let weight = |item: &T| u64::from(rank(item).1.max(1));
    let mut order = Vec::with_capacity(items.len());
    while let Some(priority) = items.iter().map(|item| rank(item).0).min() {
        let total: u64 = items.iter().filter(|item| rank(item).0 == priority).map(weight).sum();
        let mut left = random % total.max(1);
        random = random.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let chosen = items.iter().position(|item| {
            let is_candidate = rank(item).0 == priority;
            let is_chosen = is_candidate && left < weight(item);
            if is_candidate && !is_chosen {
                left -= weight(item);
            }
            is_chosen
        });
        let Some(chosen) = chosen else { break };
        order.push(items.remove(chosen));
    }
    order
}
