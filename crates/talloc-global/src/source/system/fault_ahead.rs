//! Page faults of a growing heap, many at a time.
//!
//! A heap that grows takes a page fault for each page that it reaches. Linux can bring in many pages by one call, which
//! takes less time. A heap that grows by small blocks therefore asks for the pages that it will reach next.
//! If it stops growing, these pages are resident for nothing, so they are at most a [`SHARE`]th of the heap.
//!
//! The request is only a hint. If Linux refuses it, each page has its fault.

use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

use talloc_sync::{Config, Source, Span, Talloc};

use super::space;

/// The pages that a heap has ready are at most one `SHARE`th of its size. `cargo xtask bench hosted` shows the time that
/// this saves, and the memory that it costs.
const SHARE: usize = 64;

/// The least bytes to have ready. A call for fewer pages saves little time.
const MIN_BATCH: usize = 16 << 10;

/// The most bytes to have ready, unless the heap grows faster. A call for more pages saves no more time per page.
const MAX_BATCH: usize = 64 << 10;

/// A heap that grows by more than this between two looks grows by large blocks. Their owners may leave most of their pages
/// untouched.
const MAX_GROWTH: usize = 128 << 10;

/// Cleared when the system does not know the request.
static IS_KNOWN: AtomicBool = AtomicBool::new(true);

/// The state of a source for the arena that grows.
#[derive(Debug)]
pub(super) struct FaultAhead {
    /// The address up to which the heap had grown at the last look.
    reached: usize,
    /// The address up to which pages have been brought in.
    ready_to: usize,
}

impl FaultAhead {
    pub(super) const fn new() -> Self {
        Self { reached: 0, ready_to: 0 }
    }

    /// Looks how far a heap has grown, and returns the pages to bring in. `untouched` is the part of the growing arena that
    /// the heap has not reached, and `touched` is the size of the heap in bytes.
    fn next(&mut self, untouched: Span, touched: usize) -> Option<Span> {
        let reached = untouched.base()?;
        // If another arena grows now, the difference wraps or is large.
        let growth = reached.wrapping_sub(core::mem::replace(&mut self.reached, reached));
        if growth > MAX_GROWTH {
            self.ready_to = reached;
            return None;
        }
        let batch = (touched / SHARE).min(MAX_BATCH.max(2 * growth));
        let is_ready = self.ready_to.saturating_sub(reached) > growth;
        if growth == 0 || is_ready || batch < MIN_BATCH {
            return None;
        }
        let ahead = untouched.truncate(0, untouched.size().saturating_sub(batch));
        let piece = ahead.above(self.ready_to).align_inward(space::page());
        if piece.size() < MIN_BATCH / 2 {
            return None;
        }
        self.ready_to = piece.acme()?;
        Some(piece)
    }

    /// Returns the pages that were brought in and that the heap has not reached, if it has given back memory below them. It
    /// will not reach them soon, and does not know that they are resident. The caller discards them.
    fn left_behind(&mut self, untouched: Span) -> Span {
        let has_shrunk = untouched.base().is_some_and(|reached| reached < self.reached);
        if has_shrunk { self.end(untouched) } else { Span::empty() }
    }

    /// Forgets the pages that were brought in, and returns those that the heap has not reached. If `untouched` is a part of
    /// another arena, there are none.
    fn end(&mut self, untouched: Span) -> Span {
        let Self { reached, ready_to } = core::mem::replace(self, Self::new());
        untouched.above(reached).below(ready_to).align_inward(space::page())
    }
}

/// Returns the pages that were brought in and that the heap has not reached, and forgets them: the caller discards them.
/// The parameters are those of [`tend`].
pub(super) fn end<C: Config, S: Source<C>>(
    heap: &mut Talloc<C, S>,
    arena: Span,
    state: impl FnOnce(&mut S) -> &mut FaultAhead,
) -> Span {
    let untouched = heap.arena(arena).map_or(Span::empty(), |arena| arena.untouched_span());
    state(heap.source_mut()).end(untouched)
}

