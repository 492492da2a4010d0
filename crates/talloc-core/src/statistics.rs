//! Counters that a heap keeps up to date.

/// The counters of a heap, or the sums of those of several heaps: see
/// [`Inspect::statistics`](crate::Inspect::statistics).
///
/// Reading them takes a few steps per arena, independent of the number of blocks. A request that a quick list
/// serves updates one counter, the cached bytes, which the lists need anyway. [`verify`](crate::Talloc::verify)
/// computes the same numbers from the chunks, and checks the heap: see [`Report`](crate::Report).
///
/// For a single heap, `used_bytes + free_bytes + overhead_bytes` is `arena_bytes`. In a sum over the heaps of
/// running threads, `used_bytes` may differ by the blocks that move between heaps.
///
/// `Display` prints a table. The feature `serde` adds `Serialize`, and `defmt` adds `Format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Statistics {
    /// Number of heaps; above one if each thread has its own.
    pub heaps: usize,
    /// Number of heaps of other threads that could not be read. The other fields do not include them.
    pub unseen_heaps: usize,
    /// Bytes of allocated blocks, each rounded up to the size that it takes in its arena.
    pub used_bytes: usize,
    /// Highest number of bytes in use at once, including cached blocks and slabs. For several heaps, the sum of their
    /// peaks, which may have occurred at different times.
    pub peak_bytes: usize,
    /// Free bytes: in chunks, in the tops, in cached blocks and in slabs.
    pub free_bytes: usize,
    /// Part of `free_bytes`: blocks in quick lists and the free memory of slabs, kept for requests of the same size.
    pub cached_bytes: usize,
    /// Part of `free_bytes`: the tops, which are the ends of the arenas that have not been split into chunks.
    pub top_bytes: usize,
    /// Bytes of the arenas' bitmaps and control blocks, and bytes at their ends that no block can use.
    pub overhead_bytes: usize,
    /// Number of arenas.
    pub arenas: usize,
    /// Bytes of all arenas. On an operating system, this memory is committed.
    pub arena_bytes: usize,
    /// Bytes of the arenas that blocks have ever occupied. On an operating system, only these bytes and the
    /// overhead can be resident; some may have been purged since.
    pub touched_bytes: usize,
    /// Total bytes returned to the source since the start. Bytes that were returned several times count each time; those
    /// that the operating system refused to take do not count.
    pub purged_bytes: u64,
    /// Number of blocks that are mapped individually, outside the arenas.
    pub mapped_blocks: usize,
    /// Bytes of these blocks. `arena_bytes` does not include them.
    pub mapped_bytes: usize,
    /// Number of requests that failed.
    pub refused_requests: usize,
}

impl Statistics {
    /// Adds the counters of another heap, which shares no arena with this one.
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
    /// let both = heaps.iter().map(|heap| heap.inspect().statistics());
    /// let both = both.fold(Statistics::default(), Statistics::with);
    /// assert_eq!((both.heaps, both.arena_bytes), (2, 2000));
    /// ```
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.heaps += other.heaps;
        self.unseen_heaps += other.unseen_heaps;
        // A heap whose lists hold blocks of other heaps may have a negative count. The wrapping sum is right.
        self.used_bytes = self.used_bytes.wrapping_add(other.used_bytes);
        // The peaks occurred at different times, so their sum may exceed the address space.
        self.peak_bytes = self.peak_bytes.saturating_add(other.peak_bytes);
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

    /// Moves `bytes` from the used bytes to the cached ones.
    #[doc(hidden)]
    #[must_use]
    pub fn with_cached(mut self, bytes: usize) -> Self {
        self.cached_bytes += bytes;
        self.free_bytes += bytes;
        self.used_bytes = self.used_bytes.wrapping_sub(bytes);
        self
    }

    /// Replaces a negative number of used bytes by zero. The number can be negative if heaps are read one after the
    /// other while blocks move between them.
    #[doc(hidden)]
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.used_bytes = (self.used_bytes as isize).max(0) as usize;
        self
    }

    /// The rows of the table that show bytes.
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

/// A number of bytes. It is displayed with one decimal, in the largest unit that does not exceed it.
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

/// Padding that fills a column of `width` characters after the `taken` first ones.
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
            $say!($f, ", {} more could not be read", it.unseen_heaps);
        }
    };
}

printed!(Statistics, statistics);
