//! The prefix of a block: its size, and the distance to the start of the heap's block.

use core::alloc::Layout;
use core::ptr::NonNull;

/// The unit of the heap's sizes, and their alignment.
pub(super) const GRANULE: usize = 8;

/// Blocks of the heap up to this size are moved instead of resized.
pub(super) const SMALL: usize = 1024;

/// The prefix of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Bytes of the heap's block, in whole granules.
    pub(super) bytes: usize,
    /// Bytes from the start of the heap's block to that of the program's, in whole granules.
    pub(super) lead: usize,
}

impl Prefix {
    /// A flag in the word of a block that is not near. It makes the word greater than any size.
    pub(super) const APART: usize = 1 << (usize::BITS - 1);

    /// The code of a lead that is stored in a word of its own. For other leads, the code is their number
    /// of granules minus one.
    pub(super) const FAR: usize = 2;

    /// The prefix of a near block.
    #[inline(always)]
    pub(super) const fn near(bytes: usize) -> Self {
        Self { bytes, lead: GRANULE }
    }

    /// The word in front of a block.
    ///
    /// # Safety
    ///
    /// `block` is an allocated block of the program's.
    #[inline(always)]
    pub(super) unsafe fn word_before(block: NonNull<u8>) -> usize {
        // SAFETY: A prefix of at least a granule precedes the block.
        unsafe { block.sub(GRANULE).cast::<usize>().read() }
    }

    /// Reads the prefix of a block.
    ///
    /// # Safety
    ///
    /// `block` is an allocated block of the program's.
    #[inline]
    pub(super) unsafe fn of(block: NonNull<u8>) -> Self {
        // SAFETY: By the contract of this function.
        let word = unsafe { Self::word_before(block) };
        let bytes = (word & !Self::APART) / GRANULE * GRANULE;
        let lead = match word % GRANULE {
            // SAFETY: A far lead has more than two granules.
            Self::FAR => unsafe { block.sub(2 * GRANULE).cast::<usize>().read() },
            code => (code + 1) * GRANULE,
        };
        Self { bytes, lead }
    }

    /// Writes this prefix in front of a block.
    ///
    /// # Safety
    ///
    /// The `lead` bytes in front of `block` belong to the same block of the heap.
    #[inline(always)]
    pub(super) unsafe fn put_before(self, block: NonNull<u8>) {
        let code = (self.lead / GRANULE - 1).min(Self::FAR);
        let apart = if code == 0 { 0 } else { Self::APART };
        // SAFETY: The lead has at least one granule, and more than two if it is far.
        unsafe {
            block.sub(GRANULE).cast::<usize>().write(self.bytes | code | apart);
            if code == Self::FAR {
                block.sub(2 * GRANULE).cast::<usize>().write(self.lead);
            }
        }
    }

    /// The bytes that the program may use.
    #[inline(always)]
    pub(super) fn usable(self) -> usize {
        self.bytes - self.lead
    }

    /// Whether the heap's block is small.
    #[inline(always)]
    pub(super) fn is_small(self) -> bool {
        self.bytes <= SMALL
    }

    /// The layout of the heap's block.
    #[inline(always)]
    pub(super) fn layout(self) -> Layout {
        // SAFETY: The alignment is a power of two, and `bytes_for` has checked the size.
        unsafe { Layout::from_size_align_unchecked(self.bytes, GRANULE) }
    }

    /// The start of the heap's block.
    ///
    /// # Safety
    ///
    /// This is the prefix of `block`.
    #[inline(always)]
    pub(super) unsafe fn base(self, block: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: The lead belongs to the same block of the heap.
        unsafe { block.sub(self.lead) }
    }
}
