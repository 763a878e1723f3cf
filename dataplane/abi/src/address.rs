//! An IP address as the tables hold it.

use core::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// An IPv4 or IPv6 address in sixteen bytes: IPv4 is held IPv4-mapped (RFC 4291, section 2.5.5.2).
///
/// Held as four words loaded from network order, so that a packet's address is compared without swapping a byte.
/// Aligned to eight bytes because the kernel's verifier wants every access to the stack aligned.
#[derive(Clone, Copy, Debug, Default, Eq)]
#[repr(C, align(8))]
pub struct Address(pub [u32; 4]);

/// Word by word, so that an address need not lie in memory to be compared.
impl PartialEq for Address {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (a ^ e) | (b ^ f) | (c ^ g) | (d ^ h) == 0
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// The third word of an IPv4-mapped address.
const MAPPED: u32 = 0xffff_u32.to_be();

impl Address {
    /// No address: `::`.
    pub const NONE: Self = Self([0; 4]);

    /// From the word of an IPv4 header.
    #[inline(always)]
    pub const fn v4(word: u32) -> Self {
        Self([0, 0, MAPPED, word])
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == MAPPED
    }

    /// Whether this is `::` or `0.0.0.0`, which no host has.
    #[inline(always)]
    pub const fn is_unspecified(&self) -> bool {
        let [a, b, c, d] = self.0;
        a | b | d == 0 && (c == 0 || c == MAPPED)
    }

    /// The word of an IPv4 header; meaningless for an IPv6 address.
    #[inline(always)]
    pub const fn v4_word(&self) -> u32 {
        self.0[3]
    }

    /// The slot of this address in a table of `slots` (a power of two), spread by `seed`.
    #[inline(always)]
    pub const fn slot(&self, seed: u32, slots: u32) -> u32 {
        // The seed takes part word by word: were they put together first, addresses that collide would do so whatever
        // the seed.
        let [a, b, c, d] = self.0;
        let mixed = a.wrapping_mul(seed).wrapping_add(b).wrapping_mul(seed).wrapping_add(c).wrapping_mul(seed);
        mixed.wrapping_add(d).wrapping_mul(seed) >> (32 - slots.trailing_zeros())
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        let octets = match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(octets.as_chunks::<4>().0) {
            *word = u32::from_ne_bytes(*bytes);
        }
        Self(words)
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self::from(IpAddr::V4(ip))
    }
}

impl From<Ipv6Addr> for Address {
    fn from(ip: Ipv6Addr) -> Self {
        Self::from(IpAddr::V6(ip))
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        let mut octets = [0; 16];
        for (bytes, word) in octets.as_chunks_mut::<4>().0.iter_mut().zip(address.0) {
            *bytes = word.to_ne_bytes();
        }
        Ipv6Addr::from(octets).to_canonical()
    }
}

/// An address and a UDP port (host order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The host.
    pub address: Address,
    /// The UDP port, in host order.
    pub port: u16,
}

impl Endpoint {
    /// Nobody.
    pub const NONE: Self = Self { address: Address::NONE, port: 0 };
}

impl From<SocketAddr> for Endpoint {
    fn from(socket: SocketAddr) -> Self {
        Self { address: socket.ip().into(), port: socket.port() }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint.address.into(), endpoint.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["10.1.2.3", "255.255.255.255", "fd00::1", "2001:db8:1:2:3:4:5:6", "::1"] {
            let ip: IpAddr = text.parse().unwrap();
            let address = Address::from(ip);
            assert_eq!(IpAddr::from(address), ip);
            assert_eq!((address.is_v4(), address.is_unspecified()), (ip.is_ipv4(), false));
        }
    }

    #[test]
    fn either_family_has_an_unspecified_address() {
        for ip in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
            assert!(Address::from(ip).is_unspecified(), "{ip}");
        }
    }

    #[test]
    fn an_ipv4_word_is_the_header_field() {
        let address = Address::from(Ipv4Addr::new(10, 1, 2, 3));
        assert_eq!(address.v4_word().to_ne_bytes(), [10, 1, 2, 3]);
        assert_eq!(Address::v4(address.v4_word()), address);
    }
}
