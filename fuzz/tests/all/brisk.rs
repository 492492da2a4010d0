//! Programs that are checked less often than scripts.

use talloc_fuzz::{Profile, brisk};

/// The number of calls of each program. Miri is slow, so it runs fewer.
const CALLS: usize = if cfg!(miri) { 5_000 } else { 200_000 };

#[test]
fn legal_programs_raise_no_alarm() {
    for (number, profile) in Profile::ALL.into_iter().enumerate() {
        for every in [1000, CALLS] {
            let ran = brisk::run(profile, number as u64, CALLS, every);
            assert_eq!(ran.unwrap_or_else(|failure| panic!("{failure}")), CALLS);
        }
    }
}
