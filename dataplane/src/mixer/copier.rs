//! Sockets that copies are sent from.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    net::{SocketAddr, UdpSocket},
};

use undertone_abi::Reason;

use crate::{counts::Counts, door};

/// Sockets kept open. With one more, all are closed and opened again as they are needed.
const SOCKETS_MAX: usize = 4096;

/// Sends copies, each from the port that its stream came to.
#[derive(Debug, Default)]
pub(super) struct Copier {
    sockets: HashMap<SocketAddr, UdpSocket>,
    /// Copies that left, and those that did not.
    pub(super) counts: Counts,
}

impl Copier {
    /// Sends `packet` from and to each pair of addresses. A copy that cannot be sent is lost, as on any network.
    pub(super) fn copy(&mut self, packet: &[u8], copies: &[(SocketAddr, SocketAddr)]) {
        for (from, to) in copies {
            self.counts.add(Reason::CopySent);
            if let Err(error) = self.socket(*from).and_then(|socket| socket.send_to(packet, to)) {
                self.counts.unsent(Reason::CopySent, error.raw_os_error().unwrap_or_default());
            }
        }
    }

    /// The socket that sends from `from`.
    pub(super) fn socket(&mut self, from: SocketAddr) -> io::Result<&UdpSocket> {
        if self.sockets.len() >= SOCKETS_MAX && !self.sockets.contains_key(&from) {
            self.sockets.clear();
        }
        Ok(match self.sockets.entry(from) {
            Entry::Occupied(socket) => socket.into_mut(),
            Entry::Vacant(place) => place.insert(door::bind_any_address(from)?),
        })
    }
}
