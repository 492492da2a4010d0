//! Full magazines that no slot has.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use talloc_core::Batch;

use super::class::{CLASSES, Class};
use super::try_lock::TryLock;
use crate::lock::machine::AtomicUsize;

/// The least blocks of a magazine for which it is worthwhile.
const MIN_BLOCKS: usize = 2;

/// Full magazines of each size: where one thread frees what another one has allocated, they go
/// round, and the heap is not asked.
pub(super) struct Depot {
    shelves: [Shelf; CLASSES],
    /// The bytes of all blocks in it, or more: they are counted before a magazine is put here, and
    /// until after it has been taken.
    bytes: AtomicUsize,
    /// The most bytes that there may be.
    limit: AtomicUsize,
}

/// The magazines of one size, on cache lines of their own.
#[repr(align(128))]
struct Shelf(TryLock<Stack>);

/// Magazines of as many blocks each, the first block of each linking to the first one of the next.
struct Stack {
    first: Option<NonNull<u8>>,
    /// The blocks of each.
    len: u32,
}

// SAFETY: Whoever has the stack has its blocks.
unsafe impl Send for Stack {}

impl Depot {
    pub(super) const fn new() -> Self {
        Self {
            shelves: [const { Shelf(TryLock::new(Stack::EMPTY)) }; CLASSES],
            bytes: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
        }
    }

    /// The bytes of all blocks in it, or more.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes a magazine of at most so many blocks, if there is one and nobody is in the way.
    pub(super) fn take(&self, class: Class, most: usize) -> Option<Batch> {
        if self.bytes.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut stack = self.shelves[class.index()].0.try_hold()?;
        let magazine = if stack.len as usize <= most { stack.pop() } else { None }?;
        self.bytes.fetch_sub(bytes(class, &magazine), Ordering::Relaxed);
        Some(magazine)
    }

    /// Puts a magazine here, if there is room, nobody is in the way, and those of the size that are
    /// here have as many blocks. If not, gives it back.
    pub(super) fn put(&self, class: Class, magazine: Batch) -> Result<(), Batch> {
        if magazine.len() < MIN_BLOCKS || !class.has_two_links() {
            return Err(magazine);
        }
        let bytes = bytes(class, &magazine);
        let limit = self.limit.load(Ordering::Relaxed);
        let more = |all: usize| Some(all + bytes).filter(|all| *all <= limit);
        if self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return Err(magazine);
        }
        let result = self.push(class, magazine);
        if result.is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        result
    }

    fn push(&self, class: Class, magazine: Batch) -> Result<(), Batch> {
        match self.shelves[class.index()].0.try_hold() {
            Some(mut stack) => stack.push(magazine),
            None => Err(magazine),
        }
    }

    /// Bounds the bytes.
    pub(super) fn set_limit(&self, bytes: usize) {
        if self.limit.load(Ordering::Relaxed) != bytes {
            self.limit.store(bytes, Ordering::Relaxed);
        }
    }

    /// Shows each magazine of a size to `look`, unless somebody is in the way.
    pub(super) fn look<E>(
        &self,
        class: Class,
        mut look: impl FnMut(&Batch) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(mut stack) = self.shelves[class.index()].0.try_hold() else { return Ok(()) };
        let mut seen = Stack::EMPTY;
        let mut result = Ok(());
        while let Some(magazine) = stack.pop() {
            result = result.and_then(|()| look(&magazine));
            // They have as many blocks.
            let _ = seen.push(magazine);
        }
        *stack = seen.reversed();
        result
    }
}

impl Stack {
    const EMPTY: Self = Self { first: None, len: 0 };

    fn pop(&mut self) -> Option<Batch> {
        let first = self.first?;
        // SAFETY: The first block of a magazine on the stack has a second link, which is written
        // when it is put there; the magazine has as many blocks as all, and the stack has forgotten
        // it.
        unsafe {
            self.first = second_word(first).read();
            Some(Batch::from_first(first, self.len as usize))
        }
    }

    /// Puts a magazine, of blocks that have two links, on the stack, unless others there have more or
    /// fewer. If so, gives it back.
    fn push(&mut self, magazine: Batch) -> Result<(), Batch> {
        let is_as_others = self.first.is_none() || self.len as usize == magazine.len();
        let Some(first) = magazine.first().filter(|_| is_as_others) else { return Err(magazine) };
        // SAFETY: The block is ours, and has room for a second link.
        unsafe { second_word(first).write(self.first) };
        *self = Self { first: Some(first), len: magazine.len() as u32 };
        Ok(())
    }

    /// The same magazines in the other order.
    fn reversed(mut self) -> Self {
        let mut reversed = Self::EMPTY;
        while let Some(magazine) = self.pop() {
            // They have as many blocks.
            let _ = reversed.push(magazine);
        }
        reversed
    }
}

/// The second word of a block, behind the link that its magazine has there.
///
/// # Safety
///
/// The block has at least two words.
unsafe fn second_word(block: NonNull<u8>) -> NonNull<Option<NonNull<u8>>> {
    // SAFETY: The second word lies within the block.
    unsafe { block.cast::<Option<NonNull<u8>>>().add(1) }
}

/// The bytes of the blocks of a magazine.
const fn bytes(class: Class, magazine: &Batch) -> usize {
    magazine.len() * class.bytes()
}
