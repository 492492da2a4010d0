//! The contents of a heap by size.

use crate::chunk::{Chunk, ChunkKind};
use crate::granule::GRANULE;
use crate::statistics::{digits, fill};

/// The chunks whose sizes lie between two consecutive powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SizeClass {
    /// The smallest size of the class in bytes, a power of two. Sizes are less than twice that, except in the last
    /// class, which has no upper bound.
    pub min_size: usize,
    /// Number of free chunks, including the tops of arenas.
    pub free_chunks: usize,
    /// Bytes of these.
    pub free_bytes: usize,
    /// Number of blocks in quick lists.
    pub cached_blocks: usize,
    /// Bytes of these.
    pub cached_bytes: usize,
    /// Number of allocated blocks. Only a [`Checked`](crate::Checked) heap knows it; it is zero in others.
    pub used_blocks: usize,
    /// Bytes of these.
    pub used_bytes: usize,
}

impl SizeClass {
    const fn from(min_size: usize) -> Self {
        Self {
            min_size,
            free_chunks: 0,
            free_bytes: 0,
            cached_blocks: 0,
            cached_bytes: 0,
            used_blocks: 0,
            used_bytes: 0,
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::from(self.min_size)
    }

    fn add(&mut self, other: &Self) {
        self.free_chunks = self.free_chunks.saturating_add(other.free_chunks);
        self.free_bytes = self.free_bytes.saturating_add(other.free_bytes);
        self.cached_blocks = self.cached_blocks.saturating_add(other.cached_blocks);
        self.cached_bytes = self.cached_bytes.saturating_add(other.cached_bytes);
        self.used_blocks = self.used_blocks.saturating_add(other.used_blocks);
        self.used_bytes = self.used_bytes.saturating_add(other.used_bytes);
    }
}

const FIRST_LOG2: u32 = GRANULE.ilog2();

/// The classes reach from one granule to half of the address space, but at most to 256 GiB.
const CLASSES: usize = {
    let all = (usize::BITS - FIRST_LOG2) as usize;
    if all < 36 { all } else { 36 }
};

/// What a heap holds, by size: see [`Inspect::size_classes`](crate::Inspect::size_classes).
///
/// It is printed as a table of the classes that have anything, and of the
/// [external fragmentation](Self::external_fragmentation). With the feature `serde`, the classes are a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeClasses {
    classes: [SizeClass; CLASSES],
    /// Bytes of the largest free chunk.
    largest_free: usize,
}

impl SizeClasses {
    /// No chunks.
    pub const EMPTY: Self = {
        let mut classes = [SizeClass::from(GRANULE); CLASSES];
        let mut number = 0;
        while number < CLASSES {
            classes[number].min_size = GRANULE << number;
            number += 1;
        }
        Self { classes, largest_free: 0 }
    };

    /// Counts a chunk.
    pub(crate) fn count(&mut self, chunk: &Chunk) {
        let bytes = chunk.span.size();
        let number = bytes.checked_ilog2().unwrap_or(0).saturating_sub(FIRST_LOG2) as usize;
        let class = &mut self.classes[number.min(CLASSES - 1)];
        let (count, sum) = match chunk.kind {
            ChunkKind::Free | ChunkKind::Top => {
                self.largest_free = self.largest_free.max(bytes);
                (&mut class.free_chunks, &mut class.free_bytes)
            }
            ChunkKind::Cached => (&mut class.cached_blocks, &mut class.cached_bytes),
            ChunkKind::Used => (&mut class.used_blocks, &mut class.used_bytes),
            ChunkKind::Blocks | ChunkKind::Own => return,
        };
        *count += 1;
        // Whoever collects chunks may pass any.
        *sum = sum.saturating_add(bytes);
    }

