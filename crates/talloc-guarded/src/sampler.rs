//! When the next block is to be sampled.

use talloc_sampling::Countdown;

use crate::pool::Place;

thread_local! {
    /// How many blocks are left to the next sample.
    static COUNTDOWN: Countdown = const { Countdown::new() };
}

/// Counts a block. Returns whether [`draw`] is to be called.
#[inline(always)]
pub fn is_due() -> bool {
    COUNTDOWN.with(|countdown| countdown.is_due(1))
}

/// Returns whether a block that is due is to be sampled, at a rate of one in `rate`, and draws the distance to the
/// next.
pub fn draw(rate: usize) -> bool {
    // Of blocks that are sampled with the probability p, independently, the distances are geometric. Such a distance is
    // an exponential one with this mean, rounded down.
    let mean = if rate == 1 { 0.0 } else { -1.0 / (-1.0 / rate as f64).ln_1p() };
    COUNTDOWN.with(|countdown| countdown.draw(1, mean))
}

/// Which end of its pages a block lies at.
pub fn place() -> Place {
    let random = COUNTDOWN.with(Countdown::random);
    if random & 1 == 0 { Place::End } else { Place::Start }
}

/// Runs a part of the allocator itself. None of the blocks that it asks for is guarded.
pub fn paused<T>(run: impl FnOnce() -> T) -> T {
    COUNTDOWN.with(|countdown| countdown.paused(run))
}

/// Whether a part of the allocator itself runs.
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
