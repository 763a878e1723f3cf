//! From the relays that run to those that the configuration asks for.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::SocketAddr,
};

use undertone_core::{CopyId, MonitorPort, Relay, StreamReport};

use crate::config::{Extras, StaticRelay};

/// Something for the shell to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// End the relay that this media port belongs to.
    Remove {
        /// The port.
        at: SocketAddr,
    },
    /// Change the relay between these two ports.
    Change(Relay),
    /// Begin a relay.
    Add(Relay),
    /// Copy a stream.
    AddCopy {
        /// The port it arrives at.
        at: SocketAddr,
        /// Where the copy goes.
        to: SocketAddr,
    },
    /// End a copy.
    RemoveCopy {
        /// The port that the stream arrives at.
        at: SocketAddr,
        /// The copy.
        id: CopyId,
        /// Where it went.
        to: MonitorPort,
    },
    /// Send a stream through the mixer, or no longer.
    Divert {
        /// The port it arrives at.
        at: SocketAddr,
        /// Whether.
        on: bool,
    },
}

impl Step {
    /// The media port that it is about, the first of two.
    pub const fn at(&self) -> SocketAddr {
        match self {
            Self::Add(relay) | Self::Change(relay) => relay.a.local,
            Self::Remove { at } | Self::AddCopy { at, .. } | Self::RemoveCopy { at, .. } | Self::Divert { at, .. } => {
                *at
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remove { at } => write!(formatter, "remove the relay at {at}"),
            Self::Change(relay) => write!(formatter, "change the relay {}", Ends(relay)),
            Self::Add(relay) => write!(formatter, "add the relay {}", Ends(relay)),
            Self::AddCopy { at, to } => write!(formatter, "copy {at} to {to}"),
            Self::RemoveCopy { at, to: MonitorPort::Network(to), .. } => {
                write!(formatter, "end the copy of {at} to {to}")
            }
            Self::RemoveCopy { at, to: MonitorPort::Mixer(port), .. } => {
                write!(formatter, "end the copy of {at} to the mixer's port {port}")
            }
            Self::Divert { at, on: true } => write!(formatter, "divert {at}"),
            Self::Divert { at, on: false } => write!(formatter, "end the divert of {at}"),
        }
    }
}

struct Ends<'r>(&'r Relay);

impl fmt::Display for Ends<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Relay { a, b, .. } = self.0;
        write!(formatter, "{} = {} with {} = {}", a.peer, a.local, b.local, b.peer)
    }
}

/// What to do for the `running` streams to become what is `wanted`, given what was wanted `before`.
///
/// What is missing is added. What the configuration says otherwise than before is changed, and what it no longer says
/// is removed. Everything else stays as it is, whoever made it so: a relay, copy or divert that was asked for at run
/// time survives until the configuration has something new to say about it, or needs its port.
pub fn steps(before: &[StaticRelay], wanted: &[StaticRelay], running: &[StreamReport]) -> Vec<Step> {
    let running: HashMap<_, _> = running.iter().map(|report| (report.at, report)).collect();
    let before: HashMap<_, _> = before.iter().map(|relay| (pair(&relay.relay), relay)).collect();
    let kept: HashSet<_> = wanted.iter().map(|relay| pair(&relay.relay)).collect();
    let mut in_the_way = in_the_way(&before, wanted, &kept, &running);
    in_the_way.sort_unstable();
    let mut steps: Vec<_> = in_the_way.into_iter().map(|at| Step::Remove { at }).collect();
    let (mut changes, mut additions, mut extras) = (Vec::new(), Vec::new(), Vec::new());
    for relay in wanted {
        let before = before.get(&pair(&relay.relay)).copied();
        let is_running = runs(&relay.relay, &running);
        if !is_running {
            additions.push(Step::Add(relay.relay));
        } else if before.is_none_or(|before| !same(&before.relay, &relay.relay)) {
            changes.push(Step::Change(relay.relay));
        }
        for end in [relay.relay.a.local, relay.relay.b.local] {
            let report = running.get(&end).filter(|_| is_running);
            let before = before.filter(|_| is_running).and_then(|before| before.extras(end));
            extras.extend(extra_steps(end, before, relay.extras(end), report.copied()));
        }
    }
    steps.extend(changes);
    steps.extend(additions);
    steps.extend(extras);
    steps
}