/// Brings in the pages that a heap will reach next, if it grows. If it has given memory back, discards the pages that were
/// brought in above that. `arena` is the arena that grows, and `state` returns the source's state for it.
pub(super) fn tend<C: Config, S: Source<C>>(
    heap: &mut Talloc<C, S>,
    arena: Span,
    state: impl FnOnce(&mut S) -> &mut FaultAhead,
) {
    if !cfg!(any(target_os = "linux", target_os = "android")) || !IS_KNOWN.load(Relaxed) {
        return;
    }
    let Ok(untouched) = heap.arena(arena).map(|arena| arena.untouched_span()) else { return };
    let touched = heap.inspect().touched_bytes();
    let state = state(heap.source_mut());
    let left_behind = state.left_behind(untouched);
    if left_behind.is_sized() {
        // SAFETY: They are whole pages of the heap's memory. No block has lain in them, so their contents do not matter, and
        // they are zero afterwards as before. If the system refuses, they stay.
        unsafe { space::discard(left_behind) };
    }
    if let Some(pages) = state.next(untouched, touched) {
        IS_KNOWN.store(space::fault_in(pages), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    const END: usize = 1 << 30;

    /// The pages that are brought in when a heap of `touched` bytes has reached an address.
    fn look(state: &mut FaultAhead, reached: usize, touched: usize) -> Option<[usize; 2]> {
        let pages = state.next(Span::new(reached, END), touched)?;
        pages.base().zip(pages.acme()).map(|(base, acme)| [base, acme])
    }

    #[test]
    fn a_growing_heap_is_followed() {
        let (mut state, start) = (FaultAhead::new(), 16 * MIB);
        assert_eq!(look(&mut state, start, 4 * MIB), None);
        // It does not grow.
        assert_eq!(look(&mut state, start, 4 * MIB), None);
        let mut ready = 0;
        for step in 1..100 {
            let reached = start + step * 8 * KIB + 8;
            let pages = look(&mut state, reached, 4 * MIB);
            if let Some([base, acme]) = pages {
                assert!(base == ready.max(reached.next_multiple_of(4 * KIB)));
                assert!(acme - base >= MIN_BATCH / 2 && acme <= reached + 64 * KIB);
                ready = acme;
            }
            assert!(ready >= reached + 8 * KIB, "the next step meets no fault");
        }
        // Each page was brought in once.
        assert!(ready <= start + 900 * KIB);
    }

    #[test]
    fn small_heaps_and_large_blocks_are_not() {
        let (mut state, start) = (FaultAhead::new(), 16 * MIB);
        look(&mut state, start, MIB - 1);
        assert_eq!(look(&mut state, start + 4 * KIB, MIB - 1), None);
        assert_eq!(look(&mut state, start + 4 * KIB + MAX_GROWTH + 8, 100 * MIB), None);
    }

    #[test]
    fn a_heap_that_has_given_memory_back_begins_anew() {
        let (mut state, start) = (FaultAhead::new(), 16 * MIB);
        look(&mut state, start, 8 * MIB);
        let first = look(&mut state, start + 8 * KIB, 8 * MIB);
        assert_eq!(first, Some([start + 8 * KIB, start + 72 * KIB]));
        assert_eq!(look(&mut state, start + 16 * KIB, 8 * MIB), None);
        let untouched = Span::new(start - MIB, END);
        assert_eq!(state.left_behind(untouched), Span::new(start + 16 * KIB, start + 72 * KIB));
        assert!(state.left_behind(untouched).is_empty());
        assert_eq!(look(&mut state, start - MIB, 8 * MIB), None);
        let [base, _] = look(&mut state, start - MIB + 8 * KIB, 8 * MIB).unwrap();
        assert_eq!(base, start - MIB + 8 * KIB);
    }

    #[test]
    fn what_another_arena_has_ready_is_not_given_up() {
        let (mut state, start) = (FaultAhead::new(), 16 * MIB);
        look(&mut state, start, 8 * MIB);
        look(&mut state, start + 8 * KIB, 8 * MIB);
        assert!(state.left_behind(Span::new(start - 8 * MIB, start - 4 * MIB)).is_empty());
        assert_eq!(look(&mut state, start - 8 * MIB, 8 * MIB), None);
        assert!(state.left_behind(Span::empty()).is_empty());
        look(&mut state, start, 8 * MIB);
        look(&mut state, start + 8 * KIB, 8 * MIB);
        assert!(state.end(Span::new(start - 8 * MIB, start - 4 * MIB)).is_empty());
    }

    #[test]
    fn what_is_ready_is_given_up_once() {
        let (mut state, start) = (FaultAhead::new(), 16 * MIB);
        look(&mut state, start, 8 * MIB);
        look(&mut state, start + 8 * KIB, 8 * MIB);
        let untouched = Span::new(start + 20 * KIB + 8, END);
        assert_eq!(state.end(untouched), Span::new(start + 24 * KIB, start + 72 * KIB));
        assert!(state.end(untouched).is_empty());
    }

    #[test]
    fn nothing_is_brought_in_beyond_the_end() {
        let mut state = FaultAhead::new();
        look(&mut state, END - 40 * KIB, 8 * MIB);
        let last = look(&mut state, END - 36 * KIB, 8 * MIB);
        assert_eq!(last, Some([END - 36 * KIB, END]));
        assert_eq!(look(&mut state, END - 4 * KIB, 8 * MIB), None);
    }
}
