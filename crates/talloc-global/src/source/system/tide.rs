//! When to give memory back.

/// What may be given back is worth it from so many bytes on.
const WORTH: usize = 4 << 20;

/// And from so many on though it was needed again the last time.
const MOST: usize = 64 << 20;

/// The part of what was in use that must be free since, one in as many.
const SHARE: usize = 4;

/// The least bytes that must be free since.
const LEAST: usize = 64 << 10;

/// How much of the arenas is in use, and the most since memory was given back.
///
/// It is time when the tide has fallen by a quarter, and what there may be to give back is worth it:
/// what has fallen dry, and what has before but was kept, as there were blocks all over it. So a
/// program that frees nearly all it has does not keep the pages of the last few blocks.
///
/// If the tide then rises as high as before, it would have been better to wait: the next time, twice as
/// much must fall dry to be worth it. So a program whose need goes up and down soon keeps what it
/// needs again, up to 64 MiB.
#[derive(Debug)]
pub(super) struct Tide {
    used: usize,
    high: usize,
    /// Below this, it is time.
    mark: usize,
    /// What was free when memory was last given back, and not given.
    kept: usize,
    /// The high and the fall then, if it was.
    last: Option<(usize, usize)>,
}

impl Tide {
    /// All of it is zeros, so that a static heap takes no room in a program's file.
    pub(super) const NONE: Self = Self { used: 0, high: 0, mark: 0, kept: 0, last: None };

    /// Notes that so many bytes are in use. Returns whether it is time.
    pub(super) fn turns_at(&mut self, used: usize) -> bool {
        self.used = used;
        if used > self.high {
            self.begin(self.kept);
        }
        self.turns()
    }

    /// Notes that so many bytes more are in use.
    #[cfg(test)]
    pub(super) fn rise(&mut self, bytes: usize) {
        self.used += bytes;
        if self.used > self.high {
            self.begin(self.kept);
        }
    }

    /// Notes that so many bytes are in use no longer.
    #[cfg(test)]
    pub(super) fn fall(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Whether it is time, of which it is asked once.
    fn turns(&mut self) -> bool {
        let is_due = self.used < self.mark;
        if is_due {
            self.last = Some((self.high, self.high - self.used));
            self.begin(0);
        }
        is_due
    }

    /// Notes that memory has been given back, all but `left` bytes.
    pub(super) fn settle(&mut self, left: usize) {
        self.begin(left.saturating_sub(self.used));
    }

    /// Takes the present state for the high.
    #[inline]
    fn begin(&mut self, kept: usize) {
        (self.high, self.kept) = (self.used, kept);
        let worth = match self.last {
            Some((high, fell)) if self.high >= high => fell.saturating_mul(2).clamp(WORTH, MOST),
            _ => WORTH.saturating_sub(kept),
        };
        let fall = worth.max(self.high / SHARE).max(LEAST);
        self.mark = (self.high + 1).saturating_sub(fall);
    }

    /// How many bytes are in use.
    #[cfg(test)]
    pub(super) const fn used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is time while the tide falls and rises by so many bytes, again and again.
    fn turns(tide: &mut Tide, bytes: usize) -> usize {
        let cycle = |_| {
            tide.fall(bytes);
            let turns = tide.turns();
            tide.rise(bytes);
            usize::from(turns)
        };
        (0..1000).map(cycle).sum()
    }

    #[test]
    fn what_is_needed_again_is_kept() {
        let mut tide = Tide::NONE;
        tide.rise(20 * WORTH);
        assert_eq!(turns(&mut tide, 5 * WORTH - 1), 0);
        assert_eq!(turns(&mut tide, 5 * WORTH), 1);
        assert_eq!(turns(&mut tide, 9 * WORTH), 0);
        assert_eq!(turns(&mut tide, 15 * WORTH), 1);
    }

    #[test]
    fn much_is_given_back_again_and_again() {
        let mut tide = Tide::NONE;
        tide.rise(2 * MOST);
        assert_eq!(turns(&mut tide, 2 * MOST), 1000);
    }

    #[test]
    fn it_is_time_until_little_is_left() {
        for bytes in [0, 9 * WORTH] {
            let mut tide = Tide::NONE;
            tide.rise(20 * WORTH);
            turns(&mut tide, bytes);
            let mut left = 0;
            while tide.used() > 0 {
                tide.fall(WORTH / 16);
                left = if tide.turns() { 0 } else { left + WORTH / 16 };
            }
            assert!(left <= WORTH, "{left} bytes");
        }
    }

    #[test]
    fn what_was_kept_counts() {
        let mut tide = Tide::NONE;
        tide.rise(WORTH);
        tide.fall(WORTH / 2);
        assert!(!tide.turns());
        tide.settle(2 * WORTH);
        tide.rise(LEAST);
        tide.fall(WORTH / 4);
        assert!(tide.turns());
    }
}
