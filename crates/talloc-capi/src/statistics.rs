//! Statistics of the heap and the zone, in the formats of the GNU C library.

use core::ffi::c_int;
use core::fmt;

use crate::heap::{Counters, SizeClasses};
use crate::zone::Counts;

/// Statistics. Fields that are not numbers of blocks, pieces or arenas are numbers of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Statistics {
    /// In allocated blocks, including the words in front of them, except `mapped`.
    pub(crate) used: usize,
    /// In free blocks that are kept for requests of the same size.
    pub(crate) cached: usize,
    pub(crate) cached_blocks: usize,
    /// In free pieces that can become blocks of any size, plus `cached`.
    pub(crate) free: usize,
    pub(crate) free_pieces: usize,
    /// At the end of the arenas: a part of `free`.
    pub(crate) top: usize,
    /// In the heap's own structures.
    pub(crate) overhead: usize,
    /// In arenas (all of the above), and in the zone.
    pub(crate) arenas: usize,
    pub(crate) arena_count: usize,
    /// The largest number of bytes of arenas ever in use, plus those of the zone.
    pub(crate) most: usize,
    /// In blocks that are mapped individually.
    pub(crate) mapped: usize,
    pub(crate) mapped_blocks: usize,
    /// The free chunks of the heap by size.
    classes: SizeClasses,
}

impl Statistics {
    pub(crate) fn new(heap: &Counters, classes: SizeClasses, zone: Counts) -> Self {
        let zone_free = zone.bytes - zone.used_bytes;
        let total = classes.total();
        Self {
            used: heap.used_bytes + zone.used_bytes,
            cached: heap.cached_bytes + zone_free,
            cached_blocks: total.cached_blocks + zone.free_blocks,
            free: heap.free_bytes + zone_free,
            free_pieces: total.free_chunks,
            top: heap.top_bytes,
            overhead: heap.overhead_bytes,
            arenas: heap.arena_bytes + zone.bytes,
            arena_count: heap.arenas,
            most: heap.touched_bytes.max(heap.peak_bytes) + zone.bytes,
            mapped: heap.mapped_bytes,
            mapped_blocks: heap.mapped_blocks,
            classes,
        }
    }

    /// The fields of `mallinfo2`, in order.
    fn info(&self) -> [usize; 10] {
        let Self { used, cached, cached_blocks, free, free_pieces, top, arenas, mapped, .. } =
            *self;
        [arenas, free_pieces, cached_blocks, self.mapped_blocks, mapped, 0, cached, used, free, top]
    }

    /// Displays these as `malloc_info` does.
    pub(crate) fn as_xml(&self) -> impl fmt::Display + '_ {
        Xml(self)
    }

    /// Displays these as `malloc_stats` does.
    pub(crate) fn as_table(&self) -> impl fmt::Display + '_ {
        Table(self)
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "used      {} bytes", self.used)?;
        writeln!(f, "cached    {} bytes in {} blocks", self.cached, self.cached_blocks)?;
        writeln!(f, "free      {} bytes in {} pieces", self.free - self.cached, self.free_pieces)?;
        writeln!(f, "overhead  {} bytes", self.overhead)?;
        writeln!(f, "arenas    {} bytes in {} arenas", self.arenas, self.arena_count)?;
        writeln!(f, "mapped    {} bytes in {} blocks", self.mapped, self.mapped_blocks)
    }
}

struct Xml<'a>(&'a Statistics);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.0;
        let rest = it.free - it.cached;
        let totals = |f: &mut fmt::Formatter<'_>| {
            writeln!(
                f,
                "<total type=\"fast\" count=\"{}\" size=\"{}\"/>\n\
                 <total type=\"rest\" count=\"{}\" size=\"{rest}\"/>",
                it.cached_blocks, it.cached, it.free_pieces,
            )
        };
        let system = |f: &mut fmt::Formatter<'_>| {
            writeln!(
                f,
                "<system type=\"current\" size=\"{arenas}\"/>\n\
                 <system type=\"max\" size=\"{most}\"/>\n\
                 <aspace type=\"total\" size=\"{arenas}\"/>\n\
                 <aspace type=\"mprotect\" size=\"{arenas}\"/>",
                arenas = it.arenas,
                most = it.most,
            )
        };
        writeln!(f, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>")?;
        for class in it.classes.iter().filter(|class| class.free_chunks > 0) {
            let (from, count, total) = (class.min_size, class.free_chunks, class.free_bytes);
            // The last class has no upper bound.
            let to = from.checked_mul(2).map_or(usize::MAX, |end| end - 1);
            writeln!(f, "<size from=\"{from}\" to=\"{to}\" total=\"{total}\" count=\"{count}\"/>")?;
        }
        writeln!(f, "</sizes>")?;
        totals(f)?;
        system(f)?;
        writeln!(f, "</heap>")?;
        totals(f)?;
        let (blocks, bytes) = (it.mapped_blocks, it.mapped);
        writeln!(f, "<total type=\"mmap\" count=\"{blocks}\" size=\"{bytes}\"/>")?;
        system(f)?;
        writeln!(f, "</malloc>")
    }
}

struct Table<'a>(&'a Statistics);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { used, arenas, mapped, mapped_blocks, .. } = *self.0;
        writeln!(f, "Arena 0:")?;
        writeln!(f, "system bytes     = {arenas:10}\nin use bytes     = {used:10}")?;
        writeln!(f, "Total (incl. mmap):")?;
        let (arenas, used) = (arenas + mapped, used + mapped);
        writeln!(f, "system bytes     = {arenas:10}\nin use bytes     = {used:10}")?;
        writeln!(f, "mmap regions     = {mapped_blocks:10}\nmmap bytes       = {mapped:10}")
    }
}

/// Declares a structure of the C library with these fields.
macro_rules! info {
    ($(#[$attribute:meta])* $name:ident: $number:ty, $convert:expr) => {
        $(#[$attribute])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            /// Bytes of the arenas, and of the extents of aligned blocks.
            pub arena: $number,
            /// Free pieces that can become blocks of any size.
            pub ordblks: $number,
            /// Free blocks that are kept for requests of the same size.
            pub smblks: $number,
            /// Blocks that are mapped individually.
            pub hblks: $number,
            /// Bytes of these.
            pub hblkhd: $number,
            /// Zero.
            pub usmblks: $number,
            /// Bytes of the blocks in `smblks`.
            pub fsmblks: $number,
            /// Bytes of allocated blocks, including the words in front of them, except `hblkhd`.
            pub uordblks: $number,
            /// Free bytes, including `fsmblks`.
            pub fordblks: $number,
            /// Free bytes at the end of the arenas.
            pub keepcost: $number,
        }

        impl From<&Statistics> for $name {
            fn from(statistics: &Statistics) -> Self {
                let [
                    arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
                    keepcost,
                ] = statistics.info().map($convert);
                Self {
                    arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
                    keepcost,
                }
            }
        }
    };
}

info! {
    /// `struct mallinfo2` of the GNU C library.
    MallInfo2: usize, |number| number
}

info! {
    /// `struct mallinfo` of the GNU C library. The fields saturate.
    MallInfo: c_int, |number| c_int::try_from(number).unwrap_or(c_int::MAX)
}
