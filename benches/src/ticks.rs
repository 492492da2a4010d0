//! A clock for single calls.

use std::{
    hint,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Reads the clock before a call: ticks of the processor's time-stamp counter, or nanoseconds if there is no counter.
#[inline(always)]
pub fn start() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has these instructions. The fences keep the calls before and after on their side.
    unsafe {
        use std::arch::x86_64::{_mm_lfence, _rdtsc};
        _mm_lfence();
        let now = _rdtsc();
        _mm_lfence();
        now
    }
    #[cfg(not(target_arch = "x86_64"))]
    nanoseconds()
}

/// Reads the clock after the call that began at `start`. Returns the ticks of the call, without those of the clock.
#[inline(always)]
pub fn since(start: u64) -> u32 {
    let ticks = since_gross(start).saturating_sub(*OWN);
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

#[inline(always)]
fn since_gross(start: u64) -> u64 {
    self::start().wrapping_sub(start)
}

/// The ticks of an empty call: the fewest of many attempts.
static OWN: LazyLock<u64> =
    LazyLock::new(|| (0..100_000).map(|_| since_gross(start())).min().expect("many calls"));

/// Nanoseconds a tick.
pub fn nanoseconds_per_tick() -> f64 {
    static LENGTH: LazyLock<f64> = LazyLock::new(|| {
        let (clock, ticks) = (Instant::now(), start());
        while clock.elapsed() < Duration::from_millis(50) {
            hint::spin_loop();
        }
        clock.elapsed().as_nanos() as f64 / since_gross(ticks) as f64
    });
    *LENGTH
}

#[cfg(not(target_arch = "x86_64"))]
fn nanoseconds() -> u64 {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed().as_nanos() as u64
}

/// The medians of the same calls in several rounds. An interruption in one round thus does not count. Calls that are not
/// in all rounds are left out.
pub fn medians(rounds: &[Vec<u32>]) -> Vec<u32> {
    let calls = rounds.iter().map(Vec::len).min().unwrap_or(0);
    let mut same = Vec::with_capacity(rounds.len());
    let median = |call: usize| {
        same.clear();
        same.extend(rounds.iter().map(|round| round[call]));
        same.sort_unstable();
        same[(same.len() - 1) / 2]
    };
    (0..calls).map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_same_call() {
        assert_eq!(medians(&[vec![1, 9, 3], vec![2, 8], vec![900, 7, 5]]), [2, 8]);
        assert_eq!(medians(&[vec![4, 5], vec![3, 9]]), [3, 5]);
        assert!(medians(&[]).is_empty());
    }

    #[test]
    fn the_clock_runs_and_knows_its_own_time() {
        assert!(nanoseconds_per_tick() > 0.0);
        let begin = start();
        let clock = Instant::now();
        while clock.elapsed() < Duration::from_millis(2) {}
        assert!(f64::from(since(begin)) * nanoseconds_per_tick() > 1e6);
    }
}
