//! The names of peers and groups.

use std::{
    cell::Cell,
    collections::{BTreeMap, btree_map::Entry},
};

use crate::{
    config::{
        document::Placed,
        section::{Section, nearest},
        values::quote,
    },
    trunk::PeerIndex,
};

/// Unknown names that are compared with all known ones; more only lengthen a list that nobody reads to its end.
const COMPARED_MAX: usize = 20;
/// Known names that a way out lists.
const LISTED_MAX: usize = 8;

/// Who has which name. Peers and groups share them, because a route goes to either.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<String, (Bearer, usize)>,
    compared: Cell<usize>,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    Peer(PeerIndex),
    /// A group, by its place among them.
    Group(u16),
}

impl Bearer {
    const fn what(self) -> &'static str {
        match self {
            Self::Peer(_) => "a peer",
            Self::Group(_) => "a group",
        }
    }
}

impl Names {
    /// Gives a name to a peer or group.
    pub(super) fn give(&mut self, section: &Section<'_>, name: &Placed<String>, bearer: Bearer) {
        match self.known.entry(name.value.clone()) {
            Entry::Vacant(entry) => drop(entry.insert((bearer, name.place.line))),
            Entry::Occupied(entry) => {
                let (first, line) = entry.get();
                let wrong = format!("\"{}\" is the name of {} already, on line {line}", name.value, first.what());
                section.complain(&name.place, wrong, "each peer and each group needs a name of its own");
            }
        }
    }

    /// The peer of a name.
    pub(super) fn peer(&self, section: &Section<'_>, name: &Placed<String>) -> Option<PeerIndex> {
        match self.known.get(&name.value) {
            Some((Bearer::Peer(index), _)) => Some(*index),
            Some((Bearer::Group(_), line)) => {
                let wrong = format!("\"{}\" is a group, on line {line}, and only peers can stand here", name.value);
                section.complain(&name.place, wrong, "write the names of its peers");
                None
            }
            None => {
                let is_peer = |bearer: Bearer| matches!(bearer, Bearer::Peer(_));
                self.complain_unknown(section, name, "peer", is_peer);
                None
            }
        }
    }

    /// Who has a name.
    pub(super) fn bearer(&self, section: &Section<'_>, name: &Placed<String>) -> Option<Bearer> {
        let bearer = self.known.get(&name.value).map(|(bearer, _)| *bearer);
        if bearer.is_none() {
            self.complain_unknown(section, name, "group or peer", |_| true);
        }
        bearer
    }

    fn complain_unknown(
        &self,
        section: &Section<'_>,
        name: &Placed<String>,
        what: &str,
        may: impl Fn(Bearer) -> bool + Copy,
    ) {
        let known = self.known.iter().filter(|(_, (bearer, _))| may(*bearer)).map(|(name, _)| name.as_str());
        complain_unknown(section, name, what, known, "[[peer]]", &self.compared);
    }
}

/// Complains of a name that nobody has, with the one that may be meant. `compared` counts those that were compared;
/// `heading` is of the section that would give the name.
pub(super) fn complain_unknown<'k>(
    section: &Section<'_>,
    name: &Placed<String>,
    what: &str,
    known: impl Iterator<Item = &'k str> + Clone,
    heading: &str,
    compared: &Cell<usize>,
) {
    let mut listed: Vec<_> = known.clone().take(LISTED_MAX + 1).collect();
    let compared = compared.replace(compared.get() + 1);
    let near = if compared < COMPARED_MAX { nearest(&name.value, &known.collect::<Vec<_>>()) } else { None };
    let way_out = match (near, listed.len()) {
        (Some(near), _) => format!("did you mean \"{near}\"?"),
        (None, 0) => format!("there is none yet: write a {heading} section with this name"),
        (None, count) => {
            if count > LISTED_MAX {
                listed[LISTED_MAX] = "…";
            }
            format!("known here: {}", listed.join(", "))
        }
    };
    section.complain(&name.place, format!("there is no {what} {}", quote(&name.value)), way_out);
}
