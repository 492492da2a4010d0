//! Checking the whole heap.

use core::ptr::NonNull;

use super::Talloc;
use super::arenas::Arenas;
use crate::arena::Arena;
use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::quick::slab::SLAB_LEN;
use crate::report::{Report, Violation};

impl<C: Config, S> Talloc<C, S> {
    /// Checks every [invariant](crate#invariants) of the heap, and counts its chunks.
    ///
    /// Allocates nothing and changes nothing. Takes time in proportion to a 512th of the arenas' bytes that have been
    /// in use, plus the number of free chunks and cached blocks.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found. Do not use such a heap any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(Layout::new::<[u64; 5]>())?;
    /// }
    /// let report = heap.verify().expect("the heap is intact");
    /// assert_eq!((report.arenas, report.used_bytes), (1, 40));
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn verify(&self) -> Result<Report, Violation> {
        let (mut report, marked) = self.arenas.check()?;
        self.check_quick(&mut report)?;
        self.check_slabs(&mut report)?;
        self.check_delayed(&mut report)?;
        if C::CHECKED && marked != report.cached_bytes {
            return Err(Violation::CachedCount);
        }
        if self.inspect().used_bytes() != report.used_bytes {
            return Err(Violation::UsedCount);
        }
        Ok(report)
    }

    /// Whether a block on a list consists of used granules of an arena.
    pub(super) fn is_cached_block(&self, block: NonNull<u8>, len: usize) -> bool {
        let addr = block.addr().get();
        let arena = self.arenas.containing(addr).map(|place| self.arenas.peek(place));
        arena.is_some_and(|arena: &Arena<C>| arena.is_cached(addr, len))
    }

    /// Checks invariant I9: the quick lists hold used blocks of the arenas, as many granules as they count, and no more
    /// than they may, or a slab more.
    fn check_quick(&self, report: &mut Report) -> Result<(), Violation> {
        let mut cached = 0;
        for len in C::Quick::sizes() {
            let mut block = self.quick.first(len);
            while let Some(at) = block {
                let addr = at.addr().get();
                cached += len;
                if cached > self.quick.cached() {
                    return Err(Violation::CachedCount);
                }
                if !self.is_cached_block(at, len) || !self.is_listed(at) {
                    return Err(Violation::CachedBlock { addr });
                }
                report.count_cached(len * GRANULE);
                // SAFETY: It is memory of an arena that is not free, and so a block on the list.
                block = unsafe { self.quick.after(at) };
            }
        }
        // A list gets all free blocks of a slab at once.
        let excess = if C::Quick::SLABS_FROM.is_some() { SLAB_LEN } else { 0 };
        let counted =
            cached == self.quick.cached() && cached <= self.quick.limit().saturating_add(excess);
        if counted { Ok(()) } else { Err(Violation::CachedCount) }
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// Checks that the blocks whose reuse is delayed are marked as cached, and counts them.
    fn check_delayed(&self, report: &mut Report) -> Result<(), Violation> {
        let mut left = self.delayed_bytes();
        for (block, len) in self.delayed_blocks() {
            left = left.checked_sub(len * GRANULE).ok_or(Violation::CachedCount)?;
            report.count_cached(len * GRANULE);
            if !self.is_cached_block(block, len) {
                return Err(Violation::CachedBlock { addr: block.addr().get() });
            }
        }
        if left == 0 { Ok(()) } else { Err(Violation::CachedCount) }
    }
}

impl<C: Config> Arenas<C> {
    /// Checks all arenas. Returns the counts, and how many bytes are marked as cached.
    pub(super) fn check(&self) -> Result<(Report, usize), Violation> {
        let mut report = Report::default();
        let mut marked = 0;
        for place in self.places() {
            let arena = self.peek(place);
            if arena.span().is_sized() {
                marked += arena.check(&mut report)?;
            }
        }
        self.check_recent()?;
        if !self.is_indexed() {
            return Err(Violation::Index);
        }
        self.check_overlaps()?;
        Ok((report, marked))
    }

    /// Checks invariant I10: arenas do not overlap. The index has been checked, and finds arenas that do.
    fn check_overlaps(&self) -> Result<(), Violation> {
        for place in self.places() {
            let arena = self.peek(place).span();
            if arena.is_sized() && self.overlaps(arena, Some(place)) {
                return Err(Violation::ArenasOverlap { arena });
            }
        }
        Ok(())
    }

    /// Checks invariant I10: the arena where requests begin is one of the heap's.
    fn check_recent(&self) -> Result<(), Violation> {
        if self.places().any(|place| place == self.recent) {
            Ok(())
        } else {
            Err(Violation::NotAnArena)
        }
    }
}
