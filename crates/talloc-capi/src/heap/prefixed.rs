//! Blocks with their size in front of them.
//!
//! ```text
//! |  lead   | size | what the program uses ...     |
//! ^                ^
//! the heap's block the program's, aligned
//! ```
//!
//! The heap aligns its blocks to 8 bytes; C requires 16. The sizes requested from the heap are multiples
//! of 16, so the distances between its blocks are, too. If the first block of an arena starts 8 bytes
//! below a multiple of 16, all of them do, and the size, a word of 8 bytes, fills the gap. Such a block is
//! *near*: the word holds the size and nothing else.
//!
//! If a block of the heap starts at a multiple of 16, the lead is 16 bytes; if the program asks for a
//! larger alignment, the lead can have any length. Flags in the word say so.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use super::below::{Counters, SizeClasses, SystemTalloc, Violation};
use super::prefix::{GRANULE, Prefix, SMALL};
use super::{Heap, MIN_ALIGN};

/// A heap that stores sizes in front of its blocks.
pub(crate) struct Prefixed(SystemTalloc);

/// The size of a block of the heap with room for `lead` bytes and `size` bytes, unless it is too large.
#[inline(always)]
fn bytes_for(size: usize, lead: usize) -> Option<usize> {
    const MAX: usize = isize::MAX as usize / MIN_ALIGN * MIN_ALIGN;
    // `MAX` is a multiple, so rounding up cannot exceed it.
    let fits = size <= MAX.checked_sub(lead)?;
    fits.then(|| (size + lead).next_multiple_of(MIN_ALIGN))
}

/// Allocates a block aligned to [`MIN_ALIGN`], by `allocate`, a method of the heap.
#[inline(always)]
fn allocate_with(
    heap: &SystemTalloc,
    size: usize,
    allocate: impl Fn(Layout) -> *mut u8,
) -> Option<NonNull<u8>> {
    if size > SMALL - GRANULE {
        return allocate_large(size, MIN_ALIGN, allocate);
    }
    let bytes = (size + GRANULE + MIN_ALIGN - 1) & !(MIN_ALIGN - 1);
    // SAFETY: `size + GRANULE` is between a granule and `SMALL`, which is a multiple.
    unsafe { core::hint::assert_unchecked((MIN_ALIGN..=SMALL).contains(&bytes)) };
    let prefix = Prefix::near(bytes);
    let base = allocate(prefix.layout());
    // This includes null, which is also a multiple.
    if base.addr() % MIN_ALIGN == 0 {
        return allocate_even(heap, size, base, prefix, allocate);
    }
    // SAFETY: The block of the heap is not null, and has room for the prefix.
    unsafe {
        let block = NonNull::new_unchecked(base).add(GRANULE);
        prefix.put_before(block);
        Some(block)
    }
}

/// Handles a small block of the heap that starts at a multiple of [`MIN_ALIGN`], and null.
#[cold]
#[inline(never)]
fn allocate_even(
    heap: &SystemTalloc,
    size: usize,
    base: *mut u8,
    prefix: Prefix,
    allocate: impl Fn(Layout) -> *mut u8,
) -> Option<NonNull<u8>> {
    let base = NonNull::new(base)?;
    let even = Prefix { lead: MIN_ALIGN, ..prefix };
    if even.usable() < size {
        // SAFETY: The heap has just allocated it with this layout.
        unsafe { heap.dealloc(base.as_ptr(), prefix.layout()) };
        return allocate_large(size, MIN_ALIGN, allocate);
    }
    // SAFETY: The block of the heap has room for the lead.
    unsafe {
        let block = base.add(even.lead);
        even.put_before(block);
        Some(block)
    }
}

/// Allocates a block with room for the longest lead that its alignment can require.
#[inline(never)]
fn allocate_large(
    size: usize,
    align: usize,
    allocate: impl Fn(Layout) -> *mut u8,
) -> Option<NonNull<u8>> {
    // From a granule after the start, the next multiple is less than `align` bytes away.
    let bytes = bytes_for(size, align)?;
    let base = NonNull::new(allocate(Prefix::near(bytes).layout()))?;
    // SAFETY: The block of the heap has room for the lead.
    unsafe {
        let first = base.add(GRANULE);
        let lead = GRANULE + first.addr().get().wrapping_neg() % align;
        let block = base.add(lead);
        Prefix { bytes, lead }.put_before(block);
        Some(block)
    }
}

