//! Next hops: one for each neighbour that any stream or copy goes through.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use undertone_abi::{Hop, limits::HOPS_MAX};

use super::numbers::Numbers;
use crate::{Link, Way};

/// The hop that is never resolved: where packets go whose way is not known.
pub(super) const NOWHERE: u16 = 0;
/// The hop to the local mixer.
pub(super) const MIXER: u16 = 1;
const FIRST: u16 = 2;

/// What makes a next hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Neighbour {
    link: Link,
    neighbour: IpAddr,
}

/// The next hops of a node.
#[derive(Clone, Debug)]
pub(super) struct Hops {
    numbers: Numbers,
    by_neighbour: HashMap<Neighbour, u16>,
    /// Hops of an earlier process, whose neighbours are not known.
    adopted: HashSet<u16>,
}

impl Default for Hops {
    fn default() -> Self {
        Self { numbers: Numbers::new(FIRST, HOPS_MAX), by_neighbour: HashMap::new(), adopted: HashSet::new() }
    }
}

impl Hops {
    /// The hop of a way; `None` when there is no number left.
    pub(super) fn of(&mut self, way: &Way, settle: impl FnOnce()) -> Option<u16> {
        let key = Neighbour { link: way.link.clone(), neighbour: way.neighbour };
        if let Some(hop) = self.by_neighbour.get(&key) {
            return Some(*hop);
        }
        let hop = self.numbers.take(settle)?;
        self.by_neighbour.insert(key, hop);
        Some(hop)
    }

    /// Takes back every hop for which `used` is false, and calls `freed` with it.
    pub(super) fn sweep(&mut self, used: impl Fn(u16) -> bool, mut freed: impl FnMut(u16)) {
        let numbers = &mut self.numbers;
        self.by_neighbour.retain(|_, hop| {
            let keep = used(*hop);
            if !keep {
                freed(*hop);
                numbers.give(*hop);
            }
            keep
        });
    }

    /// Leaves the hops in `held` to the rules of an earlier process.
    pub(super) fn adopt(&mut self, held: &HashSet<u16>) {
        self.adopted = held.iter().copied().filter(|hop| *hop >= FIRST).collect();
        self.numbers.adopt(FIRST, |hop| held.contains(&hop));
    }

    /// Whether hops of an earlier process are left.
    pub(super) fn has_adopted(&self) -> bool {
        !self.adopted.is_empty()
    }

    /// Takes back the hops of an earlier process that are not in `used`.
    pub(super) fn sweep_adopted(&mut self, used: &HashSet<u16>) {
        let numbers = &mut self.numbers;
        self.adopted.retain(|hop| {
            let keep = used.contains(hop);
            if !keep {
                numbers.give(*hop);
            }
            keep
        });
    }

    pub(super) fn held(&self) -> u32 {
        self.numbers.held(FIRST)
    }
}

/// A way as the tables have it.
pub(super) fn entry(way: &Way, device: u8) -> Hop {
    let tag = |index: usize| way.link.tags.get(index).copied().unwrap_or_default();
    Hop {
        resolved: way.mac.is_some(),
        device,
        tags: way.link.tags.len() as u8,
        mtu: way.link.mtu,
        outer: tag(0),
        inner: tag(1),
        macs: Hop::macs(way.mac.unwrap_or_default(), way.link.mac),
    }
}
