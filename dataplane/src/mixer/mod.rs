//! The link to the local mixer, and what stands in for the mixer on it.

mod copier;
mod link;
mod service;

pub use link::MixerError;
pub(crate) use link::MixerLink;
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
