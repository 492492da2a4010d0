//! When the next block is to be sampled.

use std::cell::Cell;

/// Counts down to the next sample of a thread, at distances that are exponentially distributed: a Poisson process.
///
/// It has no destructor, so that a thread-local of this type can be used in those of others, and needs no memory. Only
/// its first draw reads the clock, for a seed.
///
/// # Examples
///
/// ```
/// use talloc_sampling::Countdown;
///
/// thread_local! {
///     static COUNTDOWN: Countdown = const { Countdown::new() };
/// }
///
/// // Every hundredth byte on average.
/// let is_sampled =
///     |size| COUNTDOWN.with(|countdown| countdown.is_due(size) && countdown.draw(size, 100.0));
/// let samples = (0..100_000).filter(|_| is_sampled(10)).count();
/// // A block of 10 bytes has one of them with the probability 1 - exp(-0.1).
/// assert!((9_000..10_000).contains(&samples));
/// ```
#[derive(Debug)]
pub struct Countdown {
    /// How much is left to the next sample.
    left: Cell<i64>,
    /// The state of the generator; 0 before the first draw.
    random: Cell<u64>,
    is_paused: Cell<bool>,
}

impl Countdown {
    /// A countdown that has not been drawn yet: the first block [is due](Self::is_due).
    pub const fn new() -> Self {
        Self { left: Cell::new(0), random: Cell::new(0), is_paused: Cell::new(false) }
    }

    /// Counts a block of some weight, and returns whether the next sample may lie in it. Then [`draw`](Self::draw)
    /// decides.
    #[inline(always)]
    pub fn is_due(&self, weight: usize) -> bool {
        let left = self.left.get().wrapping_sub(weight as i64);
        self.left.set(left);
        left < 0
    }

    /// Returns whether a block that [is due](Self::is_due) is to be sampled, and draws the distance to the next sample,
    /// whose average is `mean`. With 0, every block is sampled.
    pub fn draw(&self, weight: usize, mean: f64) -> bool {
        if self.is_paused.get() {
            // As if the block had not been counted.
            self.left.set(self.left.get().wrapping_add(weight as i64));
            return false;
        }
        if self.random.get() == 0 {
            self.seed();
            let left = self.left.get().saturating_add(self.distance(mean));
            self.left.set(left);
            if left >= 0 {
                return false;
            }
        }
        // What comes after the block is independent of the block: the process has no memory.
        self.left.set(self.distance(mean));
        true
    }

    /// Runs a part of the sampling allocator itself. None of the blocks that it asks for is sampled.
    pub fn paused<T>(&self, run: impl FnOnce() -> T) -> T {
        struct Reset<'a>(&'a Cell<bool>, bool);

        impl Drop for Reset<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }

        let _reset = Reset(&self.is_paused, self.is_paused.replace(true));
        run()
    }

    /// Whether a part of the sampling allocator itself runs.
    pub fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    /// A random number.
    pub fn random(&self) -> u64 {
        if self.random.get() == 0 {
            self.seed();
        }
        self.with_generator(|generator| generator.u64(..))
    }

    /// An exponentially distributed distance.
    fn distance(&self, mean: f64) -> i64 {
        // In (0, 1].
        let uniform = 1.0 - self.with_generator(fastrand::Rng::f64);
        (-uniform.ln() * mean) as i64
    }

    fn with_generator<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        let mut generator = fastrand::Rng::with_seed(self.random.get());
        let drawn = draw(&mut generator);
        self.random.set(generator.get_seed().max(1));
        drawn
    }

    /// Seeds the generator by its address and the time.
    fn seed(&self) {
        let address = std::ptr::from_ref(self).addr() as u64;
        let elapsed = std::time::SystemTime::UNIX_EPOCH.elapsed();
        let time = elapsed.map_or(0, |time| time.as_nanos() as u64);
        self.random.set((address ^ time.rotate_left(32)).max(1));
    }
}

impl Default for Countdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_exponential() {
        let countdown = Countdown::new();
        countdown.seed();
        let count = 100_000;
        let distances: Vec<f64> = (0..count).map(|_| countdown.distance(1000.0) as f64).collect();
        let mean = distances.iter().sum::<f64>() / count as f64;
        assert!((980.0..1020.0).contains(&mean), "{mean}");
        // The share above the mean is 1/e.
        let above = distances.iter().filter(|distance| **distance > 1000.0).count();
        assert!((36_000..37_600).contains(&above), "{above}");
    }

    #[test]
    fn nothing_is_drawn_while_paused() {
        let countdown = Countdown::new();
        assert!(countdown.is_due(8));
        assert!(!countdown.paused(|| countdown.draw(8, 0.0)));
        assert_eq!(countdown.left.get(), 0);
        assert!(countdown.is_due(8) && countdown.draw(8, 0.0));
    }

    #[test]
    fn pauses_nest() {
        let countdown = Countdown::new();
        countdown.paused(|| {
            countdown.paused(|| ());
            assert!(countdown.is_due(1) && !countdown.draw(1, 0.0));
        });
        assert!(countdown.is_due(1) && countdown.draw(1, 0.0));
    }
}
