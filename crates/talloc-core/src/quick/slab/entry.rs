//! The entries of slabs, and the table of all entries.

use core::iter;
use core::ptr::NonNull;

use super::{SLAB, SLAB_CLASSES, SLAB_LEN};
use crate::granule::GRANULE;
use crate::quick::next;

/// The number of no slab. All bytes of lists without slabs are zero.
pub(super) const NIL: u32 = 0;

/// An entry in the table of slabs: see [`Peers`](crate::Peers). It is zero for memory that is no slab.
///
/// # Examples
///
/// ```
/// use talloc_core::{SLAB, Slab};
///
/// // The table takes a 128th of the addresses of the heaps.
/// let addresses = 1_usize << 30;
/// assert_eq!(addresses / SLAB * size_of::<Slab>(), addresses / 128);
/// ```
#[derive(Debug)]
#[repr(C, align(32))]
pub struct Slab {
    /// The first free block. A slab that has one is on the list of its size.
    pub(super) free: Option<NonNull<u8>>,
    /// The slabs before and after this one on the list of their size.
    pub(super) before: u32,
    pub(super) after: u32,
    /// How many blocks are in use or on quick lists.
    pub(super) in_use: u16,
    /// How many blocks there are: as many as fit.
    pub(super) blocks: u16,
    /// The granules of a block.
    pub(super) len: u8,
}

/// The number of the piece of memory that contains an address, from one on.
#[inline(always)]
pub(super) fn number(whole: *mut u8, addr: usize) -> usize {
    addr.wrapping_sub(whole.addr()) / SLAB + 1
}

/// The entry of the piece with a number.
#[inline(always)]
pub(super) fn entry(whole: *mut u8, number: usize) -> *mut Slab {
    whole.cast::<Slab>().wrapping_sub(number)
}

/// The memory of the piece with a number that may be wrong. The memory may then be anything.
#[inline(always)]
pub(super) fn supposed_memory(whole: *mut u8, number: usize) -> Option<NonNull<u8>> {
    NonNull::new(whole.wrapping_add((number - 1).wrapping_mul(SLAB)))
}

/// The memory of the piece with a number.
#[inline(always)]
pub(super) fn memory(whole: *mut u8, number: usize) -> NonNull<u8> {
    // SAFETY: The memory of the heaps does not contain the address zero.
    unsafe { supposed_memory(whole, number).unwrap_unchecked() }
}

/// Whether a block lies in a slab.
///
/// # Safety
///
/// It is a block of one of the heaps that `whole` points to, and the caller has it.
pub(crate) unsafe fn is_in_slab(whole: *mut u8, block: NonNull<u8>) -> bool {
    let slab = entry(whole, number(whole, block.addr().get()));
    // SAFETY: The table has an entry for all memory of the heaps. The owner of the slab does not write to this field while
    // a block is in use.
    unsafe { (*slab).len != 0 }
}

impl Slab {
    /// The largest size of blocks in slabs, in bytes.
    pub const LARGEST_BLOCK: usize = (SLAB_CLASSES - 1) * GRANULE;

    /// A slab of free blocks of `len` granules, on no list.
    ///
    /// # Safety
    ///
    /// The memory is the slab's, and nobody uses it.
    pub(super) unsafe fn of_free_blocks(memory: NonNull<u8>, len: usize) -> Self {
        let blocks = SLAB_LEN / len;
        let mut free = None;
        for at in (0..blocks).rev() {
            // SAFETY: The block lies in the memory, which nobody uses, and has room for a link.
            unsafe {
                let block = memory.add(at * len * GRANULE);
                block.cast::<Option<NonNull<u8>>>().write(free);
                free = Some(block);
            }
        }
        let (blocks, len) = (blocks as u16, len as u8);
        Self { free, before: NIL, after: NIL, in_use: 0, blocks, len }
    }

    /// The bytes of a block.
    pub(crate) fn block_bytes(&self) -> usize {
        usize::from(self.len) * GRANULE
    }

    /// Whether the slab is on the list of its size.
    pub(crate) fn is_listed(&self) -> bool {
        self.free.is_some()
    }

    /// The bytes that are not blocks in use or on a quick list.
    pub(crate) fn spare_bytes(&self) -> usize {
        SLAB - usize::from(self.in_use) * self.block_bytes()
    }

    /// The bytes at the end that are no block.
    pub(crate) fn rest_bytes(&self) -> usize {
        SLAB - usize::from(self.blocks) * self.block_bytes()
    }

    /// The free blocks.
    pub(crate) fn free_blocks(&self) -> impl Iterator<Item = NonNull<u8>> + use<> {
        // SAFETY: A free block starts with a link to the next one.
        iter::successors(self.free, |block| unsafe { next(*block) })
    }

    /// Whether a block is one of the slab's, which has this memory.
    pub(super) fn is_block(&self, memory: NonNull<u8>, block: NonNull<u8>) -> bool {
        let offset = block.addr().get().wrapping_sub(memory.addr().get());
        offset % self.block_bytes() == 0 && offset / self.block_bytes() < usize::from(self.blocks)
    }
}
