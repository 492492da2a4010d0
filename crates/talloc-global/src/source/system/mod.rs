//! Memory from the operating system.

#[cfg(has_threads)]
mod at_exit;
mod blocks;
mod fault_ahead;
mod giving_back;
mod heap;
mod huge_pages;
mod keys;
mod lock;
mod locked;
mod map;
mod space;
#[cfg(has_threads)]
mod threads;

#[cfg(has_threads)]
pub use at_exit::print_statistics_at_exit;
pub use heap::SystemHeap;
#[cfg(has_threads)]
pub use keys::SystemHardened;
pub use keys::{RandomKeys, random_key};
pub use lock::SystemLock;
pub use locked::SystemTallock;
pub use map::HeapMap;
#[cfg(has_threads)]
pub use threads::{HeapMaps, SystemTalloc};

use core::alloc::Layout;

use core::time::Duration;

use super::needed::needed;
use fault_ahead::FaultAhead;
use giving_back::{Purge, pace};
use huge_pages::HugePages;
use talloc_sync::{AllocError, Config, Decay, Index, Memory, Source, Span, Talloc};

/// The size of a granule, the unit of links.
const GRANULE: usize = 8;

/// The least bytes by which a heap grows, unless memory is short.
const FIRST_STEP: usize = 1 << 20;

/// The most address space to reserve at a time on 32-bit machines, where addresses are scarce.
const SCARCE: usize = 256 << 20;

/// A source that gets memory from the operating system.
///
/// It reserves a large range of addresses, 16 GiB on 64-bit machines, and commits memory there from the bottom up. Each
/// step is half of the arena's size, and at least 1 MiB. Most heaps therefore have only one arena. When the range is
/// full, the source reserves another range, for a further arena. If a limit of the process leaves fewer addresses, the
/// source reserves half of them.
///
/// Committed memory that the heap has not used yet is not resident. It counts only on systems that do not overcommit.
///
/// A heap of 8 MiB or more asks Linux for huge pages for the memory that it grows by. Linux provides them if
/// `/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` or `always`. They save most of the time of page faults, but
/// up to 2 MiB more are resident. Where a limit of the process leaves no room for a huge page, the heap grows by less.
/// [`set_huge_pages`](Self::set_huge_pages) disables huge pages.
///
/// A heap that grows by small blocks asks Linux to bring in the pages that it will reach next. One call brings in many
/// pages, which is faster than a fault for each. These pages are at most a 64th of the heap.
///
/// # Memory that goes back
///
/// Memory that has not been needed for 100 to 200 ms is returned as [`Decay`] describes, at most 1 MiB per
/// operation; [`set_purge_delay`](Self::set_purge_delay) changes that time. The system gets whole free pages, at
/// the arena's end or between blocks, but not their addresses. [`Talloc::trim`] returns all free memory at once,
/// and unmaps empty arenas except the one that can still grow.
///
/// Linux and Android take the memory at once (`madvise(MADV_DONTNEED)`). It reads as zero afterwards, so a zeroed
/// block at the arena's end need not be cleared. Other Unix systems (`posix_madvise`) and Windows (`MEM_RESET`) may
/// take the memory later, when they are short of memory.
///
/// Only on Unix and Windows, with the feature `system`. Depends on `rustix` and `libc`, or on `windows-sys`.
#[derive(Debug)]
pub struct SystemSource {
    /// The arena that grows.
    arena: Span,
    /// The reserved addresses above the arena.
    rest: Span,
    decay: Decay,
    huge_pages: HugePages,
    fault_ahead: FaultAhead,
}

impl SystemSource {
    /// Makes a source that reserves addresses when it is first asked for memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            arena: Span::empty(),
            rest: Span::empty(),
            decay: Decay::NEW,
            huge_pages: HugePages::new(),
            fault_ahead: FaultAhead::new(),
        }
    }

    /// Sets how long unneeded memory stays with the process, for all heaps that get memory from the operating
    /// system. It is returned after one to two times `delay`, which is rounded down to whole milliseconds, but not
    /// below one. `None` disables this; [`Talloc::trim`] still returns memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::time::Duration;
    /// use talloc_global::source::SystemSource;
    ///
    /// // A program whose use rises and falls within a second keeps what it has.
    /// SystemSource::set_purge_delay(Some(Duration::from_secs(1)));
    /// ```
    pub fn set_purge_delay(delay: Option<Duration>) {
        giving_back::set_delay(delay);
    }

    /// Sets whether heaps that get memory from the operating system ask for huge pages from now on, as they do by
    /// default when they are large. Only Linux has such a request.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_global::source::SystemSource;
    ///
    /// // Many processes of this program share a machine whose memory is scarce.
    /// SystemSource::set_huge_pages(false);
    /// ```
    pub fn set_huge_pages(are_allowed: bool) {
        huge_pages::allow(are_allowed);
    }

    /// Commits the lowest reserved addresses: at least `least` bytes, and more if the arena is large. `least` bytes are
    /// reserved.
    fn commit(&self, least: usize, is_huge: bool) -> Result<Span, AllocError> {
        let lowest = |size: usize| self.rest.truncate(0, self.rest.size().saturating_sub(size));
        let ample = least.max(self.arena.size() / 2).max(FIRST_STEP);
        let ample = space::round_up(ample).unwrap_or(ample);
        let rounded = if is_huge { huge_pages::rounded(self.rest.base(), ample) } else { ample };
        // The last attempt is not rounded to huge pages: a limit may leave no room for that.
        for piece in [lowest(rounded), lowest(least)] {
            if space::commit(piece).is_ok() {
                return Ok(piece);
            }
        }
        Err(AllocError)
    }

    /// Reserves addresses for a new arena, between `least` and `most` bytes, and releases the addresses that the current
    /// arena has not reached.
    fn reserve(&mut self, least: usize, most: usize) -> Result<(), AllocError> {
        let range = space::reserve(least, most)?;
        self.release_rest();
        self.rest = range;
        Ok(())
    }

    /// Releases the reserved addresses. The arena can no longer grow.
    fn release_rest(&mut self) {
        // SAFETY: `rest` lies above the arena, so nobody uses it.
        unsafe { space::release(self.rest) };
        self.huge_pages.end();
        (self.arena, self.rest) = (Span::empty(), Span::empty());
    }

    /// Releases the reserved addresses if there are at least `size`, so that a mapping can take them.
    fn make_way(&mut self, size: usize) {
        if self.rest.size() >= size {
            self.release_rest();
        }
    }
}

