//! The depot: full magazines that belong to no slot.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use talloc_core::Batch;

use super::class::{CLASSES, Class};
use super::try_lock::TryLock;
use crate::lock::machine::AtomicUsize;

/// The least blocks of a magazine that the depot stores. Fewer blocks are not worth the trip.
const MIN_BLOCKS: usize = 2;

/// Full magazines of each size. If one thread frees blocks that another thread allocates, magazines circulate between them
/// without asking the heap.
pub(super) struct Depot {
    shelves: [Shelf; CLASSES],
    /// An upper bound of the bytes of all blocks in the depot. A magazine is counted before it is added, and until after
    /// it is removed.
    bytes: AtomicUsize,
    /// The limit of `bytes`.
    limit: AtomicUsize,
}

/// The magazines of one size, on cache lines of their own.
#[repr(align(128))]
struct Shelf(TryLock<Stack>);

/// A stack of magazines with the same number of blocks. The first block of a magazine links to the first block of the next
/// magazine.
struct Stack {
    first: Option<NonNull<u8>>,
    /// The number of blocks of each magazine.
    len: u32,
}

// SAFETY: The stack owns its blocks.
unsafe impl Send for Stack {}

impl Depot {
    pub(super) const fn new() -> Self {
        Self {
            shelves: [const { Shelf(TryLock::new(Stack::EMPTY)) }; CLASSES],
            bytes: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
        }
    }

    /// Returns an upper bound of the bytes of all blocks in the depot.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes a magazine of at most `most` blocks, if there is one and no other thread holds the stack.
    pub(super) fn take(&self, class: Class, most: usize) -> Option<Batch> {
        if self.bytes.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut stack = self.shelves[class.index()].0.try_hold()?;
        let magazine = if stack.len as usize <= most { stack.pop() } else { None }?;
        self.bytes.fetch_sub(bytes(class, &magazine), Ordering::Relaxed);
        Some(magazine)
    }

    /// Adds a magazine. Returns it as an error if there is no room, if another thread holds the stack, or if the magazines
    /// on the stack have another number of blocks.
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

    /// Sets the limit of bytes.
    pub(super) fn set_limit(&self, bytes: usize) {
        if self.limit.load(Ordering::Relaxed) != bytes {
            self.limit.store(bytes, Ordering::Relaxed);
        }
    }

    /// Calls `look` with each magazine of a size, unless another thread holds the stack.
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
        // SAFETY: The first block of a magazine on the stack has a second link, which `push` wrote. The magazine has
        // `len` blocks like all others, and is no longer on the stack.
        unsafe {
            self.first = second_word(first).read();
            Some(Batch::from_first(first, self.len as usize))
        }
    }

    /// Pushes a magazine, whose blocks have room for two links. Returns it as an error if the magazines on the stack have
    /// another number of blocks.
    fn push(&mut self, magazine: Batch) -> Result<(), Batch> {
        let is_as_others = self.first.is_none() || self.len as usize == magazine.len();
        let Some(first) = magazine.first().filter(|_| is_as_others) else { return Err(magazine) };
        // SAFETY: The magazine owns the block, which has room for a second link.
        unsafe { second_word(first).write(self.first) };
        *self = Self { first: Some(first), len: magazine.len() as u32 };
        Ok(())
    }

    /// Returns the magazines in reverse order.
    fn reversed(mut self) -> Self {
        let mut reversed = Self::EMPTY;
        while let Some(magazine) = self.pop() {
            // They have as many blocks.
            let _ = reversed.push(magazine);
        }
        reversed
    }
}

/// Returns the second word of a block, behind the link of its magazine.
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
