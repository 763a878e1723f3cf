//! Whose messages come from where.

use std::{collections::HashMap, net::IpAddr};

use super::{PeerIndex, Trunks};
use crate::sip::Transport;

/// The peers by the addresses that their messages come from: asked for every message, those of strangers too.
#[derive(Clone, Debug, Default)]
pub struct Sources(HashMap<IpAddr, Vec<(Transport, Source)>>);

/// Whose messages from an address are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The peer.
    pub peer: PeerIndex,
    /// It was there before the configuration changed, and nobody else is: no new call comes from there.
    pub is_past: bool,
}

impl Sources {
    /// Those of the peers of `trunks`.
    pub fn of(trunks: &Trunks) -> Self {
        let mut sources = Self::default();
        for is_past in [false, true] {
            for (index, peer) in (0..).zip(&trunks.peers) {
                for address in if is_past { &peer.past_sources } else { &peer.sources } {
                    let source = Source { peer: PeerIndex(index), is_past };
                    sources.0.entry(*address).or_default().push((peer.transport, source));
                }
            }
        }
        sources
    }

    /// The peer that a message from `source` is of: of several at one address, one that is there now before one that was,
    /// and of those the one that speaks this transport, else the first.
    pub fn peer(&self, source: IpAddr, transport: Transport) -> Option<Source> {
        let all = self.0.get(&source.to_canonical())?;
        let (_, first) = all.first()?;
        let speaks = |(spoken, source): &&(Transport, Source)| *spoken == transport && source.is_past == first.is_past;
        all.iter().find(speaks).map_or(Some(*first), |(_, source)| Some(*source))
    }
}
