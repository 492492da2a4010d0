//! LEB128 and zigzag, without memory.

/// The most bytes of a number.
pub const MAX_LEN: usize = 10;

/// Writes `value` at the start of `out` and returns its length.
///
/// `out` must have room for [`MAX_LEN`] bytes.
pub fn encode(mut value: u64, out: &mut [u8]) -> usize {
    let mut len = 0;
    while value >= 0x80 {
        out[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    out[len] = value as u8;
    len + 1
}

/// Maps small differences of either sign to small numbers.
pub fn zigzag(difference: u64) -> u64 {
    let signed = difference as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[cfg_attr(not(any(feature = "std", test)), expect(dead_code))]
pub fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zigzag_orders_by_magnitude() {
        let minus = |number: u64| number.wrapping_neg();
        assert_eq!([0, minus(1), 1, minus(2)].map(zigzag), [0, 1, 2, 3]);
        assert_eq!(zigzag(1 << 63), u64::MAX);
    }

    proptest! {
        #[test]
        fn zigzag_is_invertible(number: u64) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }

        #[test]
        fn a_number_takes_a_byte_for_each_seven_bits(number: u64) {
            let mut bytes = [0; MAX_LEN];
            let bits = 64 - (number | 1).leading_zeros() as usize;
            prop_assert_eq!(encode(number, &mut bytes), bits.div_ceil(7));
        }
    }
}
