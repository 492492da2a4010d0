//! Blocks with their size in front of them.
//!
//! ```text
//! |  lead   | size | what the program uses ...     |
//! ^                ^
//! the heap's block the program's, aligned
//! ```
//!
//! The heap's blocks are aligned to 8 bytes, those of C to 16. So the size, a word of 8 bytes, has
//! another 8 in front of it where the heap's block is aligned to 16, and none where it is not.
//!
//! Asking the heap for blocks that are aligned to 16 would be no denser, and keep small ones out of
//! the threads' caches. Larger ones, which are not cached, are so aligned: when one moves as it
//! grows, which the system may do without copying it, what is in it stays as far from its start.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use talloc_global::{Align, Compact, Report, SharedHeap, SystemTalloc, Violation};

use super::{Guard, Heap, LEAST_ALIGN};

/// The unit of the heap's sizes, and their alignment.
const GRANULE: usize = 8;

/// The heap's largest blocks that threads have caches of.
const CACHED: usize = 512;

/// The heap behind the caches of [`SystemTalloc`], with sizes in front of its blocks.
pub(crate) struct Prefixed(SystemTalloc);

/// What is in front of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Prefix {
    /// Bytes of the heap's block, in whole granules.
    bytes: usize,
    /// Bytes from the start of the heap's block to that of the program's.
    lead: usize,
}

impl Prefix {
    /// The code of a lead that has a word of its own; others are their number of granules.
    const FAR: usize = 0;

    /// Finds what is in front of a block.
    ///
    /// # Safety
    ///
    /// It is the program's, with a prefix.
    #[inline(always)]
    unsafe fn of(block: NonNull<u8>) -> Self {
        // SAFETY: There is a granule in front of it, and, if the lead has a word of its own, another.
        unsafe {
            let word = block.sub(GRANULE).cast::<usize>().read();
            let lead = match word % GRANULE {
                Self::FAR => block.sub(2 * GRANULE).cast::<usize>().read(),
                granules => granules * GRANULE,
            };
            Self { bytes: word / GRANULE * GRANULE, lead }
        }
    }

    /// Puts this in front of a block.
    ///
    /// # Safety
    ///
    /// It is the program's, and the lead is the heap's to write to.
    #[inline(always)]
    unsafe fn put_before(self, block: NonNull<u8>) {
        let is_near = self.lead <= 2 * GRANULE;
        let code = if is_near { self.lead / GRANULE } else { Self::FAR };
        // SAFETY: The lead has a granule at the least, and more than two if it is far.
        unsafe {
            block.sub(GRANULE).cast::<usize>().write(self.bytes + code);
            if !is_near {
                block.sub(2 * GRANULE).cast::<usize>().write(self.lead);
            }
        }
    }

    /// Bytes that the program may use.
    #[inline(always)]
    fn usable(self) -> usize {
        self.bytes - self.lead
    }

    /// Whether the heap's block is one that threads have caches of.
    #[inline(always)]
    fn is_cached(self) -> bool {
        self.bytes <= CACHED
    }

    /// The layout of the heap's block.
    #[inline(always)]
    fn layout(self) -> Layout {
        let align = if self.is_cached() { GRANULE } else { LEAST_ALIGN };
        // SAFETY: It is a power of two, and `bytes_for` has seen to it that the size is in bounds.
        unsafe { Layout::from_size_align_unchecked(self.bytes, align) }
    }

    /// The start of the heap's block.
    ///
    /// # Safety
    ///
    /// This is in front of `block`.
    #[inline(always)]
    unsafe fn base(self, block: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: The lead is the heap's block's, too.
        unsafe { block.sub(self.lead) }
    }
}

/// Bytes of a heap's block in which `lead` bytes and more may precede `size` bytes, if there can be so
/// many.
#[inline(always)]
fn bytes_for(size: usize, lead: usize) -> Option<usize> {
    const MOST: usize = isize::MAX as usize / LEAST_ALIGN * LEAST_ALIGN;
    // As the most is in whole granules, what is no more can be rounded up to them.
    let fits = size <= MOST.checked_sub(lead)?;
    fits.then(|| (size + lead).next_multiple_of(GRANULE))
}

