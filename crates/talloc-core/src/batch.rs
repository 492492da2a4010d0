//! Blocks of one size, as a list.

use core::ptr::NonNull;

use crate::quick;

/// A linked list of blocks of one size that nobody uses. The links lie in the blocks.
///
/// [`Backend::malloc_batch`](crate::Backend::malloc_batch) allocates all blocks of a batch, and
/// [`Backend::free_batch`](crate::Backend::free_batch) frees them. To the heap, the blocks of a batch are allocated.
///
/// # Invariant
///
/// While a block is in the list, it is at least 8 bytes of valid memory, aligned to 8, and only the list reads or
/// writes it. The caller that adds a block guarantees that, so taking a block is safe.
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

    /// All blocks, in the order in which they would be taken.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<u8>> + '_ {
        // SAFETY: A block of the list is valid memory (the invariant), and starts with its link.
        core::iter::successors(self.first, |block| unsafe { quick::next(*block) })
    }

    /// Adds a block.
    ///
    /// # Safety
    ///
    /// * The block has at least 8 bytes, is aligned to 8, and has the size of the other blocks. The pointer is valid
    ///   for all of it.
    /// * Until the block is taken, or the list is gone, the block stays valid memory, and nobody else reads or writes
    ///   it. The memory that contains it is not freed, unmapped or given to somebody else.
    /// * The list has fewer than 2<sup>32</sup> blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::ptr::NonNull;
    /// use talloc_core::Batch;
    ///
    /// let mut blocks = [[0_u64; 5]; 2];
    /// let mut batch = Batch::EMPTY;
    /// for block in &mut blocks {
    ///     // SAFETY: Both are 40 bytes, and nothing uses them until they are taken.
    ///     unsafe { batch.push(NonNull::from(block).cast()) };
    /// }
    /// assert_eq!(batch.iter().count(), 2);
    /// assert!(batch.pop() > batch.pop() && batch.is_empty());
    /// ```
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

    /// The list of `len` blocks that begins with `first`.
    ///
    /// # Safety
    ///
    /// `first` was the first block of another list of `len` blocks, which is not used any more. The invariant still
    /// holds for its blocks.
    #[inline(always)]
    pub const unsafe fn from_first(first: NonNull<u8>, len: usize) -> Self {
        Self { first: Some(first), len: len as u32 }
    }
}
