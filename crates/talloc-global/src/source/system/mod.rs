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

/// Bytes in a granule, the unit of what links reach.
const GRANULE: usize = 8;

/// The least that is added to a heap at a time.
const FIRST_STEP: usize = 1 << 20;

/// The most address space to reserve at a time, where there is not plenty.
const SCARCE: usize = 256 << 20;

/// A source that gets memory from the operating system.
///
/// It reserves a large range of addresses, 16 GiB on 64-bit machines, and makes memory of it from
/// the bottom up, half as much again each time, at least 1 MiB. So the heap has one arena for a
/// long time, and most often for ever; when the range is full, it reserves another one, for a
/// further arena. Where so many addresses are not to be had, because of a limit on the process,
/// it reserves half of what there is.
///
/// Memory that the heap has not used yet takes no room but in the accounts of a system that
/// promises no more than it has.
///
/// A heap of 16 MiB or more asks Linux for huge pages for the memory that it grows by. Linux provides them if
/// `/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` or `always`. They save most of the time of page faults, but
/// up to 2 MiB more are resident. Where a limit of the process leaves no room for a huge page, the heap grows by less.
/// [`set_huge_pages`](Self::set_huge_pages) disables huge pages.
///
/// A heap that grows by small blocks has Linux bring in the pages that it will reach next, many by one call, which saves
/// time. They are at most a 64th of the heap.
///
/// # What is given back, and when
///
/// Memory that has not been needed for 100 to 200 ms is returned as [`Decay`] describes, at most 1 MiB per
/// operation; [`set_purge_delay`](Self::set_purge_delay) changes that time. The system gets whole free pages, at
/// the arena's end or between blocks, but not their addresses. [`Talloc::trim`] returns all free memory at once,
/// and unmaps empty arenas except those that can still grow.
///
/// On Linux and Android, that is `madvise(MADV_DONTNEED)`, after which the memory is zero, so that
/// blocks of zeros above all others need not be cleared. Other systems are told by `posix_madvise`, and
/// Windows by `MEM_RESET`, that they may take it, which they may do when they need some.
///
/// Only on Unix and Windows, with the feature `system`. Costs the crate `rustix`, which is `no_std`, and
/// needs no libc on Linux, or `windows-sys`.
#[derive(Debug)]
pub struct SystemSource {
    /// The arena that grows.
    arena: Span,
    /// Addresses above the arena, which have no memory yet.
    rest: Span,
    decay: Decay,
    huge_pages: HugePages,
    fault_ahead: FaultAhead,
}

impl SystemSource {
    /// A source that has reserved nothing yet.
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

    /// Makes memory of the lowest reserved addresses: at least `least` bytes, of which there are
    /// as many, and more if the arena is large already.
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

    /// Reserves addresses for a new arena, of at least `least` bytes, and gives up those that the
    /// last one has not got to.
    fn reserve(&mut self, least: usize, most: usize) -> Result<(), AllocError> {
        let range = space::reserve(least, most)?;
        self.release_rest();
        self.rest = range;
        Ok(())
    }

    /// Gives up the reserved addresses. The arena will grow no more.
    fn release_rest(&mut self) {
        // SAFETY: The arena does not reach there.
        unsafe { space::release(self.rest) };
        self.huge_pages.end();
        (self.arena, self.rest) = (Span::empty(), Span::empty());
    }

    /// Gives up the reserved addresses, if there are as many as `size`, for others to have them.
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
    /// If the system refuses more memory, or `layout` is larger than an arena can be.
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

    /// Unmaps the arenas in which nothing is allocated, but for the one that grows, and gives the
    /// memory of large free pieces back.
    fn release(heap: &mut Talloc<C, Self>) {
        let growing = heap.source().arena;
        let mut purge = Purge::default();
        while let Some(arena) = heap.arenas_mut().reclaim_arena(growing) {
            // SAFETY: It has been mapped, as only what is may be taken back, and the heap has given
            // it up.
            let is_given = unsafe { space::release(arena.align_inward(space::page())) };
            purge.count(arena, is_given);
        }
        let ready = fault_ahead::end(heap, growing, |source| &mut source.fault_ahead);
        // SAFETY: No block has lain in these pages, so their contents do not matter. They are zero afterwards as before.
        unsafe { purge.piece(ready) };
        let pace = pace();
        // SAFETY: It is mapped and can be used afterwards as before. If the system says that it has
        // taken the memory, it gives zeros when it is used again.
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

/// Gives the heap the lowest reserved memory.
fn attach<C: Config>(
    heap: &mut Talloc<C, SystemSource>,
    piece: Span,
    is_huge: bool,
) -> Result<(), AllocError> {
    let old = heap.source().arena;
    let extended = old.fit_over(piece);
    let zeros = Memory::ZEROED | Memory::RECLAIMABLE;
    // SAFETY: The memory is the process's, nobody has had it yet, and the system gives zeros; it is
    // part of the same range that the old arena was made of, and follows it.
    let arena = if old.is_sized()
        && unsafe { heap.arena(old).and_then(|mut arena| arena.extend(extended, zeros)) }.is_ok()
    {
        extended
    // SAFETY: As above.
    } else if unsafe { heap.arenas_mut().claim_as(piece, zeros) }.is_ok() {
        piece
    } else {
        // The memory is of no use.
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

/// Bytes that an arena must be given for `layout`, with what it may need for its own use, or
/// `None` if they are more than one arena can have.
fn least<C: Config>(layout: Layout, arena: Span) -> Option<usize> {
    let least = space::round_up(needed::<C, SystemSource>(layout, arena)?)?;
    (least <= Talloc::<C, SystemSource>::MAX_ARENA).then_some(least)
}

/// Bytes of addresses to reserve if nothing speaks against it.
///
/// An arena that grows in one direction only gets half as far as its links reach.
const fn reservation<C: Config>() -> usize {
    let half = reach::<C>() / 2;
    if usize::BITS < 64 && half > SCARCE { SCARCE } else { half }
}

/// How many bytes an arena can have, for the links in free chunks.
const fn reach<C: Config>() -> usize {
    match 1_usize.checked_shl(C::Index::BITS) {
        Some(granules) => granules.saturating_mul(GRANULE),
        None => usize::MAX,
    }
}
