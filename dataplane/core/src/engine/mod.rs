//! One packet's walk on the `io_uring` path: from a socket, through the tables, to the sockets it leaves by.
//!
//! The rules are those of the XDP programs, and what both share — learning, counting, rules and groups — is the same
//! code in the ABI crate. What differs is what a socket does by itself: the kernel wrote the headers, routes packets,
//! knows next hops, and sees no packet to a port that no socket is bound to.
//!
//! [`Tables::walk`] takes one payload and says in [`Departures`] what leaves and by which socket; whoever owns the
//! [`Sockets`] sends it.

mod depart;
mod judge;
mod payload;
#[cfg(test)]
mod tests;

use undertone_abi::{Dscp, Endpoint, Local, Reason, RowIndex, Side, Word64, limits::COPIES_MAX};

use crate::Memory;

/// What packets are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a, M> {
    /// Rows, groups and the node.
    pub memory: &'a M,
    /// When the mixer's thread last said that it is alive, in nanoseconds of `CLOCK_MONOTONIC`.
    pub heartbeat: &'a Word64,
}

/// A datagram that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The media port it came to, or that the alias it came to stands for.
    pub index: RowIndex,
    /// Whether it came to the port's own socket or to its alias.
    pub side: Side,
    /// Who sent it.
    pub source: Endpoint,
    /// The code point it came with, where the socket says so.
    pub dscp: Option<Dscp>,
    /// When it came, in nanoseconds of `CLOCK_MONOTONIC`. Never earlier than the port's packet before it.
    pub now_ns: u64,
}

/// The sockets that packets leave through.
pub trait Sockets {
    /// Names a socket.
    type Id: Copy;

    /// The socket of a media port, if it is open.
    fn port(&self, row: RowIndex) -> Option<Self::Id>;

    /// The socket that stands for an open media port towards the mixer, opened now unless it is open.
    fn alias(&mut self, row: RowIndex) -> Option<Self::Id>;

    /// A socket on one of our addresses that belongs to no stream, opened now unless it is open.
    fn spare(&mut self, local: Local) -> Option<Self::Id>;
}

/// One datagram that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure<Id> {
    /// The socket it leaves through.
    pub socket: Id,
    /// Where it goes.
    pub to: Endpoint,
    /// The code point it leaves with; `None` for whatever the socket has.
    pub dscp: Option<Dscp>,
    /// What it counts for.
    pub reason: Reason,
}

/// What leaves of one packet: the stream itself first, then its copies. All have the same payload.
#[derive(Clone, Debug)]
pub struct Departures<Id> {
    list: [Option<Departure<Id>>; DEPARTURES_MAX],
    count: usize,
    copies_stuck: u32,
}

const DEPARTURES_MAX: usize = COPIES_MAX as usize + 1;

impl<Id: Copy> Departures<Id> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { list: [None; DEPARTURES_MAX], count: 0, copies_stuck: 0 }
    }

    /// The datagrams that leave.
    pub fn iter(&self) -> impl Iterator<Item = &Departure<Id>> {
        self.list[..self.count].iter().flatten()
    }

    /// How many copies have no socket to leave by: [`Reason::CopyNoHop`].
    pub fn copies_stuck(&self) -> u32 {
        self.copies_stuck
    }

    fn clear(&mut self) {
        self.count = 0;
        self.copies_stuck = 0;
    }

    fn push(&mut self, departure: Departure<Id>) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = Some(departure);
            self.count += 1;
        }
    }
}

impl<Id: Copy> Default for Departures<Id> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Memory> Tables<'_, M> {
    /// Walks one packet: admits and counts it, changes `payload` into what leaves, and fills `departures`.
    ///
    /// Returns what the packet itself counts for; copies count by their [`Departure::reason`].
    pub fn walk<S: Sockets>(
        &self,
        arrival: &Arrival,
        payload: &mut [u8],
        sockets: &mut S,
        departures: &mut Departures<S::Id>,
    ) -> Reason {
        departures.clear();
        let walked =
            self.judge(arrival, payload).and_then(|judged| self.depart(arrival, judged, payload, sockets, departures));
        match walked {
            Ok(reason) | Err(reason) => reason,
        }
    }
}
