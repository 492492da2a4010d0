//! What a heap counts all the time.

/// The counters of a heap, or of several: see [`Talloc::statistics`](crate::Talloc::statistics).
///
/// Reading them takes a few steps for each arena, however many blocks there are, and nothing is counted on the way of a
/// request that a quick list serves. [`verify`](crate::Talloc::verify) counts the same by looking at every chunk, and
/// more: see [`Report`](crate::Report).
///
/// `used_bytes + free_bytes + overhead_bytes` is `arena_bytes`.
///
/// It is printed as a table. With the feature `serde`, it can be serialised, and with `defmt`, printed by defmt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Statistics {
    /// Heaps that are counted: more than one where each thread has its own.
    pub heaps: usize,
    /// Heaps of other threads that could not be looked at, and are not counted.
    pub unseen_heaps: usize,
    /// Bytes of allocated blocks, each rounded up to what it takes.
    pub used_bytes: usize,
    /// The most bytes that were in use at once, cached blocks included. Of several heaps, the sum of their peaks, which
    /// need not have been at the same time.
    pub peak_bytes: usize,
    /// Bytes that are free: in chunks, in the tops, and in cached blocks.
    pub free_bytes: usize,
    /// Of these, bytes of blocks that are kept for requests of the same size.
    pub cached_bytes: usize,
    /// Of the free bytes, those at the arenas' ends that have not been split into chunks.
    pub top_bytes: usize,
    /// Bytes of the arenas' bitmaps and control blocks, and of what cannot be used at their ends.
    pub overhead_bytes: usize,
    /// Arenas.
    pub arenas: usize,
    /// Bytes of the arenas, as they were given. On an operating system, these are committed.
    pub arena_bytes: usize,
    /// Bytes of the arenas that blocks have lain in since they were given. No others take memory of an operating system,
    /// except for the overhead; of these, some may have been purged.
    pub touched_bytes: usize,
    /// Bytes of free memory that have been given back to the source since the start, each time that they were.
    pub purged_bytes: u64,
    /// Blocks that are kept apart from the arenas.
    pub mapped_blocks: usize,
    /// Bytes of these. They are not among `arena_bytes`.
    pub mapped_bytes: usize,
    /// Requests that failed.
    pub refused_requests: usize,
}

impl Statistics {
    /// The sum of the counters of heaps that have nothing in common.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Statistics, Talloc};
    ///
    /// let mut memory = [[0_u8; 1000]; 2];
    /// let mut heaps = [Talloc::new(), Talloc::new()];
    /// for (heap, memory) in heaps.iter_mut().zip(&mut memory) {
    ///     // SAFETY: The memory is the heap's until neither is used any more.
    ///     unsafe { heap.init(Span::from(memory)) };
    /// }
    /// let both = heaps.iter().map(|heap| heap.statistics());
    /// let both = both.fold(Statistics::default(), Statistics::with);
    /// assert_eq!((both.heaps, both.arena_bytes), (2, 2000));
    /// ```
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.heaps += other.heaps;
        self.unseen_heaps += other.unseen_heaps;
        // A heap whose lists hold blocks of others may count less than nothing: the sum is right.
        self.used_bytes = self.used_bytes.wrapping_add(other.used_bytes);
        self.peak_bytes += other.peak_bytes;
        self.free_bytes += other.free_bytes;
        self.cached_bytes += other.cached_bytes;
        self.top_bytes += other.top_bytes;
        self.overhead_bytes += other.overhead_bytes;
        self.arenas += other.arenas;
        self.arena_bytes += other.arena_bytes;
        self.touched_bytes += other.touched_bytes;
        self.purged_bytes += other.purged_bytes;
        self.mapped_blocks += other.mapped_blocks;
        self.mapped_bytes += other.mapped_bytes;
        self.refused_requests += other.refused_requests;
        self
    }

    /// Counts bytes of blocks as cached that have been counted as used.
    #[doc(hidden)]
    #[must_use]
    pub fn with_cached(mut self, bytes: usize) -> Self {
        self.cached_bytes += bytes;
        self.free_bytes += bytes;
        self.used_bytes = self.used_bytes.wrapping_sub(bytes);
        self
    }

    /// The same, with no bytes in use where there are less than none: of heaps that were looked at one after the other,
    /// while blocks went from one to the next.
    #[doc(hidden)]
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.used_bytes = (self.used_bytes as isize).max(0) as usize;
        self
    }

    /// The lines of the table that are bytes.
    fn lines(&self) -> [(&'static str, u64); 10] {
        [
            ("used", self.used_bytes as u64),
            ("peak", self.peak_bytes as u64),
            ("free", self.free_bytes as u64),
            ("  cached", self.cached_bytes as u64),
            ("  top", self.top_bytes as u64),
            ("overhead", self.overhead_bytes as u64),
            ("arenas", self.arena_bytes as u64),
            ("touched", self.touched_bytes as u64),
            ("purged", self.purged_bytes),
            ("mapped", self.mapped_bytes as u64),
        ]
    }
}

/// A number of bytes in the largest unit of which there is one, with a digit after the point.
struct Readable(u64);

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl Readable {
    /// The whole units, the tenths, and the unit.
    fn parts(&self) -> (u64, u64, &'static str) {
        let unit = self.0.checked_ilog2().unwrap_or(0) / 10;
        let whole = self.0 >> (10 * unit);
        let tenths = if unit == 0 { 0 } else { ((self.0 >> (10 * (unit - 1))) % 1024) * 10 / 1024 };
        (whole, tenths, UNITS[unit as usize])
    }
}

/// See `printed.rs`.
macro_rules! readable {
    ($bytes:expr, $say:ident, $f:ident) => {
        match $bytes.parts() {
            (whole, _, "B") => $say!($f, "{} B", whole),
            (whole, tenths, unit) => $say!($f, "{}.{} {}", whole, tenths, unit),
        }
    };
}

printed!(Readable, readable);

const SPACES: &str = "                    ";

/// Spaces that fill a column of `width` characters up, after `taken`.
pub(crate) fn fill(width: usize, taken: usize) -> &'static str {
    SPACES.get(..width.saturating_sub(taken)).unwrap_or(SPACES)
}

/// How many digits a number has.
pub(crate) fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// A table; see `printed.rs`.
macro_rules! statistics {
    ($statistics:expr, $say:ident, $f:ident) => {
        let it = $statistics;
        $say!($f, "heap{}bytes", fill(19, 0));
        for (name, bytes) in it.lines() {
            let (before, between) = (name.len(), digits(bytes));
            $say!($f, "\n{}{}{}{}", name, fill(10, before), fill(18, between), bytes);
            $say!($f, "   {}", Readable(bytes));
            match name {
                "arenas" => $say!($f, ", in {}", it.arenas),
                "mapped" => $say!($f, ", in {} blocks", it.mapped_blocks),
                _ => {}
            }
        }
        let refused = it.refused_requests;
        $say!($f, "\nrefused{}{}   requests", fill(21, digits(refused as u64)), refused);
        if it.heaps + it.unseen_heaps > 1 {
            $say!($f, "\nheaps  {}{}", fill(21, digits(it.heaps as u64)), it.heaps);
        }
        if it.unseen_heaps > 0 {
            $say!($f, ", and {} that are not counted", it.unseen_heaps);
        }
    };
}

printed!(Statistics, statistics);
