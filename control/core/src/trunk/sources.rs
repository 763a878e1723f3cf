//! Whose messages come from where.

use std::{collections::HashMap, net::IpAddr};

use super::{PeerIndex, Trunks};
use crate::sip::Transport;

/// The peers by the addresses that their messages come from: asked for every message, those of strangers too.
#[derive(Clone, Debug, Default)]
pub struct Sources(HashMap<IpAddr, Vec<(Transport, PeerIndex)>>);

impl Sources {
    /// Those of the peers of `trunks`.
    pub fn of(trunks: &Trunks) -> Self {
        let mut sources = Self::default();
        for (index, peer) in (0..).zip(&trunks.peers) {
            for source in &peer.sources {
                sources.0.entry(*source).or_default().push((peer.transport, PeerIndex(index)));
            }
        }
        sources
    }

    /// The peer that a message from `source` is of: of several at one address, the one that speaks this transport, else
    /// the first.
    pub fn peer(&self, source: IpAddr, transport: Transport) -> Option<PeerIndex> {
        let peers = self.0.get(&source.to_canonical())?;
        let speaks = peers.iter().find(|(spoken, _)| *spoken == transport);
        speaks.or_else(|| peers.first()).map(|(_, peer)| *peer)
    }
}
