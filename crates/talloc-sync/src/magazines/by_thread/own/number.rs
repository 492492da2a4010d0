//! Numbers of threads, each at most one thread's at a time.

use core::sync::atomic::{AtomicBool, Ordering};

/// How many threads can have one.
const NUMBERS: usize = 256;

/// Which numbers are some thread's.
static TAKEN: [AtomicBool; NUMBERS] = [const { AtomicBool::new(false) }; NUMBERS];

/// Takes the lowest number that is nobody's.
pub(super) fn take() -> Option<usize> {
    TAKEN.iter().position(|taken| {
        !taken.load(Ordering::Relaxed)
            && taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    })
}

/// Lets others have a number. What its thread has done happens before what the next one does.
pub(super) fn release(number: usize) {
    TAKEN[number].store(false, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_given_once_until_it_is_released() {
        let numbers: [_; NUMBERS] = core::array::from_fn(|_| take());
        for (at, number) in numbers.iter().flatten().enumerate() {
            assert!(!numbers[..at].contains(&Some(*number)));
        }
        assert_eq!(take(), None);
        let number = numbers[7].unwrap();
        release(number);
        assert_eq!(take(), Some(number));
        numbers.into_iter().flatten().for_each(release);
    }
}
