//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

use undertone_abi::Address;

/// A one's complement sum of 16-bit words, not yet folded.
///
/// Words are added as they were loaded, in whatever byte order: the sum is the same, RFC 1071, section 2 (B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(0)
    }

    /// The sum that a checksum field with these bytes stands for, to be updated: RFC 1624, equation 3.
    #[inline(always)]
    pub const fn of_field(field: [u8; 2]) -> Self {
        Self((!u16::from_ne_bytes(field)) as u64)
    }

    /// Adds a word that is now in the data.
    #[inline(always)]
    #[must_use]
    pub const fn add16(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Takes away a word that is no longer in the data.
    #[inline(always)]
    #[must_use]
    pub const fn remove16(self, word: u16) -> Self {
        Self(self.0 + !word as u64)
    }

    /// Adds two words at once.
    #[inline(always)]
    #[must_use]
    pub const fn add32(self, words: u32) -> Self {
        Self(self.0 + words as u64)
    }

    /// Takes away two words at once.
    #[inline(always)]
    #[must_use]
    pub const fn remove32(self, words: u32) -> Self {
        Self(self.0 + !words as u64)
    }

    /// Adds all that `other` has.
    #[inline(always)]
    #[must_use]
    pub const fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Adds an address, as its own family has it in the pseudo-header.
    ///
    /// The marker of an IPv4-mapped address is a word of ones, which is zero in one's complement: both families are
    /// added alike.
    #[inline(always)]
    #[must_use]
    pub const fn add_address(self, address: &Address) -> Self {
        let [a, b, c, d] = address.0;
        self.add32(a).add32(b).add32(c).add32(d)
    }

    /// Takes away an address.
    #[inline(always)]
    #[must_use]
    pub const fn remove_address(self, address: &Address) -> Self {
        let [a, b, c, d] = address.0;
        self.remove32(a).remove32(b).remove32(c).remove32(d)
    }

    /// The bytes of a checksum field.
    #[inline(always)]
    pub const fn field(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    /// The bytes of a UDP checksum field, in which zero would mean that there is none (RFC 768).
    #[inline(always)]
    pub const fn udp_field(self) -> [u8; 2] {
        match !self.fold() {
            0 => [0xff, 0xff],
            field => field.to_ne_bytes(),
        }
    }

    /// The sum in sixteen bits. Three folds do for any sum of fewer than 2¹⁶ additions.
    #[inline(always)]
    const fn fold(self) -> u16 {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        sum as u16
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word by word in network order.
    fn checksum(data: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in data.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    fn sum(data: &[u8]) -> Sum {
        data.as_chunks::<4>().0.iter().fold(Sum::new(), |sum, word| sum.add32(u32::from_ne_bytes(*word)))
    }

    proptest! {
        #[test]
        fn a_sum_is_the_definition(words in prop::collection::vec(any::<[u8; 4]>(), 1..64)) {
            let data = words.concat();
            prop_assert_eq!(u16::from_be_bytes(sum(&data).field()), checksum(&data));
        }

        #[test]
        fn an_update_is_a_recomputation(
            words in prop::collection::vec(any::<[u8; 4]>(), 2..64),
            at in any::<prop::sample::Index>(),
            new: [u8; 4],
        ) {
            let mut words = words;
            let field = sum(&words.concat()).field();
            let at = at.index(words.len());
            let old = std::mem::replace(&mut words[at], new);
            let updated = Sum::of_field(field)
                .remove32(u32::from_ne_bytes(old))
                .add32(u32::from_ne_bytes(new))
                .field();
            let exact = sum(&words.concat()).field();
            // All ones and all zeros are both zero in one's complement: RFC 1624, section 3.
            let zero = |field: [u8; 2]| field == [0, 0] || field == [0xff, 0xff];
            prop_assert!(updated == exact || (zero(updated) && zero(exact)), "{:?} {:?}", updated, exact);
        }
    }
}
