//! What is known about the contents of memory that no block has used.
//!
//! Memory that a source gives is often zero, and nobody has written to it. Both make calls cheaper:
//! [`Talloc::malloc_zeroed`](crate::Talloc::malloc_zeroed) does not clear zeros, and purging leaves out what was never
//! written to. Only the top is fresh. As soon as a block is freed, nothing is known about its memory.

use talloc_span::Span;

use super::Arena;
use crate::config::Config;
use crate::memory::Memory;
use crate::report::Violation;

/// What is known about the memory of an arena that has never been below the top.
///
/// Memory that has been there is covered by bits that have been cleared, so [`Arena::zero_from`] and [`Arena::dirty_to`]
/// take the higher one of two bounds.
#[derive(Clone, Copy)]
pub(super) struct Fresh {
    /// The memory from this address on is zero.
    zero: usize,
    /// The memory from this address on has not been written to since it was given or discarded.
    dirty: usize,
}

/// How many bytes `verify` reads.
const PROBED: usize = 512;

impl Fresh {
    /// Of an arena without memory.
    pub(super) const NONE: Self = Self { zero: 0, dirty: 0 };

    /// Memory to which nobody has written since it was given or discarded, and that need not be zero.
    pub(super) const UNWRITTEN: Self = Self::zero_from(usize::MAX);

    /// Memory to which nobody has written since it was given or discarded, and that is zero from an address on.
    pub(super) const fn zero_from(zero: usize) -> Self {
        Self { zero, dirty: 0 }
    }

    /// The same, if the memory below `acme` has been written to.
    pub(super) fn above(self, acme: usize) -> Self {
        Self { zero: self.zero.max(acme), dirty: self.dirty.max(acme) }
    }
}

/// Invariant I14: the top is zero from [`zero_from`](Self::zero_from) on.
impl<C: Config> Arena<C> {
    /// All free memory from this address on is known to be zero.
    #[inline]
    pub(crate) fn zero_from(&self) -> usize {
        self.fresh.zero.max(self.window.addr(self.cleared))
    }

    /// Memory from this address on has not been written to since it was given or discarded.
    pub(super) fn dirty_to(&self) -> usize {
        self.fresh.dirty.max(self.window.addr(self.cleared))
    }

    /// What is known, including what the bits tell.
    pub(super) fn known_fresh(&self) -> Fresh {
        Fresh { zero: self.zero_from(), dirty: self.dirty_to() }
    }

    /// What is known after `span` has become the arena's extent.
    pub(super) fn fresh_after(&self, span: Span, memory: Memory) -> Fresh {
        let (old, new) = (self.span.acme(), span.acme());
        let zero = if new <= old {
            self.zero_from()
        } else if memory.contains(Memory::ZEROED) {
            // If the arena has no memory yet, all of `span` is new.
            self.zero_from().min(old.or(span.base()).unwrap_or(usize::MAX))
        } else {
            usize::MAX
        };
        Fresh { zero, ..self.known_fresh() }
    }

    /// Checks invariant I14 at the start of the memory that is known to be zero.
    pub(super) fn check_fresh(&self) -> Result<(), Violation> {
        let zero = self.span_of(self.top..self.end).above(self.zero_from());
        let Some(base) = zero.get_base_ptr() else { return Ok(()) };
        for at in 0..zero.size().min(PROBED) {
            // SAFETY: The byte lies in the top, which the heap may read, and was zero when it was given or discarded.
            if unsafe { base.add(at).read() } != 0 {
                return Err(Violation::NotZero { addr: base.addr() + at });
            }
        }
        Ok(())
    }
}
