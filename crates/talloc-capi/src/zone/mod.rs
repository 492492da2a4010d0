//! Blocks that are aligned to more than all others, and not much larger than their alignment.
//!
//! In front of such a block there is no room for a word with its size: it would take as much as the
//! alignment. So these have addresses of their own, the *zone*, where the address tells the size:
//!
//! ```text
//! | head | a row for each unit ... | unit | unit | unit ...
//!                                  |extent|   extent    |
//! ```
//!
//! A zone has *units* of 64 KiB. A unit, or a few, are an *extent*, whose blocks are all of one
//! [`Stride`](class::Stride), a multiple of the alignment. The row of an extent's first unit says which,
//! and has a bit for each block, set if that is free.
//!
//! # Where the zone is
//!
//! Freeing a block must tell quickly that it is not in the zone, which few are. So the zone is wished
//! for below the addresses that the system gives unasked: then a comparison with the zone's last address
//! finds out, and null pointers, too. Where the wish is not met, more blocks are looked at twice, and
//! nothing else is different.
//!
//! # Threads, forks and signals
//!
//! No thread ever waits for another one, as there are no locks: a bit is set or cleared at once, and so
//! is a list's head. So a process may fork at any time, and a signal handler may interrupt any call: what
//! another thread was about to do in the parent is not done in the child, where at the most an extent is
//! lost.
//!
//! What makes that simple is that an extent never changes its stride. A free one gives its memory back to
//! the system, beyond a sixteenth of all, but not its addresses, of which there are plenty.

mod class;
mod extents;
mod list;
mod memory;
mod row;
#[cfg(test)]
mod tests;

use core::ptr::NonNull;
use core::sync::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use class::Stride;
use extents::Extents;

/// Bytes of a unit: whole pages of every system.
const UNIT: usize = 64 << 10;

/// Units of a zone, if nothing speaks against it.
const UNITS: usize = if usize::BITS < 64 { 1 << 10 } else { 1 << 20 };

/// The least units that are worth having.
const LEAST_UNITS: usize = 16;

/// A zone takes an eighth of as many addresses as the process may have, or an eighth of that where the
/// system refuses so many, and so on.
const SHARE: usize = 8;

/// Blocks that are aligned to more than all others.
pub(crate) struct Zone {
    /// Where its addresses start; null if it has none yet.
    base: AtomicPtr<u8>,
    /// The last one of them, or a greater address; zero if it has none. So what is above is no block of
    /// the zone, and not null. Set before `base` is.
    last: AtomicUsize,
    /// How often it has got no addresses.
    refusals: AtomicUsize,
}

/// What is at an address in the place of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotABlock {
    /// A block that has been freed.
    Free,
    /// Part of a block, or nothing.
    Within,
    /// Nothing that has been allocated.
    Foreign,
}

/// What is in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) used_blocks: usize,
    pub(crate) used_bytes: usize,
    pub(crate) free_blocks: usize,
    /// Bytes of all extents.
    pub(crate) bytes: usize,
}

impl Zone {
    /// After so many refusals, the system is asked no more.
    const MOST_REFUSALS: usize = 4;

    /// A zone without addresses.
    pub(crate) const fn new() -> Self {
        Self {
            base: AtomicPtr::new(core::ptr::null_mut()),
            last: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
        }
    }

    /// A zone that never gets addresses.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self { refusals: AtomicUsize::new(Self::MOST_REFUSALS), ..Self::new() }
    }

    /// Whether an address may be that of a block of the zone, or null. If not, it is neither.
    #[inline(always)]
    pub(crate) fn may_contain(&self, addr: usize) -> bool {
        // Who has been given a block has seen this after it was set.
        addr <= self.last.load(Relaxed)
    }

    #[inline]
    fn extents(&self) -> Option<Extents> {
        // SAFETY: It has been started before it was stored.
        NonNull::new(self.base.load(Acquire)).map(|base| unsafe { Extents::from_start(base) })
    }

    /// The extents, if an address is among theirs.
    #[inline]
    fn extents_at(&self, addr: usize) -> Option<Extents> {
        self.may_contain(addr).then(|| self.extents())?.filter(|extents| extents.contain(addr))
    }

    /// Allocates a block. `None` if it is not one for the zone, or there is no room.
    #[inline]
    pub(crate) fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let stride = Stride::of(size, align)?;
        let extents = match self.extents() {
            Some(extents) => extents,
            None if self.refusals.load(Relaxed) < Self::MOST_REFUSALS => self.start()?,
            None => return None,
        };
        extents.allocate(stride)
    }

    /// Frees a block if its address is in the zone. `None` if it is not.
    ///
    /// The block must not be used any more.
    #[inline]
    pub(crate) fn free(&self, addr: usize) -> Option<Result<(), NotABlock>> {
        Some(self.extents_at(addr)?.free(addr))
    }

    /// Bytes of the block at an address. `None` if that is not in the zone.
    pub(crate) fn size_of(&self, addr: usize) -> Option<Result<usize, NotABlock>> {
        Some(self.extents_at(addr)?.size_of(addr))
    }

    /// Gives the memory back that is free.
    pub(crate) fn trim(&self) {
        if let Some(extents) = self.extents() {
            extents.trim();
        }
    }

    /// Counts what there is.
    pub(crate) fn count(&self) -> Counts {
        self.extents().map(Extents::count).unwrap_or_default()
    }

    /// Reserves addresses, unless another thread is quicker.
    #[cold]
    #[inline(never)]
    fn start(&self) -> Option<Extents> {
        let most = UNITS.min(memory::limit() / SHARE / UNIT);
        let sizes = core::iter::successors(Some(most), |units| Some(units / SHARE));
        let mut sizes = sizes.take_while(|units| *units >= LEAST_UNITS);
        let Some((extents, range, units)) = sizes.find_map(start) else {
            self.refusals.fetch_add(1, Relaxed);
            return None;
        };
        let base = extents.as_ptr().as_ptr();
        self.last.fetch_max(base.addr() + Extents::bytes(units) - 1, Relaxed);
        match self.base.compare_exchange(core::ptr::null_mut(), base, AcqRel, Acquire) {
            Ok(_) => Some(extents),
            Err(_) => {
                // SAFETY: Nobody has seen them.
                unsafe { memory::release(range, reserved(units)) };
                self.extents()
            }
        }
    }
}

/// Bytes to reserve, so that there is a zone that is aligned to a unit.
const fn reserved(units: usize) -> usize {
    Extents::bytes(units) + UNIT
}

/// Starts a zone at new addresses.
fn start(units: usize) -> Option<(Extents, NonNull<u8>, usize)> {
    let range = memory::reserve(reserved(units))?;
    // SAFETY: The addresses have just been reserved, with as many more as aligning them may take.
    let extents = unsafe {
        let before = range.align_offset(UNIT);
        Extents::start(range.add(before), units)
    };
    if extents.is_none() {
        // SAFETY: Nobody has seen them.
        unsafe { memory::release(range, reserved(units)) };
    }
    Some((extents?, range, units))
}
