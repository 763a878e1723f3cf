//! Bytes on the network.
//!
//! Reading headers ([`Datagram`], [`Media`]) and rewriting a media packet ([`Rewrite`]) are ordinary `no_std` code
//! over a [`Frame`]: the XDP programs run it on packet memory, tests run it on a buffer. Nothing here panics on any
//! byte: what is not there is `None`, what is wrong is a [`Reason`](undertone_abi::Reason).

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "buffer"))]
mod buffer;
mod bytes;
mod checksum;
mod datagram;
mod frame;
mod media;
#[cfg(test)]
mod reference;
mod rewrite;

#[cfg(any(test, feature = "buffer"))]
pub use buffer::Buffer;
pub use checksum::Sum;
pub use datagram::{Datagram, Network, ethertype};
pub use frame::{Frame, Room};
pub use media::Media;
pub use rewrite::Rewrite;
