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
        self.free_chunks += other.free_chunks;
        self.free_bytes += other.free_bytes;
        self.cached_blocks += other.cached_blocks;
        self.cached_bytes += other.cached_bytes;
        self.used_blocks += other.used_blocks;
        self.used_bytes += other.used_bytes;
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
/// It is printed as a table of the classes that have anything. With the feature `serde`, these are a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeClasses([SizeClass; CLASSES]);

impl SizeClasses {
    /// No chunks.
    pub const EMPTY: Self = {
        let mut classes = [SizeClass::from(GRANULE); CLASSES];
        let mut number = 0;
        while number < CLASSES {
            classes[number].min_size = GRANULE << number;
            number += 1;
        }
        Self(classes)
    };

    /// Counts a chunk.
    pub(crate) fn count(&mut self, chunk: &Chunk) {
        let bytes = chunk.span.size();
        let number = bytes.checked_ilog2().unwrap_or(0).saturating_sub(FIRST_LOG2) as usize;
        let class = &mut self.0[number.min(CLASSES - 1)];
        let (count, sum) = match chunk.kind {
            ChunkKind::Free | ChunkKind::Top => (&mut class.free_chunks, &mut class.free_bytes),
            ChunkKind::Cached => (&mut class.cached_blocks, &mut class.cached_bytes),
            ChunkKind::Used => (&mut class.used_blocks, &mut class.used_bytes),
            ChunkKind::Blocks | ChunkKind::Own => return,
        };
        *count += 1;
        *sum += bytes;
    }

    /// Returns the non-empty classes, in ascending order of size.
    pub fn iter(&self) -> impl Iterator<Item = &SizeClass> + '_ {
        self.0.iter().filter(|class| !class.is_empty())
    }

    /// Returns the sum of all classes. Its `min_size` is that of the smallest class.
    #[must_use]
    pub fn total(&self) -> SizeClass {
        let mut total = SizeClass::from(GRANULE);
        self.0.iter().for_each(|class| total.add(class));
        total
    }

    /// Adds the contents of another heap, which shares no arena with this one.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(class, other)| class.add(other));
        self
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
    };
}

printed!(SizeClasses, size_classes);
