//! Blocks with larger alignments, found by their addresses.
//!
//! A word with the size in front of a block would cost as many bytes as the alignment. Unless the block is
//! much larger than its alignment, it comes from the *zone* instead: an address range in which the address of a
//! block determines its size.
//!
//! ```text
//! | head | a row for each unit ... | unit | unit | unit ...
//!                                  |extent|   extent    |
//! ```
//!
//! A zone consists of *units* of 64 KiB. One or several units form an *extent*, an array of blocks with the
//! same [`Stride`], which is a multiple of their alignment. The row of an extent's first unit holds
//! the stride, and a bit for each block, which is set if the block is free.
//!
//! # The place of the zone
//!
//! `free` must find out quickly that a block is not in the zone, because few blocks are. If the system permits, the zone
//! therefore lies below the addresses that the system chooses by default. A single comparison
//! of a pointer with the zone's last address then rules out both the zone and null. If the zone is elsewhere,
//! more pointers need a second comparison, with the same result.
//!
//! # Threads, forks and signals
//!
//! There are no locks. Atomic operations on a single word take and free blocks, and a single compare-and-swap changes a
//! list. A process may therefore fork at any time. At worst, the child loses an extent that another thread
//! was moving between lists, or a block that it was allocating or freeing. A signal
//! handler may interrupt any call.
//!
//! This is simple because an extent keeps its stride for ever. The memory of free extents is returned to
//! the system, except for a sixteenth of the memory of all extents. Their addresses are not reused for other strides. If
//! the zone runs out of addresses, the heap serves the requests.

mod class;
mod extents;
mod list;
pub(crate) mod memory;
mod row;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use class::Stride;
use extents::Extents;

/// Bytes of a unit: a multiple of the page size on all systems.
const UNIT: usize = 64 << 10;

/// The number of units of a zone, if the system permits.
const UNITS: usize = if usize::BITS < 64 { 1 << 10 } else { 1 << 20 };

/// The least number of units that is worth a zone.
const MIN_UNITS: usize = 16;

/// A zone takes at most an eighth of the address space of a process that has a limit. If the system
/// refuses a size, an eighth of that is tried next.
const SHARE: usize = 8;

/// An allocator of blocks with larger alignments.
pub(crate) struct Zone {
    /// The start of the address range; null before the first request.
    base: AtomicPtr<u8>,
    /// The last address of the range, or a greater one; zero before the first request. Set before `base`,
    /// so an address above it is neither null nor that of a block.
    last: AtomicUsize,
    /// How often the system has refused address space.
    refusals: AtomicUsize,
}

/// The reason why an address is not the start of an allocated block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotABlock {
    /// The block has been freed.
    Free,
    /// No block starts there.
    Within,
    /// There are no blocks at the address.
    Foreign,
}

impl fmt::Display for NotABlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "already free",
            Self::Within => "not a block's start",
            Self::Foreign => "foreign pointer",
        })
    }
}

/// The contents of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) used_blocks: usize,
    pub(crate) used_bytes: usize,
    pub(crate) free_blocks: usize,
    /// Bytes of all extents.
    pub(crate) bytes: usize,
}

impl Zone {
    /// After this many refusals, the system is not asked again.
    const MAX_REFUSALS: usize = 4;

    /// A zone that reserves addresses on the first request.
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
        Self { refusals: AtomicUsize::new(Self::MAX_REFUSALS), ..Self::new() }
    }

    /// Returns false if an address is neither null nor that of a block of the zone. May return true for
    /// any other address.
    #[inline(always)]
    pub(crate) fn may_contain(&self, addr: usize) -> bool {
        // A thread that has received a block of the zone has synchronized with the thread that set this.
        addr <= self.last.load(Relaxed)
    }

    #[inline]
    fn extents(&self) -> Option<Extents> {
        // SAFETY: Only pointers from `as_ptr` are stored.
        NonNull::new(self.base.load(Acquire)).map(|base| unsafe { Extents::from_start(base) })
    }

    /// The extents, if an address is in their range.
    #[inline]
    fn extents_at(&self, addr: usize) -> Option<Extents> {
        self.may_contain(addr).then(|| self.extents())?.filter(|extents| extents.contain(addr))
    }

    /// Allocates a block. `None` if it is better left to the heap, or there is no room.
    #[inline]
    pub(crate) fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let stride = Stride::of(size, align)?;
        let extents = match self.extents() {
            Some(extents) => extents,
            None if self.refusals.load(Relaxed) < Self::MAX_REFUSALS => self.start()?,
            None => return None,
        };
        extents.allocate(stride)
    }

    /// Frees the block at an address. `None` if that is not in the zone.
    #[inline]
    pub(crate) fn free(&self, addr: usize) -> Option<Result<(), NotABlock>> {
        Some(self.extents_at(addr)?.free(addr))
    }

    /// The size of the block at an address. `None` if that is not in the zone.
    pub(crate) fn size_of(&self, addr: usize) -> Option<Result<usize, NotABlock>> {
        Some(self.extents_at(addr)?.size_of(addr))
    }

    /// Returns the memory of free extents to the system.
    pub(crate) fn trim(&self) {
        if let Some(extents) = self.extents() {
            extents.trim();
        }
    }

    /// Counts blocks and bytes.
    pub(crate) fn count(&self) -> Counts {
        self.extents().map(Extents::count).unwrap_or_default()
    }

    /// Reserves the address range, unless another thread is faster.
    #[cold]
    #[inline(never)]
    fn start(&self) -> Option<Extents> {
        let most = UNITS.min(memory::limit() / SHARE / UNIT);
        let sizes = core::iter::successors(Some(most), |units| Some(units / SHARE));
        let mut sizes = sizes.take_while(|units| *units >= MIN_UNITS);
        let Some((extents, range, units)) = sizes.find_map(start) else {
            self.refusals.fetch_add(1, Relaxed);
            return None;
        };
        let base = extents.as_ptr().as_ptr();
        self.last.fetch_max(base.addr() + Extents::bytes(units) - 1, Relaxed);
        match self.base.compare_exchange(core::ptr::null_mut(), base, AcqRel, Acquire) {
            Ok(_) => Some(extents),
            Err(_) => {
                // SAFETY: The range is not in use.
                unsafe { memory::release(range, reserved(units)) };
                self.extents()
            }
        }
    }
}

/// Bytes to reserve for a zone that can be aligned to a unit.
const fn reserved(units: usize) -> usize {
    Extents::bytes(units) + UNIT
}

/// Starts a zone in a new address range.
fn start(units: usize) -> Option<(Extents, NonNull<u8>, usize)> {
    let range = memory::reserve(reserved(units), memory::wish())?;
    // SAFETY: The range is new, and has room for the zone after it is aligned.
    let extents = unsafe {
        let before = range.align_offset(UNIT);
        Extents::start(range.add(before), units)
    };
    if extents.is_none() {
        // SAFETY: The range is not in use.
        unsafe { memory::release(range, reserved(units)) };
    }
    Some((extents?, range, units))
}
