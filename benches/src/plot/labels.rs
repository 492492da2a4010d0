//! Names at the ends of lines.

use std::ops::Range;

/// Pixels from one name to the next.
const GAP: i32 = 16;

/// Returns heights for names that should be at the heights `wanted`. They are as near as possible, in the same order, do not
/// overlap, and lie within the range if there is room.
pub fn spread(wanted: &[i32], range: Range<i32>) -> Vec<i32> {
    let mut order: Vec<_> = (0..wanted.len()).collect();
    order.sort_by_key(|&name| wanted[name]);
    let mut heights = wanted.to_vec();
    let mut next = range.start;
    for &name in &order {
        heights[name] = wanted[name].max(next);
        next = heights[name] + GAP;
    }
    let mut next = range.end;
    for &name in order.iter().rev() {
        heights[name] = heights[name].min(next);
        next = heights[name] - GAP;
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_room_stay() {
        assert_eq!(spread(&[300, 100, 200], 0..400), [300, 100, 200]);
        assert!(spread(&[], 0..400).is_empty());
    }

    #[test]
    fn names_make_room_for_each_other() {
        assert_eq!(spread(&[105, 100, 102], 0..400), [132, 100, 116]);
        assert_eq!(spread(&[399, 400, 500], 0..400), [368, 384, 400]);
        assert_eq!(spread(&[-20, -10], 0..400), [0, 16]);
    }
}
