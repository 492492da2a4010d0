//! Sums over ranges.

use std::ops::Range;

/// Numbers to each of which values have been added, range by range, in constant time each.
pub struct Sums {
    /// From each number to the next. A change of either sign, which wraps; the numbers do not.
    changes: Vec<u64>,
}

impl Sums {
    /// So many zeros.
    pub fn new(len: usize) -> Self {
        Self { changes: vec![0; len + 1] }
    }

    /// Adds a value to all numbers of a range.
    pub fn add(&mut self, range: Range<usize>, value: u64) {
        let Range { start, end } = range;
        self.changes[start] = self.changes[start].wrapping_add(value);
        self.changes[end] = self.changes[end].wrapping_sub(value);
    }

    /// The numbers.
    pub fn finish(mut self) -> Vec<u64> {
        self.changes.pop();
        let mut sum = 0_u64;
        for number in &mut self.changes {
            sum = sum.wrapping_add(*number);
            *number = sum;
        }
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_added_to_ranges() {
        let mut sums = Sums::new(4);
        sums.add(0..3, 5);
        sums.add(2..4, 1 << 63);
        sums.add(1..1, 7);
        assert_eq!(sums.finish(), [5, 5, (1 << 63) + 5, 1 << 63]);
    }
}
