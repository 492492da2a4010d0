//! The memory source of a thread's heap.

use core::alloc::Layout;

use talloc_sync::threads::{FRESH_MEMORY, Threaded};
use talloc_sync::{AllocError, Decay, Source, Span, Talloc};

use super::super::fault_ahead::{self, FaultAhead};
use super::super::giving_back::{Purge, pace};
use super::super::huge_pages::{self, HugePages};
use super::super::space;
use super::{RANGE, System};

/// The least bytes by which an arena is raised, unless memory is short.
const MIN_STEP: usize = 256 << 10;

/// An arena is raised by one `STEP_SHARE`th of its size, but by no more than [`MAX_STEP`] unless a request needs more.
const STEP_SHARE: usize = 4;
const MAX_STEP: usize = 64 << 20;

/// The number of slice ranges that a source remembers. It can give back only these.
const REMEMBERED: usize = 16;

/// The most bytes of the slices of an arena, unless a request needs more. It is half the reach of links, because the
/// arena grows only upwards.
const MAX_SLICES: usize = 16 << 30;

type Heap = Talloc<Threaded<System>, ThreadSource>;

/// A source that takes slices of the one range of addresses, and commits them step by step.
#[derive(Debug)]
pub struct ThreadSource {
    number: u8,
    /// The arena that grows, and its slices.
    arena: Span,
    range: Span,
    /// The slices of each arena.
    ranges: [Span; REMEMBERED],
    decay: Decay,
    huge_pages: HugePages,
    fault_ahead: FaultAhead,
}

impl ThreadSource {
    pub(super) const fn new() -> Self {
        Self {
            number: 0,
            arena: Span::empty(),
            range: Span::empty(),
            ranges: [Span::empty(); REMEMBERED],
            decay: Decay::NEW,
            huge_pages: HugePages::new(),
            fault_ahead: FaultAhead::new(),
        }
    }

    pub(super) fn set_number(&mut self, number: u8) {
        self.number = number;
    }

    /// Takes slices for a new arena with room for `bytes` bytes of blocks.
    fn take_slices(&self, bytes: usize) -> Option<Span> {
        let slice = RANGE.slice_bytes()?;
        // The arena's bitmap takes less than a 32nd.
        let min = bytes.checked_add(bytes / 32)?.checked_add(slice / 32)?.div_ceil(slice);
        let arenas = self.ranges.iter().filter(|range| range.is_sized()).count();
        let most = (1 << arenas).min(MAX_SLICES / slice).max(min);
        let mut count = most;
        loop {
            match RANGE.take(self.number, count) {
                None if count > min => count = (count / 2).max(min),
                taken => return taken,
            }
        }
    }
}

impl Source<Threaded<System>> for ThreadSource {
    const EXTENDS: bool = true;
    const RECLAIMS: bool = true;
    const IS_AMPLE: bool = true;

    /// Raises the arena that grows, or claims a further one.
    fn acquire(heap: &mut Heap, layout: Layout) -> Result<(), AllocError> {
        if raise(heap, layout).is_ok() {
            return Ok(());
        }
        let bytes = Heap::room_for(layout).max(MIN_STEP);
        let range = heap.source().take_slices(bytes).ok_or(AllocError)?;
        let bytes = bytes.next_multiple_of(space::UNIT);
        // SAFETY: This heap has just taken the slices. They are zero when they are committed. The pointer of the range
        // has provenance over them.
        let claimed = unsafe { heap.arenas_mut().claim_part(range, bytes, FRESH_MEMORY, commit) };
        let Ok(arena) = claimed else {
            // SAFETY: The heap has not claimed the slices, so nobody uses them.
            unsafe { give_up(range) };
            return Err(AllocError);
        };
        let source = heap.source_mut();
        (source.arena, source.range) = (arena, range);
        source.huge_pages.end();
        if let Some(place) = source.ranges.iter_mut().find(|range| range.is_empty()) {
            *place = range;
        }
        Ok(())
    }

