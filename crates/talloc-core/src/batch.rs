//! Blocks of one size, as a list.

use core::ptr::NonNull;

use crate::quick;

/// Blocks of one size that nobody uses, as a list that takes no memory but theirs.
///
/// The first word of each links to the next. [`Backend::malloc_batch`](crate::Backend::malloc_batch)
/// and [`Backend::free_batch`](crate::Backend::free_batch) allocate and free them together; to the
/// heap they are allocated meanwhile.
///
/// # Invariant
///
/// Each block of the list is at least 8 bytes of valid memory, aligned to 8, that nobody reads or writes but
/// by this list, as long as there is the list. Whoever adds a block answers for that, so that to take one is
/// safe.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    first: Option<NonNull<u8>>,
    len: u32,
}

// SAFETY: Nobody else uses the blocks (the invariant).
unsafe impl Send for Batch {}

impl Batch {
    /// No blocks.
    pub const EMPTY: Self = Self { first: None, len: 0 };

    /// How many blocks there are.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are no blocks.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The block that was added last.
    #[inline(always)]
    pub const fn first(&self) -> Option<NonNull<u8>> {
        self.first
    }

    /// All blocks, as they would be taken.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<u8>> + '_ {
        // SAFETY: A block of the list is valid memory (the invariant), and starts with its link.
        core::iter::successors(self.first, |block| unsafe { quick::next(*block) })
    }

    /// Adds a block.
    ///
    /// # Safety
    ///
    /// The block has at least 8 bytes, is aligned to 8, and has the size of the others; the pointer is good
    /// for all of it. Until the block is taken, or as long as there is the list, it stays valid memory: what it
    /// lies in is not freed, unmapped or given to somebody else. Until then, nobody else reads or writes it.
    ///
    /// The list has fewer than 2<sup>32</sup> blocks.
    #[inline(always)]
    pub unsafe fn push(&mut self, block: NonNull<u8>) {
        // SAFETY: The caller's block is aligned and has room for a pointer.
        unsafe { block.cast().write(self.first) };
        self.first = Some(block);
        self.len += 1;
    }

    /// Takes the block that was added last.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<NonNull<u8>> {
        let block = self.first?;
        // SAFETY: A block of the list is valid memory (the invariant), and starts with its link.
        self.first = unsafe { quick::next(block) };
        self.len -= 1;
        Some(block)
    }

    /// Takes all blocks.
    #[inline(always)]
    pub const fn take(&mut self) -> Self {
        core::mem::replace(self, Self::EMPTY)
    }

    /// The list of which `first` is the first of `len` blocks.
    ///
    /// # Safety
    ///
    /// It was that of another list that had as many, and whoever had that has forgotten it. The invariant holds
    /// of its blocks still.
    #[inline(always)]
    pub const unsafe fn from_first(first: NonNull<u8>, len: usize) -> Self {
        Self { first: Some(first), len: len as u32 }
    }
}