/// Allocates from the heap with `allocate`, and leaves room for what is in front of the block.
#[inline(always)]
fn allocate_with(
    size: usize,
    align: usize,
    allocate: impl FnOnce(Layout) -> *mut u8,
) -> Option<NonNull<u8>> {
    // From a granule on, the next multiple of the alignment is no further than that.
    let mut prefix = Prefix { bytes: bytes_for(size, align)?, lead: GRANULE };
    let base = NonNull::new(allocate(prefix.layout()))?;
    prefix.lead += Align::new(align)?.padding(base.addr().get() + GRANULE);
    // SAFETY: The heap's block has as many bytes, which are nobody else's.
    unsafe {
        let block = base.add(prefix.lead);
        prefix.put_before(block);
        Some(block)
    }
}

impl Prefixed {
    /// Moves what fits of a block to a new one.
    ///
    /// # Safety
    ///
    /// As for [`Heap::resize`], and this is in front of the block.
    #[inline(never)]
    unsafe fn relocate(
        &self,
        block: NonNull<u8>,
        prefix: Prefix,
        size: usize,
    ) -> Option<NonNull<u8>> {
        let new = self.allocate(size, LEAST_ALIGN)?;
        // SAFETY: Both have as many bytes and are different ones; the old one is not used any more.
        unsafe {
            new.copy_from_nonoverlapping(block, prefix.usable().min(size));
            self.free(block);
        }
        Some(new)
    }

    /// Changes the size of the heap's block, which is not cached before nor afterwards, and in which
    /// the program's is as far from the start then.
    ///
    /// # Safety
    ///
    /// As for [`Heap::resize`], and `old` is in front of the block.
    unsafe fn resize_large(
        &self,
        block: NonNull<u8>,
        old: Prefix,
        bytes: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: It is the heap's block with its layout, whose alignment stays, so that what has the
        // same lead is aligned, too. It has the new bytes, and what was in front has moved with it.
        unsafe {
            let base = self.0.realloc(old.base(block).as_ptr(), old.layout(), bytes);
            let block = NonNull::new(base)?.add(old.lead);
            Prefix { bytes, ..old }.put_before(block);
            Some(block)
        }
    }
}

impl Heap for Prefixed {
    type Config = Compact;

    const NEW: Self = Self(SystemTalloc::new());

    #[inline(always)]
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        allocate_with(size, align, |layout| unsafe { self.0.alloc(layout) })
    }

    #[inline(always)]
    fn allocate_zeroed(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        allocate_with(size, LEAST_ALIGN, |layout| unsafe { self.0.alloc_zeroed(layout) })
    }

    #[inline(always)]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: As the caller says, and what is in front of it tells the layout.
        unsafe {
            let prefix = Prefix::of(block);
            self.0.dealloc(prefix.base(block).as_ptr(), prefix.layout());
        }
    }

    #[inline]
    unsafe fn resize(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: As the caller says.
        let old = unsafe { Prefix::of(block) };
        let lead = old.lead.max(LEAST_ALIGN);
        let new = Prefix { bytes: bytes_for(size, lead)?, lead };
        let usable = old.usable();
        // What would be won is not worth a move.
        let is_close = old.is_cached() && size <= usable && size >= usable - usable / 4;
        if new.bytes == old.bytes || is_close {
            return Some(block);
        }
        // SAFETY: As the caller says.
        let resized = unsafe {
            if old.is_cached() || new.is_cached() {
                self.relocate(block, old, size)
            } else {
                self.resize_large(block, old, new.bytes)
            }
        };
        // It does no harm to have more.
        resized.or((size <= usable).then_some(block))
    }

    #[inline(always)]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: As the caller says.
        unsafe { Prefix::of(block) }.usable()
    }

    fn trim(&self) {
        SharedHeap::trim(&self.0);
    }

    fn lock(&'static self) -> Guard<Compact> {
        self.0.lock()
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.0.verify()
    }
}
