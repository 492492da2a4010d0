//! When the next block is to be sampled.

use std::cell::Cell;

thread_local! {
    // None has a destructor, so that all can be used in those of other thread-locals.

    /// How many bytes are left to the next sampled byte.
    static LEFT: Cell<i64> = const { Cell::new(0) };
    /// The state of the generator; 0 before the first draw.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
    /// Whether the profiler itself is at work.
    static PAUSED: Cell<bool> = const { Cell::new(false) };
}

/// Counts a block. Says whether the next sampled byte may lie in it.
#[inline]
pub fn is_due(size: usize) -> bool {
    let left = LEFT.get().wrapping_sub(size as i64);
    LEFT.set(left);
    left < 0
}

/// Draws the distance to the next sampled byte, after [`is_due`]. Says whether the block is to be sampled.
pub fn draw(size: usize, interval: usize) -> bool {
    if PAUSED.get() {
        // As if the block had not been counted.
        LEFT.set(LEFT.get().wrapping_add(size as i64));
        return false;
    }
    if RANDOM.get() == 0 {
        seed();
        let left = LEFT.get().saturating_add(distance(interval));
        LEFT.set(left);
        if left >= 0 {
            return false;
        }
    }
    // What comes after the block is independent of the block: the process has no memory.
    LEFT.set(distance(interval));
    true
}

/// Runs a part of the profiler, none of whose blocks are sampled.
pub fn without_sampling<T>(run: impl FnOnce() -> T) -> T {
    struct Reset(bool);

    impl Drop for Reset {
        fn drop(&mut self) {
            PAUSED.set(self.0);
        }
    }

    let _reset = Reset(PAUSED.replace(true));
    run()
}

/// An exponentially distributed distance in bytes.
fn distance(interval: usize) -> i64 {
    if interval == 1 {
        return 0;
    }
    // In (0, 1].
    let uniform = ((next() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    (-uniform.ln() * interval as f64) as i64
}

/// Seeds this thread's generator by its address and the time.
fn seed() {
    let address = RANDOM.with(|random| std::ptr::from_ref(random).addr()) as u64;
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
    RANDOM.set((address ^ time.rotate_left(32)).max(1));
}

/// SplitMix64.
fn next() -> u64 {
    let state = RANDOM.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    RANDOM.set(state.max(1));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_exponential() {
        seed();
        let count = 100_000;
        let distances: Vec<f64> = (0..count).map(|_| distance(1000) as f64).collect();
        let mean = distances.iter().sum::<f64>() / count as f64;
        assert!((980.0..1020.0).contains(&mean), "{mean}");
        // The share above the mean is 1/e.
        let above = distances.iter().filter(|distance| **distance > 1000.0).count();
        assert!((36_000..37_600).contains(&above), "{above}");
    }

    #[test]
    fn nothing_is_drawn_while_paused() {
        seed();
        LEFT.set(-1);
        assert!(!without_sampling(|| draw(8, 1)));
        LEFT.set(-1);
        assert!(draw(8, 1));
    }
}
