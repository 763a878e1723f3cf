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
}

impl Trunks {
    /// Where a call from `from` to `number` goes: the number to call, and the peers to try, in this order. `random` is
    /// anything, and decides between peers of the same priority; `is_well` leaves out those that are known to be down, as
    /// long as there are others.
    pub fn route(
        &self,
        from: PeerIndex,
        number: &str,
        mut random: u64,
        is_well: impl Fn(PeerIndex) -> bool,
    ) -> Option<(String, Vec<PeerIndex>)> {
        let takes = |route: &Route| route.from.is_empty() || route.from.contains(&from);
        let (route, number) = self
            .routes
            .iter()
            .filter(|route| takes(route))
            .find_map(|route| Some((route, route.number.apply(number)?)))?;
        let rest: String = number.chars().skip(route.strip.into()).collect();
        let mut members = self.groups.get(route.to as usize)?.members.clone();
        let mut order = Vec::with_capacity(members.len());
        while let Some(priority) = members.iter().map(|member| member.priority).min() {
            let total: u64 =
                members.iter().filter(|it| it.priority == priority).map(|it| u64::from(it.weight.max(1))).sum();
            let mut left = random % total.max(1);
            random = random.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let chosen = members.iter().position(|member| {
                let weight = u64::from(member.weight.max(1));
                let is_chosen = member.priority == priority && left < weight;
                if member.priority == priority && !is_chosen {
                    left -= weight;
                }
                is_chosen
            });
            let Some(chosen) = chosen else { break };
            order.push(members.remove(chosen).peer);
        }
        let (well, ill): (Vec<_>, Vec<_>) = order.into_iter().partition(|peer| is_well(*peer));
        Some((format!("{}{rest}", route.prepend), if well.is_empty() { ill } else { well }))
    }
}
