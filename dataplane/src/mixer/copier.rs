//! Sockets that copies are sent from.

use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
};

use crate::door;

/// Sockets kept open. With one more, all are closed and opened again as they are needed.
const SOCKETS_MAX: usize = 4096;

/// Sends copies, each from the port that its stream came to.
#[derive(Debug, Default)]
pub(super) struct Copier {
    sockets: HashMap<SocketAddr, UdpSocket>,
}

impl Copier {
    /// Sends `packet` from and to each pair of addresses. What cannot be sent is lost, as on any network.
    pub(super) fn send(&mut self, packet: &[u8], copies: &[(SocketAddr, SocketAddr)]) {
        for (from, to) in copies {
            if let Some(socket) = self.socket(*from) {
                let _ = socket.send_to(packet, to);
            }
        }
    }

    fn socket(&mut self, from: SocketAddr) -> Option<&UdpSocket> {
        if !self.sockets.contains_key(&from) {
            if self.sockets.len() >= SOCKETS_MAX {
                self.sockets.clear();
            }
            self.sockets.insert(from, door::bind_any_address(from).ok()?);
        }
        self.sockets.get(&from)
    }
}