/// What to do about copies to mixer ports of a process that is gone: nobody listens to them any more.
pub fn leftovers(running: &[StreamReport]) -> Vec<Step> {
    let copies = running.iter().flat_map(|report| report.copies.iter().map(|(id, to)| (report.at, *id, *to)));
    let left = copies.filter(|(_, _, to)| matches!(to, MonitorPort::Mixer(_)));
    left.map(|(at, id, to)| Step::RemoveCopy { at, id, to }).collect()
}

/// The two media ports of a relay, whichever of them is called `a`.
fn pair(relay: &Relay) -> [SocketAddr; 2] {
    let mut pair = [relay.a.local, relay.b.local];
    pair.sort_unstable();
    pair
}

fn same(one: &Relay, other: &Relay) -> bool {
    let ends = |relay: &Relay| {
        let (a, b) = (relay.a, relay.b);
        if a.local < b.local { [a, b] } else { [b, a] }
    };
    ends(one) == ends(other) && one.kind == other.kind && one.clock == other.clock
}

fn runs(relay: &Relay, running: &HashMap<SocketAddr, &StreamReport>) -> bool {
    running.get(&relay.a.local).is_some_and(|report| report.from == relay.b.local)
}

/// A port of each running relay that the configuration gave up, or whose ports it needs for another.
fn in_the_way(
    before: &HashMap<[SocketAddr; 2], &StaticRelay>,
    wanted: &[StaticRelay],
    kept: &HashSet<[SocketAddr; 2]>,
    running: &HashMap<SocketAddr, &StreamReport>,
) -> Vec<SocketAddr> {
    let given_up = before.values().map(|relay| &relay.relay).filter(|relay| !kept.contains(&pair(relay)));
    let given_up = given_up.filter(|relay| runs(relay, running)).map(|relay| pair(relay)[0]);
    let needed = wanted.iter().filter(|relay| !runs(&relay.relay, running)).flat_map(|relay| pair(&relay.relay));
    let needed = needed.filter_map(|port| running.get(&port)).map(|report| report.at.min(report.from));
    let ports: HashSet<_> = given_up.chain(needed).collect();
    ports.into_iter().collect()
}

fn extra_steps(
    at: SocketAddr,
    before: Option<&Extras>,
    wanted: Option<&Extras>,
    report: Option<&StreamReport>,
) -> Vec<Step> {
    let nothing = Extras::default();
    let (before, wanted) = (before.unwrap_or(&nothing), wanted.unwrap_or(&nothing));
    let copies = report.map_or(&[][..], |report| &report.copies);
    let goes_to = |to: &SocketAddr| copies.iter().find(|(_, port)| *port == MonitorPort::Network(*to));
    let mut steps = Vec::new();
    for to in before.copies.iter().filter(|to| !wanted.copies.contains(to)) {
        steps.extend(goes_to(to).map(|(id, to)| Step::RemoveCopy { at, id: *id, to: *to }));
    }
    for to in wanted.copies.iter().filter(|to| goes_to(to).is_none()) {
        steps.push(Step::AddCopy { at, to: *to });
    }
    if before.divert != wanted.divert && report.is_some_and(|report| report.divert) != wanted.divert {
        steps.push(Step::Divert { at, on: wanted.divert });
    }
    steps
}

impl StaticRelay {
    /// What becomes of the stream that arrives at the media port `at` besides being relayed.
    pub fn extras(&self, at: SocketAddr) -> Option<&Extras> {
        match at {
            _ if at == self.relay.a.local => Some(&self.from_a),
            _ if at == self.relay.b.local => Some(&self.from_b),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
