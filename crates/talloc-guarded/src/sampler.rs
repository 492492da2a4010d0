//! Random choice of the blocks to sample.

use talloc_sampling::Countdown;

use crate::pool::Place;

thread_local! {
    /// The number of blocks until the next sample.
    static COUNTDOWN: Countdown = const { Countdown::new() };
}

/// Counts a block. Returns whether a sample is due; the caller then calls [`draw`].
#[inline(always)]
pub fn is_due() -> bool {
    COUNTDOWN.with(|countdown| countdown.is_due(1))
}

/// Draws the distance to the next sample, at a rate of one in `rate`. Returns whether the block that is due now is to be
/// sampled.
pub fn draw(rate: usize) -> bool {
    // If each block is sampled independently with the same probability, the distances between samples have a geometric
    // distribution. That is an exponential distribution with this mean, rounded down.
    let mean = if rate == 1 { 0.0 } else { -1.0 / (-1.0 / rate as f64).ln_1p() };
    COUNTDOWN.with(|countdown| countdown.draw(1, mean))
}

/// Chooses at random whether a block lies at the start or at the end of its pages.
pub fn place() -> Place {
    let random = COUNTDOWN.with(Countdown::random);
    if random & 1 == 0 { Place::End } else { Place::Start }
}

/// Runs a part of the allocator itself. No block that this part allocates is guarded.
pub fn paused<T>(run: impl FnOnce() -> T) -> T {
    COUNTDOWN.with(|countdown| countdown.paused(run))
}

/// Whether this thread is running a part of the allocator itself.
pub fn is_paused() -> bool {
    COUNTDOWN.with(Countdown::is_paused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many_is_sampled() {
        for rate in [1, 2, 10, 1000] {
            let count = 1000 * rate;
            let samples = (0..count).filter(|_| is_due() && draw(rate)).count();
            // Five standard deviations.
            assert!((840..1160).contains(&samples), "{rate}: {samples}");
        }
    }
}
