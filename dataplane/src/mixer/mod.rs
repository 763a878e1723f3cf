//! The local mixer: the link to it, the thread that mixes, and what serves the ports where nothing is mixed.

mod copier;
mod link;
mod mixing;
mod service;

pub use link::MixerError;
pub(crate) use link::MixerLink;
pub use mixing::{MixerEvent, Mixing, Reports, SESSIONS_MAX, SessionReport};
pub(crate) use mixing::{Pulse, Shift};
pub(crate) use service::{CopyOrders, Heart, MixerService, Ports};

use std::net::Ipv4Addr;

/// The first address of the mixer's /24 that stands for a media address.
const ALIAS_FIRST: u8 = 16;

/// What stands for media address number `index` on the link of a mixer at `mixer`.
pub(crate) fn alias(mixer: Ipv4Addr, index: u8) -> Ipv4Addr {
    let [a, b, c, _] = mixer.octets();
    Ipv4Addr::new(a, b, c, ALIAS_FIRST.saturating_add(index))
}

/// Which media address `alias` stands for.
pub(crate) fn index_of_alias(mixer: Ipv4Addr, alias: Ipv4Addr) -> Option<u8> {
    let ([a, b, c, _], [d, e, f, last]) = (mixer.octets(), alias.octets());
    if [a, b, c] == [d, e, f] { last.checked_sub(ALIAS_FIRST) } else { None }
}

/// The threads behind the mixer's ports.
pub(crate) struct MixerThreads {
    /// What mixes; not there where the system has no `io_uring`, and streams are handed on as they came.
    pub(crate) mixing: Option<Mixing>,
    service: MixerService,
}

impl MixerThreads {
    pub(crate) fn start(
        mut ports: Ports,
        address: Ipv4Addr,
        heart: impl Heart,
        pulse: Pulse,
        shift: Shift,
    ) -> Result<Self, MixerError> {
        let failed = |source| MixerError::System { what: "share a socket", source };
        let divert =
            ports.divert.iter().map(std::net::UdpSocket::try_clone).collect::<Result<_, _>>().map_err(failed)?;
        let mixing = match Mixing::start(divert, address, pulse, shift) {
            Ok(mixing) => {
                ports.divert.clear();
                Some(mixing)
            }
            Err(error) => {
                tracing::warn!(%error, "calls cannot be monitored, and streams are led back as they come");
                None
            }
        };
        Ok(Self { mixing, service: MixerService::start(ports, heart)? })
    }

    /// The name of a thread that has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        self.service.ended().or_else(|| self.mixing.as_ref()?.ended())
    }
}