    fn tend(heap: &mut Heap) {
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

    /// Gives back all empty arenas except the one that grows, and discards the memory of large free chunks.
    fn release(heap: &mut Heap) {
        let growing = heap.source().arena;
        let mut purge = Purge::default();
        while let Some(arena) = heap.arenas_mut().reclaim_arena(growing) {
            let ranges = &mut heap.source_mut().ranges;
            if let Some(place) = ranges.iter_mut().find(|range| range.contains_span(arena)) {
                let range = core::mem::replace(place, Span::empty());
                // SAFETY: The heap has given up the arena, and so its slices.
                let is_given = unsafe { give_up(range) };
                purge.count(arena, is_given);
            } else {
                // The bounds of the slices are forgotten, so the addresses leak. Only their memory goes back.
                // SAFETY: The heap has given up the arena.
                unsafe { purge.piece(arena.align_inward(space::page())) };
            }
        }
        let ready = fault_ahead::end(heap, growing, |source| &mut source.fault_ahead);
        // SAFETY: No block has lain in these pages, so their contents do not matter. They are zero before and after.
        unsafe { purge.piece(ready) };
        let pace = pace();
        // SAFETY: As in `tend`.
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

/// Raises the arena that grows by the bytes that a request needs, and by more if the arena is large.
pub(super) fn raise(heap: &mut Heap, layout: Layout) -> Result<(), AllocError> {
    let (arena, range) = (heap.source().arena, heap.source().range);
    let is_huge = huge_pages::are_for(heap.inspect().touched_bytes());
    let mut arena = heap.arena(arena).map_err(|_| AllocError)?;
    let lacking = arena.lacking_for(layout);
    let old = arena.span();
    let rest = range.acme().zip(old.acme()).map_or(0, |(end, acme)| end - acme);
    if lacking > rest {
        return Err(AllocError);
    }
    // A block that is to grow at the arena's end lacks all of its layout.
    let ample = Heap::room_for(layout).max((old.size() / STEP_SHARE).clamp(MIN_STEP, MAX_STEP));
    // The last attempt is not rounded to huge pages: a limit may leave no room for that.
    for (more, is_huge) in [(ample, is_huge), (lacking.max(1), false)] {
        let mut more = space::round_up(more).unwrap_or(rest);
        if is_huge {
            more = huge_pages::rounded(old.acme(), more);
        }
        // SAFETY: The slices above the arena are this heap's, and zero when they are committed.
        if unsafe { arena.raise_part(range, more.min(rest), commit) }.is_ok() {
            let span = arena.span();
            let source = heap.source_mut();
            source.arena = span;
            if is_huge {
                source.huge_pages.want(span.except(old).1);
            }
            return Ok(());
        }
    }
    Err(AllocError)
}

/// Decommits slices and gives them back. If the system refuses to take their memory, they stay taken, because their next
/// owner would rely on zeros. Returns whether the system took the memory.
///
/// # Safety
///
/// The caller's heap has taken the slices, and nobody uses them.
pub(super) unsafe fn give_up(slices: Span) -> bool {
    // SAFETY: By the contract of this function.
    let is_given = unsafe { space::decommit(slices) };
    if is_given {
        // Without slabs in these slices, the entries are zero. If the system does not take their memory, they stay so.
        // SAFETY: The pages contain no entries of other slices, and nobody uses these.
        unsafe { space::decommit(RANGE.entries(slices).align_inward(space::page())) };
        RANGE.give_back(slices);
    }
    is_given
}

/// Commits the pages of a piece of slices, and of its entries in the table of slabs. Returns whether that succeeded.
pub(super) fn commit(piece: Span) -> bool {
    let entries = RANGE.entries(piece).align_outward(space::page());
    space::commit(entries).is_ok() && space::commit(piece.align_outward(space::page())).is_ok()
}