impl Prefixed {
    /// Frees a block that is not near or not small.
    ///
    /// # Safety
    ///
    /// As for [`Heap::free`].
    #[inline(never)]
    unsafe fn free_other(&self, block: NonNull<u8>) {
        // SAFETY: The caller gives the block up, and the prefix determines the layout.
        unsafe {
            let prefix = Prefix::of(block);
            self.0.dealloc(prefix.base(block).as_ptr(), prefix.layout());
        }
    }

    /// Moves a block, with as much of the contents as fits.
    ///
    /// # Safety
    ///
    /// As for [`Heap::resize`]; `prefix` is that of the block.
    #[inline(never)]
    unsafe fn relocate(
        &self,
        block: NonNull<u8>,
        prefix: Prefix,
        size: usize,
    ) -> Option<NonNull<u8>> {
        let new = self.allocate(size, MIN_ALIGN)?;
        // SAFETY: The blocks are distinct, both have that many bytes, and the caller gives up the old one.
        unsafe {
            new.copy_from_nonoverlapping(block, prefix.usable().min(size));
            self.free(block);
        }
        Some(new)
    }

    /// Resizes the block of the heap to `bytes`, which has room for `size` bytes after the old lead, or
    /// after two granules if that is longer.
    ///
    /// # Safety
    ///
    /// As for [`Heap::resize`]; `old` is the prefix of the block.
    unsafe fn resize_large(
        &self,
        block: NonNull<u8>,
        old: Prefix,
        bytes: usize,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: The prefix determines the block of the heap and its layout. The heap has moved the lead
        // and the contents along, and there is room for the new lead and the contents.
        unsafe {
            let base = self.0.realloc(old.base(block).as_ptr(), old.layout(), bytes);
            let base = NonNull::new(base)?;
            let moved = base.add(old.lead);
            // The heap aligns blocks to a granule only, so the contents may have to move by one.
            let lead = match moved.addr().get() % MIN_ALIGN {
                0 => old.lead,
                _ if old.lead > GRANULE => old.lead - GRANULE,
                _ => old.lead + GRANULE,
            };
            let block = base.add(lead);
            if lead != old.lead {
                block.copy_from(moved, old.usable().min(size));
            }
            Prefix { bytes, lead }.put_before(block);
            Some(block)
        }
    }
}

impl Heap for Prefixed {
    const NEW: Self = Self(SystemTalloc::new());

    #[cfg(test)]
    const IS_OWN: bool = false;

