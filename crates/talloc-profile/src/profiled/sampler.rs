//! When the next block is to be sampled.

use talloc_sampling::Countdown;

thread_local! {
    /// How many bytes are left to the next sampled byte.
    static COUNTDOWN: Countdown = const { Countdown::new() };
}

/// Counts a block. Says whether the next sampled byte may lie in it.
#[inline]
pub fn is_due(size: usize) -> bool {
    COUNTDOWN.with(|countdown| countdown.is_due(size))
}

/// Draws the distance to the next sampled byte, after [`is_due`]. Says whether the block is to be sampled.
pub fn draw(size: usize, interval: usize) -> bool {
    let mean = if interval == 1 { 0.0 } else { interval as f64 };
    COUNTDOWN.with(|countdown| countdown.draw(size, mean))
}

/// Runs a part of the profiler, none of whose blocks are sampled.
pub fn without_sampling<T>(run: impl FnOnce() -> T) -> T {
    COUNTDOWN.with(|countdown| countdown.paused(run))
}