    /// Returns the non-empty classes, in ascending order of size.
    pub fn iter(&self) -> impl Iterator<Item = &SizeClass> + '_ {
        self.classes.iter().filter(|class| !class.is_empty())
    }

    /// Returns the sum of all classes. Its `min_size` is that of the smallest class.
    #[must_use]
    pub fn total(&self) -> SizeClass {
        let mut total = SizeClass::from(GRANULE);
        self.classes.iter().for_each(|class| total.add(class));
        total
    }

    /// Adds the contents of another heap, which shares no arena with this one.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.classes.iter_mut().zip(&other.classes).for_each(|(class, other)| class.add(other));
        self.largest_free = self.largest_free.max(other.largest_free);
        self
    }

    /// Returns the size of the largest free chunk in bytes, or 0 if there is none: see
    /// [`Inspect::largest_free_bytes`](crate::Inspect::largest_free_bytes).
    #[must_use]
    pub const fn largest_free_bytes(&self) -> usize {
        self.largest_free
    }

    /// Returns the external fragmentation in thousandths, from 0 to 999, rounded down: how much of the free memory is not
    /// in the largest free chunk. It is 0 if all free memory is one chunk, or there is none.
    ///
    /// A request that is larger than the largest free chunk fails, or makes the heap grow, however much is free in
    /// all. Cached blocks do not count: the heap coalesces them before a request fails. Of several heaps, it is the share
    /// that is not in the largest free chunk of all; heaps share no memory, so it is high even if none is fragmented. Takes
    /// constant time: there are at most 36 classes.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 2000]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and each block is freed once, with its layout.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     assert_eq!(heap.inspect().size_classes().external_fragmentation(), 0);
    ///     let blocks: Vec<_> = core::iter::from_fn(|| heap.malloc(layout).ok()).collect();
    ///     heap.free(blocks[0], layout);
    ///     heap.free(blocks[2], layout);
    /// }
    /// // Two holes of 2000 bytes, and what is left at the end.
    /// let classes = heap.inspect().size_classes();
    /// assert_eq!(classes.largest_free_bytes(), 2000);
    /// assert!((500..750).contains(&classes.external_fragmentation()));
    /// println!("{classes}");
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[must_use]
    pub fn external_fragmentation(&self) -> u32 {
        let free = self.total().free_bytes;
        let rest = free.saturating_sub(self.largest_free) as u64;
        // So that the product is in the range of numbers.
        let shift = (u64::BITS - (free as u64).leading_zeros()).saturating_sub(54);
        (1000 * (rest >> shift)).checked_div(free as u64 >> shift).unwrap_or(0) as u32
    }
}

/// Counts chunks, such as those of a memory map. Chunks of the kinds [`Blocks`](ChunkKind::Blocks) and
/// [`Own`](ChunkKind::Own) do not count.
///
/// # Examples
///
/// ```
/// use talloc_core::{SizeClasses, Span, Talloc};
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::new();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe { heap.init(Span::from(&mut memory)) };
/// let classes: SizeClasses = heap.inspect().memory_map().collect();
/// assert_eq!(classes, heap.inspect().size_classes());
/// ```
impl FromIterator<Chunk> for SizeClasses {
    fn from_iter<I: IntoIterator<Item = Chunk>>(chunks: I) -> Self {
        let mut classes = Self::EMPTY;
        chunks.into_iter().for_each(|chunk| classes.count(&chunk));
        classes
    }
}

impl Default for SizeClasses {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for SizeClasses {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        // Some formats need the length first.
        let mut classes = serializer.serialize_seq(Some(self.iter().count()))?;
        self.iter().try_for_each(|class| classes.serialize_element(class))?;
        classes.end()
    }
}

/// A table; see `printed.rs`.
macro_rules! size_classes {
    ($classes:expr, $say:ident, $f:ident) => {
        $say!($f, "size from   {}free   {}cached   {}used", fill(16, 0), fill(16, 0), fill(16, 0));
        for class in $classes.iter() {
            $say!($f, "\n{}{}", fill(9, digits(class.min_size as u64)), class.min_size);
            let columns = [
                (class.free_chunks, class.free_bytes, 6),
                (class.cached_blocks, class.cached_bytes, 8),
                (class.used_blocks, class.used_bytes, 6),
            ];
            for (count, bytes, wider) in columns {
                let (counted, summed) = (digits(count as u64), digits(bytes as u64));
                $say!($f, "{}{}", fill(wider + 3, counted), count);
                $say!($f, "{}{}", fill(14, summed), bytes);
            }
        }
        let (largest, share) = ($classes.largest_free_bytes(), $classes.external_fragmentation());
        $say!($f, "\nlargest free chunk{}{}", fill(11, digits(largest as u64)), largest);
        $say!($f, ", external fragmentation {}.{} %", share / 10, share % 10);
    };
}

printed!(SizeClasses, size_classes);
