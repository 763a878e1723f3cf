//! Whom a port listens to.

use std::net::SocketAddr;

use undertone_abi::{Policy, limits::LEARN_PACKETS_MAX};

/// How far a port has come in learning its source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Learning {
    /// Nobody has sent yet.
    #[default]
    Open,
    /// Somebody sends, and may still be replaced by a sender nearer to the one that was signalled.
    Provisional {
        source: SocketAddr,
        nearness: Nearness,
        /// Packets since the port was open.
        packets: u32,
    },
    /// Nobody else may send, but for the one that was signalled.
    Settled { source: SocketAddr },
    /// The one that was signalled sends, and nobody else may.
    Locked { source: SocketAddr },
}

/// How near a sender is to the one that was signalled, nearest last.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum Nearness {
    Elsewhere,
    SameHost,
    Exact,
}

/// Whether a packet may come in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Admission {
    /// From the source that was known.
    Known,
    /// From a source that is new, and not where the partner's packets go by themselves.
    Moved,
    /// From somebody else.
    Stranger,
}

impl Learning {
    /// The source that was learned.
    pub(super) fn source(&self) -> Option<SocketAddr> {
        match *self {
            Self::Open => None,
            Self::Provisional { source, .. } | Self::Settled { source } | Self::Locked { source } => Some(source),
        }
    }

    pub(super) fn is_locked(&self) -> bool {
        matches!(self, Self::Settled { .. } | Self::Locked { .. })
    }

    /// Decides on a packet from `from`, where `signalled` was announced, and learns from it.
    pub(super) fn admit(&mut self, from: SocketAddr, signalled: Option<SocketAddr>, policy: Policy) -> Admission {
        let nearness = nearness(from, signalled);
        let may_teach = match policy {
            Policy::Strict => nearness == Nearness::Exact,
            Policy::SameHost => nearness >= Nearness::SameHost,
            Policy::Latch => true,
        };
        match *self {
            Self::Locked { source } if source == from => Admission::Known,
            Self::Locked { .. } => Admission::Stranger,
            Self::Open if may_teach => {
                self.take(from, nearness, 1);
                if nearness == Nearness::Exact { Admission::Known } else { Admission::Moved }
            }
            Self::Open => Admission::Stranger,
            Self::Provisional { source, packets, .. } if packets >= LEARN_PACKETS_MAX => {
                *self = Self::Settled { source };
                self.admit(from, signalled, policy)
            }
            Self::Settled { source } if source == from => Admission::Known,
            Self::Settled { .. } if nearness == Nearness::Exact => {
                self.take(from, nearness, 0);
                Admission::Moved
            }
            Self::Settled { .. } => Admission::Stranger,
            Self::Provisional { source, nearness, packets } if source == from => {
                *self = Self::Provisional { source, nearness, packets: packets + 1 };
                Admission::Known
            }
            Self::Provisional { nearness: held, packets, .. } if may_teach && nearness > held => {
                self.take(from, nearness, packets);
                Admission::Moved
            }
            Self::Provisional { .. } => Admission::Stranger,
        }
    }

    fn take(&mut self, source: SocketAddr, nearness: Nearness, packets: u32) {
        *self = match nearness {
            Nearness::Exact => Self::Locked { source },
            _ => Self::Provisional { source, nearness, packets },
        };
    }
}

fn nearness(from: SocketAddr, signalled: Option<SocketAddr>) -> Nearness {
    match signalled {
        Some(signalled) if signalled == from => Nearness::Exact,
        Some(signalled) if signalled.ip() == from.ip() => Nearness::SameHost,
        _ => Nearness::Elsewhere,
    }
}