impl Default for SystemSource {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Config> Source<C> for SystemSource {
    const RECLAIMS: bool = true;
    const IS_AMPLE: bool = true;

    /// Extends the heap's last arena, or claims a further one.
    ///
    /// # Errors
    ///
    /// If the system refuses more memory, or no arena is large enough for `layout`.
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        let is_huge = huge_pages::are_for(heap.inspect().touched_bytes());
        let source = heap.source_mut();
        let least = least::<C>(layout, source.arena).ok_or(AllocError)?;
        if source.rest.size() < least {
            source.reserve(least, reservation::<C>())?;
        }
        let piece = source.commit(least, is_huge)?;
        attach(heap, piece, is_huge)
    }

    fn tend(heap: &mut Talloc<C, Self>) {
        let (mut decay, pace) = (heap.source().decay.clone(), pace());
        let mut purge = Purge::default();
        // SAFETY: `Purge` keeps the pages mapped, and reports `ZEROED` only if they are zero.
        unsafe { decay.tend(heap, &pace, space::now_ms(), |piece| purge.piece(piece)) };
        decay.note_refused(purge.refused);
        let source = heap.source_mut();
        source.decay = decay;
        if purge.given > 0 {
            source.huge_pages.end();
        }
        let arena = source.arena;
        fault_ahead::tend(heap, arena, |source| &mut source.fault_ahead);
    }

    /// Unmaps all empty arenas except the one that grows, and discards the memory of large free chunks.
    fn release(heap: &mut Talloc<C, Self>) {
        let growing = heap.source().arena;
        let mut purge = Purge::default();
        while let Some(arena) = heap.arenas_mut().reclaim_arena(growing) {
            // SAFETY: The arena was claimed with `RECLAIMABLE`, so this source has mapped it. The heap no longer has it.
            let is_given = unsafe { space::release(arena.align_inward(space::page())) };
            purge.count(arena, is_given);
        }
        let ready = fault_ahead::end(heap, growing, |source| &mut source.fault_ahead);
        // SAFETY: No block has lain in these pages, so their contents do not matter. They are zero before and after.
        unsafe { purge.piece(ready) };
        let pace = pace();
        // SAFETY: `Purge` keeps the pages mapped, and reports `ZEROED` only if they are zero.
        unsafe { heap.arenas_mut().discard(pace.unit, pace.min_piece, |piece| purge.piece(piece)) };
        let view = heap.inspect();
        let (used, touched) = (view.used_bytes() + view.cached_bytes(), view.touched_bytes());
        let source = heap.source_mut();
        source.decay.note_trim(used, touched, purge.given);
        source.huge_pages.end();
    }

    fn purged_bytes(&self) -> u64 {
        self.decay.purged_bytes()
    }
}

/// Gives the heap a piece of committed memory: extends the arena by it, or claims it as a new arena.
fn attach<C: Config>(
    heap: &mut Talloc<C, SystemSource>,
    piece: Span,
    is_huge: bool,
) -> Result<(), AllocError> {
    let old = heap.source().arena;
    let extended = old.fit_over(piece);
    let zeros = Memory::ZEROED | Memory::RECLAIMABLE;
    // SAFETY: The piece is new memory of the system, so it is zero and nobody else has it. It follows the old arena in
    // the same reserved range.
    let arena = if old.is_sized()
        && unsafe { heap.arena(old).and_then(|mut arena| arena.extend(extended, zeros)) }.is_ok()
    {
        extended
    // SAFETY: As above.
    } else if unsafe { heap.arenas_mut().claim_as(piece, zeros) }.is_ok() {
        piece
    } else {
        // No arena can use the piece.
        heap.source_mut().release_rest();
        return Err(AllocError);
    };
    let source = heap.source_mut();
    source.rest = source.rest.except(piece).1;
    source.arena = arena;
    if is_huge {
        source.huge_pages.want(piece);
    }
    Ok(())
}

/// The bytes by which an arena must grow for `layout`, including the arena's own structures. `None` if they are more
/// than the largest arena.
fn least<C: Config>(layout: Layout, arena: Span) -> Option<usize> {
    let least = space::round_up(needed::<C, SystemSource>(layout, arena)?)?;
    (least <= Talloc::<C, SystemSource>::MAX_ARENA).then_some(least)
}

/// The bytes of addresses to reserve, unless a limit leaves fewer.
///
/// Links reach as far downwards as upwards. An arena that grows only upwards therefore uses half of their reach.
const fn reservation<C: Config>() -> usize {
    let half = reach::<C>() / 2;
    if usize::BITS < 64 && half > SCARCE { SCARCE } else { half }
}

/// The bytes that the links in free chunks can reach.
const fn reach<C: Config>() -> usize {
    match 1_usize.checked_shl(C::Index::BITS) {
        Some(granules) => granules.saturating_mul(GRANULE),
        None => usize::MAX,
    }
}