    #[inline(always)]
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        // SAFETY: The size of the layout is not zero.
        let allocate = |layout| unsafe { self.0.alloc(layout) };
        if align == MIN_ALIGN {
            allocate_with(&self.0, size, allocate)
        } else {
            allocate_large(size, align, allocate)
        }
    }

    #[inline(always)]
    fn allocate_zeroed(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: The size of the layout is not zero.
        allocate_with(&self.0, size, |layout| unsafe { self.0.alloc_zeroed(layout) })
    }

    #[inline(always)]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: It is an allocated block.
        let word = unsafe { Prefix::word_before(block) };
        if word > SMALL {
            // SAFETY: The caller gives the block up.
            return unsafe { self.free_other(block) };
        }
        let prefix = Prefix::near(word);
        // SAFETY: The caller gives the block up. It is near, because the word of any other is greater.
        unsafe { self.0.dealloc(prefix.base(block).as_ptr(), prefix.layout()) };
    }

    #[inline]
    unsafe fn resize(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: It is an allocated block.
        let old = unsafe { Prefix::of(block) };
        let bytes = bytes_for(size, old.lead.max(MIN_ALIGN))?;
        let usable = old.usable();
        // The gain would not be worth a move.
        let is_close = old.is_small() && size <= usable && size >= usable - usable / 4;
        if bytes == old.bytes || is_close {
            return Some(block);
        }
        // SAFETY: The caller upholds the contract, and `old` is the block's prefix.
        let resized = unsafe {
            if old.is_small() || bytes <= SMALL {
                self.relocate(block, old, size)
            } else {
                self.resize_large(block, old, bytes, size)
            }
        };
        // A larger block is good enough.
        resized.or((size <= usable).then_some(block))
    }

    #[inline(always)]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: It is an allocated block.
        unsafe { Prefix::of(block) }.usable()
    }

    fn trim(&self) {
        self.0.trim();
    }

    fn statistics(&self) -> Counters {
        self.0.statistics()
    }

    fn size_classes(&self) -> SizeClasses {
        self.0.size_classes()
    }

    fn verify(&self) -> Result<(), Violation> {
        self.0.verify().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use fastrand::Rng;

    use super::*;

    /// A block, with its size and the byte that fills it.
    struct Filled(NonNull<u8>, usize, u8);

    impl Filled {
        fn new(block: NonNull<u8>, size: usize, byte: u8) -> Self {
            assert_eq!(block.addr().get() % MIN_ALIGN, 0);
            // SAFETY: The block has as many bytes.
            unsafe { block.write_bytes(byte, size) };
            Self(block, size, byte)
        }

        fn expect_first(&self, size: usize) {
            // SAFETY: The block has as many bytes, which have been written.
            let bytes = unsafe { core::slice::from_raw_parts(self.0.as_ptr(), size) };
            assert!(bytes.iter().all(|byte| *byte == self.2), "{size} bytes of {}", self.1);
        }
    }

    /// Blocks of the heap whose sizes are odd multiples of 8, in between, put others where it takes 16
    /// bytes to align them.
    #[test]
    fn blocks_are_aligned_wherever_the_heap_has_its_own() {
        static HEAP: Prefixed = Prefixed::NEW;
        let mut rng = Rng::with_seed(7);
        let mut blocks: Vec<Filled> = Vec::new();
        let mut others: Vec<(*mut u8, Layout)> = Vec::new();
        let mut leads = [0; 2];
        for _ in 0..40_000 {
            let most = 1 << rng.u32(1..15);
            let (size, byte) = (rng.usize(..most), rng.u8(..));
            match rng.usize(..8) {
                0..2 => {
                    let layout = Layout::from_size_align(size / 16 * 16 + 24, 8).unwrap();
                    // SAFETY: The size is not zero.
                    others.push((unsafe { HEAP.0.alloc(layout) }, layout));
                }
                2..4 => {
                    let block = HEAP.allocate(size, MIN_ALIGN).unwrap();
                    // SAFETY: It is a block.
                    let prefix = unsafe { Prefix::of(block) };
                    leads[prefix.lead / GRANULE - 1] += 1;
                    assert!(prefix.usable() >= size);
                    blocks.push(Filled::new(block, size, byte));
                }
                4..6 if !blocks.is_empty() => {
                    let old = blocks.swap_remove(rng.usize(..blocks.len()));
                    // SAFETY: It is a block, and not used where it was any more.
                    let block = unsafe { HEAP.resize(old.0, size + 1) }.unwrap();
                    Filled(block, old.1, old.2).expect_first(old.1.min(size + 1));
                    blocks.push(Filled::new(block, size + 1, byte));
                }
                6 if !others.is_empty() => {
                    let (block, layout) = others.swap_remove(rng.usize(..others.len()));
                    // SAFETY: It is a block with this layout, and freed once.
                    unsafe { HEAP.0.dealloc(block, layout) };
                }
                _ if !blocks.is_empty() => {
                    let block = blocks.swap_remove(rng.usize(..blocks.len()));
                    block.expect_first(block.1);
                    // SAFETY: It is a block, and not used any more.
                    unsafe { HEAP.free(block.0) };
                }
                _ => {}
            }
        }
        assert!(leads.iter().all(|count| *count > 1000), "{leads:?}");
        for block in blocks {
            block.expect_first(block.1);
            // SAFETY: It is a block, and not used any more.
            unsafe { HEAP.free(block.0) };
        }
        // SAFETY: Each is a block with this layout, and freed once.
        others.into_iter().for_each(|(block, layout)| unsafe { HEAP.0.dealloc(block, layout) });
        assert!(HEAP.verify().is_ok());
    }

    /// Across the size from which blocks are mapped by themselves.
    #[test]
    fn contents_stay_as_blocks_become_very_large_and_small_again() {
        static HEAP: Prefixed = Prefixed::NEW;
        for start in [100, 100_000] {
            let first = HEAP.allocate(start, MIN_ALIGN).unwrap();
            let mut block = Filled::new(first, start, 7);
            for size in [1 << 20, 130 << 20, 150 << 20, 2 << 20, 300] {
                // SAFETY: It is a block, and not used where it was any more.
                let moved = unsafe { HEAP.resize(block.0, size) }.unwrap();
                Filled(moved, block.1, block.2).expect_first(block.1.min(size));
                block = Filled::new(moved, size, size.trailing_zeros() as u8);
            }
            // SAFETY: It is a block, and not used any more.
            unsafe { HEAP.free(block.0) };
        }
        assert!(HEAP.verify().is_ok());
    }
}
