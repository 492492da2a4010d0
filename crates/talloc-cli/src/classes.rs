//! Classes of numbers by powers of two.

/// How many classes there are: one for zero, one for each power of two.
pub const CLASSES: usize = 65;

/// The class of a number: 0 for 0, else one more than its logarithm.
pub fn of(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()) as usize
}

/// The least and the greatest number of a class.
pub fn bounds(class: usize) -> (u64, u64) {
    match class {
        0 => (0, 0),
        64.. => (1 << 63, u64::MAX),
        _ => (1 << (class - 1), (1 << class) - 1),
    }
}

/// `32-63`.
pub fn name(class: usize) -> String {
    match bounds(class) {
        (least, greatest) if least == greatest => least.to_string(),
        (least, greatest) => format!("{least}-{greatest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_in_its_class() {
        for number in [0, 1, 2, 3, 4, 255, 256, 1 << 40, u64::MAX] {
            let (least, greatest) = bounds(of(number));
            assert!((least..=greatest).contains(&number), "{number}");
        }
        assert_eq!((name(0), name(1), name(6)), ("0".into(), "1".into(), "32-63".into()));
        assert!(of(u64::MAX) < CLASSES);
    }
}
