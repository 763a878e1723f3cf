//! A time in sixteen bits, so that it fits beside a packet counter: four bits of exponent, twelve of mantissa.
//!
//! Packed times compare as the times do. Below 4,096 units they are exact, above to one part in 2,048, rounded down; the
//! longest is 2²⁷ units, about 39 hours of [`coarse`](crate::row::coarse) time.

const MANTISSA_BITS: u32 = 12;
const EXPONENT_MAX: u32 = 15;

/// The largest packed time that is not above `time`.
#[inline(never)]
pub(crate) fn pack(time: u32) -> u16 {
    let exponent = (u32::BITS - time.leading_zeros()).saturating_sub(MANTISSA_BITS);
    if exponent > EXPONENT_MAX {
        return u16::MAX;
    }
    (exponent << MANTISSA_BITS | (time >> exponent) & 0xfff) as u16
}

/// The time that [`pack`] made `packed` of, rounded down.
#[inline(always)]
pub(crate) const fn unpack(packed: u16) -> u32 {
    ((packed & 0xfff) as u32) << (packed >> MANTISSA_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_exact() {
        for time in 0..4096 {
            assert_eq!(unpack(pack(time)), time);
        }
    }

    #[test]
    fn long_times_are_a_little_less_and_keep_their_order() {
        let mut last = 0;
        for time in (4096..1 << 27).step_by(997) {
            let packed = pack(time);
            let unpacked = unpack(packed);
            assert!(unpacked <= time && time - unpacked <= time / 2048, "{time} became {unpacked}");
            assert!(packed >= last, "{time}");
            last = packed;
        }
        assert_eq!((pack(u32::MAX), pack(1 << 27)), (u16::MAX, u16::MAX));
    }
}
