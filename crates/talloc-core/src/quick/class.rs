//! Which sizes share a quick list.
//!
//! Each size of up to [`EXACT`] granules has its own list. Larger sizes are rounded up to one of eight in each
//! doubling. Blocks of nearly the same size can then replace each other, at a cost of at most an eighth of a block.

/// Sizes of up to this many granules are not rounded.
pub const EXACT: usize = 128;

/// The binary logarithm of the number of sizes in each doubling above that.
const PARTS_LOG2: u32 = 3;

/// Blocks of fewer granules than this have one of `lists` lists.
pub(super) const fn classes(lists: usize) -> usize {
    if lists == 0 { 0 } else { len_of(lists - 1) + 1 }
}

/// How many quick lists a heap must have for blocks of up to `len` granules of 8 bytes. `len` is a size that would not
/// be rounded.
#[must_use]
pub const fn lists_for(len: usize) -> usize {
    list_of(len) + 1
}

/// The smallest size of a list that is at least `len` granules.
#[inline(always)]
pub(super) const fn rounded(len: usize) -> usize {
    if len <= EXACT {
        return len;
    }
    let unit = 1 << ((len - 1).ilog2() - PARTS_LOG2);
    (len + (unit - 1)) & !(unit - 1)
}

/// The list of blocks of `len` granules, which is a rounded size.
#[inline(always)]
pub(super) const fn list_of(len: usize) -> usize {
    if len <= EXACT {
        return len;
    }
    let log2 = len.ilog2();
    let part = (len >> (log2 - PARTS_LOG2)) - (1 << PARTS_LOG2);
    EXACT + (((log2 - EXACT.ilog2()) as usize) << PARTS_LOG2) + part
}

/// The granules of the blocks of a list.
#[inline(always)]
pub(super) const fn len_of(list: usize) -> usize {
    if list <= EXACT {
        return list;
    }
    let (doubling, part) = ((list - EXACT) >> PARTS_LOG2, (list - EXACT) % (1 << PARTS_LOG2));
    ((1 << PARTS_LOG2) + part) << (EXACT.ilog2() - PARTS_LOG2 + doubling as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_goes_on_the_list_of_the_size_it_is_rounded_to() {
        for len in 0..=1 << 16 {
            let rounded = rounded(len);
            assert_eq!(len_of(list_of(rounded)), rounded, "{len}");
            assert!(rounded >= len && (rounded - len) * 8 <= len, "{len} is rounded to {rounded}");
            // No smaller list has blocks that are large enough.
            assert!(
                len == 0 || len_of(list_of(rounded) - 1) < len,
                "{len} is rounded to {rounded}"
            );
        }
    }

    #[test]
    fn lists_are_in_the_order_of_their_sizes() {
        for list in 1..300 {
            assert!(len_of(list - 1) < len_of(list));
            assert_eq!(list_of(len_of(list)), list);
            assert_eq!(classes(lists_for(len_of(list))), len_of(list) + 1);
        }
    }
}
