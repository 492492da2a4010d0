//! Full magazines that no slot has.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use talloc_core::Batch;

use super::class::{CLASSES, Class};
use super::try_lock::TryLock;
use crate::lock::machine::AtomicUsize;

/// Full magazines of each size: where one thread frees what another one has allocated, they go
/// round, and the heap is not asked.
pub(super) struct Depot {
    shelves: [Shelf; CLASSES],
    /// The bytes of all blocks in it.
    bytes: AtomicUsize,
    /// The most bytes that there may be.
    limit: AtomicUsize,
}

/// The full magazines of one size, on cache lines of their own.
#[repr(align(128))]
struct Shelf(TryLock<Stack>);

/// Full magazines, the first block of each linking to the first one of the next.
struct Stack(Option<NonNull<u8>>);

// SAFETY: Whoever has the stack has its blocks.
unsafe impl Send for Stack {}

impl Depot {
    pub(super) const fn new() -> Self {
        Self {
            shelves: [const { Shelf(TryLock::new(Stack(None))) }; CLASSES],
            bytes: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
        }
    }

    /// Takes a full magazine, if there is one and nobody is in the way.
    pub(super) fn take(&self, class: Class) -> Option<Batch> {
        let magazine = self.shelves[class.index()].0.try_hold()?.pop(class)?;
        self.bytes.fetch_sub(magazine_bytes(class), Ordering::Relaxed);
        Some(magazine)
    }

    /// Puts a magazine here, if it is full, there is room, and nobody is in the way. If not, gives
    /// it back.
    pub(super) fn put(&self, class: Class, magazine: Batch) -> Result<(), Batch> {
        if magazine.len() != class.capacity() || !class.has_two_links() {
            return Err(magazine);
        }
        let bytes = magazine_bytes(class);
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
            <= self.limit.load(Ordering::Relaxed)
        {
            if let Some(mut stack) = self.shelves[class.index()].0.try_hold() {
                stack.push(magazine);
                return Ok(());
            }
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Err(magazine)
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
        let mut seen = Stack(None);
        let mut result = Ok(());
        while let Some(magazine) = stack.pop(class) {
            result = result.and_then(|()| look(&magazine));
            seen.push(magazine);
        }
        while let Some(magazine) = seen.pop(class) {
            stack.push(magazine);
        }
        result
    }
}

impl Stack {
    fn pop(&mut self, class: Class) -> Option<Batch> {
        let first = self.0?;
        // SAFETY: The first block of a magazine on the stack has a second link, which is written
        // when it is put there; the magazine is full, and the stack has forgotten it.
        unsafe {
            self.0 = second_word(first).read();
            Some(Batch::from_first(first, class.capacity()))
        }
    }

    /// Puts a full magazine, of blocks that have two links, on the stack.
    fn push(&mut self, magazine: Batch) {
        let Some(first) = magazine.first() else { return };
        // SAFETY: The block is ours, and has room for a second link.
        unsafe { second_word(first).write(self.0) };
        self.0 = Some(first);
    }
}

/// The second word of a block, behind the link that its magazine has there.
///
/// # Safety
///
/// The block has as many bytes.
unsafe fn second_word(block: NonNull<u8>) -> NonNull<Option<NonNull<u8>>> {
    // SAFETY: As the caller says.
    unsafe { block.cast::<Option<NonNull<u8>>>().add(1) }
}

/// The bytes of the blocks of a full magazine.
const fn magazine_bytes(class: Class) -> usize {
    class.capacity() * class.bytes()
}
