//! Slabs: pieces of an arena whose blocks have one size.
//!
//! To coalesce small blocks one by one is expensive if their neighbours stay in use: each block is unlinked, linked and
//! marked. A size that a heap allocates often therefore gets slabs (Bonwick 1994). A slab counts its blocks in use and
//! links the free ones. A slab without blocks in use returns to the arena as one chunk, unless no other slab of the size
//! has free blocks. The blocks of a slab are neighbours, and a heap that allocates again after many frees gets them
//! together, as in mimalloc (Leijen et al. 2019), instead of blocks from all over the heap.
//!
//! Slabs are behind the [quick lists](super). A list that is empty gets the free blocks of a slab, and a list that
//! overflows gives blocks back to their slabs.
//!
//! To the arena, a slab is an allocated block. Its [`Slab`] lies outside of the arena, in a table with an entry for each
//! [`SLAB`] bytes. The table also tells slabs from other memory. It lies below the memory of all heaps, in descending
//! order: `whole`, the pointer to that memory, also points to the table's end.

use core::iter;
use core::ops::Range;
use core::ptr::NonNull;

use super::{class, count::Count, next};
use crate::granule::GRANULE;

/// The bytes and the alignment of a slab. The smallest page of most systems has as many, so the system can have the memory
/// of any slab that is empty.
pub const SLAB: usize = 4096;

/// The granules of a slab.
pub(crate) const SLAB_LEN: usize = SLAB / GRANULE;

/// Blocks of fewer granules than this may lie in slabs. Slabs of larger blocks save little work, and hold more memory that
/// other sizes cannot use (`cargo xtask bench hosted`).
pub(crate) const SLAB_CLASSES: usize = class::EXACT / 2 + 1;

/// The number of no slab. All bytes of lists without slabs are zero.
const NIL: u32 = 0;

/// An entry in the table of slabs: see [`Peers::SLABS_FROM`](super::Peers::SLABS_FROM). It is zero for memory that is no
/// slab.
#[derive(Debug)]
#[repr(C, align(32))]
pub struct Slab {
    /// The first free block.
    free: Option<NonNull<u8>>,
    /// The slabs before and after this one on the list of their size.
    before: u32,
    after: u32,
    /// How many blocks must be freed until the slab changes its state. In a listed slab, these are the blocks in use or on
    /// quick lists. If all blocks are, the slab is not listed, and it is one.
    left: u16,
    /// How many blocks there are: as many as fit.
    blocks: u16,
    /// The granules of a block.
    len: u8,
    /// Whether the slab is on the list of its size: it has free blocks.
    is_listed: bool,
}

/// The slabs of a heap, listed by the size of their blocks.
pub struct Slabs {
    /// Addresses in which all blocks are this heap's: the range of the arena that grows.
    own: Range<usize>,
    /// How many slabs there are.
    count: usize,
    /// Granules of slabs that are not blocks in use or on quick lists.
    spare: Count,
    /// The first slab of each list.
    lists: [u32; SLAB_CLASSES],
    /// Granules of each size that the arenas have been asked for, up to the number at which the size gets slabs.
    asked: [u16; SLAB_CLASSES],
}

/// What became of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freed {
    /// It is in no slab.
    NoSlab,
    /// Its slab has it.
    ToSlab,
    /// Its slab, which had no other block in use, is one no longer. Its memory, which this points to, is an allocated block
    /// of the arena.
    Slab(NonNull<u8>),
}

/// Linked blocks.
pub(super) struct Chain {
    pub(super) first: NonNull<u8>,
    pub(super) blocks: usize,
}

/// The number of the piece of memory that contains an address, from one on.
#[inline(always)]
fn number(whole: *mut u8, addr: usize) -> usize {
    addr.wrapping_sub(whole.addr()) / SLAB + 1
}

/// The entry of the piece with a number.
#[inline(always)]
fn entry(whole: *mut u8, number: usize) -> *mut Slab {
    whole.cast::<Slab>().wrapping_sub(number)
}

/// The memory of the piece with a number.
#[inline(always)]
fn memory(whole: *mut u8, number: usize) -> NonNull<u8> {
    // SAFETY: The memory of the heaps does not contain the address zero.
    unsafe { NonNull::new_unchecked(whole.wrapping_add((number - 1) * SLAB)) }
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

/// Freeing.
impl Slabs {
    /// Frees a block to its slab, if it is in one. Does nothing otherwise.
    ///
    /// # Safety
    ///
    /// It is a block of this heap that nobody uses. The pointer is valid for all of it.
    #[inline(always)]
    pub(crate) unsafe fn free(&mut self, whole: *mut u8, block: NonNull<u8>) -> Freed {
        if self.count == 0 {
            return Freed::NoSlab;
        }
        let at = number(whole, block.addr().get());
        let slab = entry(whole, at);
        // SAFETY: The table has an entry for all memory of this heap, and only this heap writes to it. Nobody uses the block,
        // which has room for a link.
        unsafe {
            if (*slab).len == 0 {
                return Freed::NoSlab;
            }
            debug_assert!(
                (*slab).is_block(memory(whole, at), block),
                "I15: it is one of the blocks"
            );
            debug_assert!((*slab).left > 0, "I15: a block in use is counted");
            block.cast::<Option<NonNull<u8>>>().write((*slab).free);
            (*slab).free = Some(block);
            (*slab).left -= 1;
            self.spare.add(usize::from((*slab).len));
            if (*slab).left == 0 { self.settle(whole, at) } else { Freed::ToSlab }
        }
    }

    /// Lists a slab that was full, or removes one without blocks in use. The only slab on a list stays there, even without
    /// blocks in use, until there is another one.
    ///
    /// # Safety
    ///
    /// It is a slab of this heap, and all blocks have been freed that were left.
    #[cold]
    unsafe fn settle(&mut self, whole: *mut u8, at: usize) -> Freed {
        let slab = entry(whole, at);
        // SAFETY: It is a slab of this heap, the only one that writes to its entry. If it is listed, no block is in use.
        unsafe {
            if !(*slab).is_listed {
                (*slab).left = (*slab).blocks - 1;
                let first = self.lists[usize::from((*slab).len)] as usize;
                self.link(whole, at);
                if first != NIL as usize && (*entry(whole, first)).left == 0 {
                    Freed::Slab(self.remove(whole, first))
                } else {
                    Freed::ToSlab
                }
            } else if (*slab).before == NIL && (*slab).after == NIL {
                Freed::ToSlab
            } else {
                Freed::Slab(self.remove(whole, at))
            }
        }
    }

    /// Removes the first slab without blocks in use, of the lists from that of `len` granules on. Returns its memory, which is
    /// an allocated block of the arena.
    pub(crate) fn remove_empty(&mut self, whole: *mut u8, len: &mut usize) -> Option<NonNull<u8>> {
        while *len < SLAB_CLASSES {
            let first = self.lists[*len] as usize;
            *len += 1;
            // Only the only slab on a list may be without blocks in use.
            // SAFETY: It is a listed slab of this heap, the only one that writes to its entry.
            if first != NIL as usize && unsafe { (*entry(whole, first)).left == 0 } {
                // SAFETY: As above, and it has no blocks in use.
                return Some(unsafe { self.remove(whole, first) });
            }
        }
        None
    }

    /// Removes a slab. Returns its memory, which is an allocated block of the arena.
    ///
    /// # Safety
    ///
    /// It is a listed slab of this heap, and has no blocks in use.
    unsafe fn remove(&mut self, whole: *mut u8, at: usize) -> NonNull<u8> {
        // SAFETY: It is a listed slab of this heap, the only one that writes to its entry.
        unsafe {
            debug_assert_eq!((*entry(whole, at)).left, 0, "I15: no block is in use");
            Self::unlink_at(self, whole, at);
            entry(whole, at).write_bytes(0, 1);
        }
        self.spare.subtract(SLAB_LEN);
        self.count -= 1;
        memory(whole, at)
    }
}

/// Allocating.
impl Slabs {
    /// Notes that the arenas are asked for granules of a size. Returns whether `enough` have been asked for before.
    pub(crate) fn note_asked(&mut self, len: usize, granules: usize, enough: u16) -> bool {
        let asked = &mut self.asked[len];
        let is_enough = *asked >= enough;
        *asked = (usize::from(*asked) + granules).min(usize::from(enough)) as u16;
        is_enough
    }

    /// Makes a slab of free blocks of `len` granules.
    ///
    /// # Safety
    ///
    /// The memory is an allocated block of this heap, [`SLAB`] bytes that are aligned to as many. The caller gives it up.
    pub(crate) unsafe fn add(&mut self, whole: *mut u8, memory: NonNull<u8>, len: usize) {
        debug_assert!(len > 0 && len < SLAB_CLASSES, "the size may have slabs");
        let at = number(whole, memory.addr().get());
        debug_assert!(at <= u32::MAX as usize, "all arenas lie within 16 TiB");
        // SAFETY: The table has an entry for all memory of this heap, and only this heap writes to it.
        unsafe {
            debug_assert_eq!((*entry(whole, at)).len, 0, "I15: it was no slab");
            entry(whole, at).write(Slab::of_free_blocks(memory, len));
            self.link(whole, at);
        }
        self.spare.add(SLAB_LEN);
        self.count += 1;
    }

    /// Takes a free block with at least `len` granules, whose address has no bit of `mask`. Examines the first slab of each
    /// list.
    pub(crate) fn take_any(
        &mut self,
        whole: *mut u8,
        len: usize,
        mask: usize,
    ) -> Option<NonNull<u8>> {
        let lists = self.lists.get(len..)?.iter();
        let mut firsts = lists.filter(|first| **first != NIL).map(|first| *first as usize);
        let (at, block) = firsts.find_map(|at| {
            // SAFETY: It is a listed slab of this heap, the only one that writes to its entry. A link is the slab's first one,
            // or the first word of a free block.
            unsafe {
                let mut link = &raw mut (*entry(whole, at)).free;
                while let Some(block) = link.read() {
                    if block.addr().get() & mask == 0 {
                        link.write(next(block));
                        return Some((at, block));
                    }
                    link = block.cast().as_ptr();
                }
                None
            }
        })?;
        let slab = entry(whole, at);
        // SAFETY: As above.
        unsafe {
            (*slab).left += 1;
            self.spare.subtract(usize::from((*slab).len));
            if (*slab).free.is_none() {
                (*slab).left = 1;
                Self::unlink_at(self, whole, at);
            }
        }
        Some(block)
    }

    /// Takes all free blocks of a slab whose blocks have `len` granules.
    ///
    /// # Safety
    ///
    /// Nobody else uses the slabs, unless there are none and it stays so. Another thread may read their count.
    pub(super) unsafe fn take_at(this: *mut Self, whole: *mut u8, len: usize) -> Option<Chain> {
        if len >= SLAB_CLASSES {
            return None;
        }
        // SAFETY: The caller has the slabs. A number on a list is that of a listed slab of this heap, the only one that writes
        // to its entry.
        unsafe {
            let at = (*this).lists[len] as usize;
            if at == NIL as usize {
                return None;
            }
            let slab = entry(whole, at);
            debug_assert!(
                (*slab).is_listed && usize::from((*slab).len) == len,
                "I15: it is listed"
            );
            let blocks = usize::from((*slab).blocks - (*slab).left);
            let chain = Chain { first: (*slab).free.take()?, blocks };
            (*slab).left = 1;
            Self::unlink_at(this, whole, at);
            (*this).spare.subtract(blocks * len);
            Some(chain)
        }
    }
}

/// Lists and counts.
impl Slabs {
    #[allow(clippy::declare_interior_mutable_const, reason = "each use makes slabs of its own")]
    pub(super) const NONE: Self = Self {
        own: 0..0,
        count: 0,
        spare: Count::zero(),
        lists: [NIL; SLAB_CLASSES],
        asked: [0; SLAB_CLASSES],
    };

    /// How many slabs there are.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Sets the addresses in which all blocks are this heap's.
    pub(crate) fn set_own(&mut self, own: Range<usize>) {
        self.own = own;
    }

    /// Whether a block is surely this heap's.
    #[inline(always)]
    pub(crate) fn is_own(&self, block: NonNull<u8>) -> bool {
        self.own.contains(&block.addr().get())
    }

    /// Notes that an arena with these addresses loses memory, which may become a peer's.
    pub(crate) fn lose(&mut self, arena: Range<usize>) {
        if arena.start < self.own.end && self.own.start < arena.end {
            self.own = 0..0;
        }
    }

    /// Granules of slabs that are not blocks in use or on quick lists.
    ///
    /// # Safety
    ///
    /// `this` points to slabs, which all threads access through raw pointers only.
    pub(super) unsafe fn spare_at(this: *const Self) -> usize {
        // SAFETY: Only the count is read, which is atomic.
        unsafe { (*this).spare.get() }
    }

    /// Lists a slab, behind the first one, which serves the next request.
    ///
    /// # Safety
    ///
    /// It is a slab of this heap, and on no list.
    unsafe fn link(&mut self, whole: *mut u8, at: usize) {
        // SAFETY: The slabs are of this heap, the only one that writes to their entries.
        unsafe {
            let slab = entry(whole, at);
            debug_assert!(!(*slab).is_listed, "I15: it is on no list");
            let list = &mut self.lists[usize::from((*slab).len)];
            (*slab).is_listed = true;
            (*slab).before = *list;
            (*slab).after = NIL;
            if *list == NIL {
                *list = at as u32;
                return;
            }
            let first = entry(whole, *list as usize);
            (*slab).after = (*first).after;
            if (*slab).after != NIL {
                (*entry(whole, (*slab).after as usize)).before = at as u32;
            }
            (*first).after = at as u32;
        }
    }

    /// Takes a slab off its list.
    ///
    /// # Safety
    ///
    /// It is a listed slab of this heap, which the caller has. Another thread may read the count.
    unsafe fn unlink_at(this: *mut Self, whole: *mut u8, at: usize) {
        // SAFETY: The slabs are of this heap, the only one that writes to their entries.
        unsafe {
            let slab = entry(whole, at);
            debug_assert!((*slab).is_listed, "I15: it is on its list");
            let (before, after) = ((*slab).before, (*slab).after);
            (*slab).is_listed = false;
            if before == NIL {
                (*this).lists[usize::from((*slab).len)] = after;
            } else {
                (*entry(whole, before as usize)).after = after;
            }
            if after != NIL {
                (*entry(whole, after as usize)).before = before;
            }
        }
    }
}

/// Looking.
impl Slabs {
    /// The slabs in a range of addresses, with their memory.
    ///
    /// # Safety
    ///
    /// The range is memory of this heap.
    pub(crate) unsafe fn within<'heap>(
        &'heap self,
        whole: *mut u8,
        range: Range<usize>,
    ) -> impl Iterator<Item = (NonNull<u8>, &'heap Slab)> + 'heap {
        let end = if range.is_empty() { 0 } else { number(whole, range.end - 1) + 1 };
        let numbers = number(whole, range.start)..end;
        numbers.filter_map(move |at| {
            // SAFETY: The table has an entry for all memory of this heap, which is borrowed.
            let slab = unsafe { &*entry(whole, at) };
            (slab.len != 0).then(|| (memory(whole, at), slab))
        })
    }

    /// Checks invariant I15 of the lists: they contain `listed` slabs, each one of the size of its list, and are linked in
    /// both directions. Only the only slab on a list may be without blocks in use.
    /// `is_slab` tells whether memory is that of a slab.
    pub(crate) fn are_lists_sound(
        &self,
        whole: *mut u8,
        listed: usize,
        is_slab: impl Fn(NonNull<u8>) -> bool,
    ) -> bool {
        let mut found = 0;
        for (len, list) in self.lists.iter().enumerate() {
            let (mut at, mut before) = (*list, NIL);
            while at != NIL {
                if !is_slab(memory(whole, at as usize)) {
                    return false;
                }
                // SAFETY: It is a slab of this heap, which is borrowed.
                let slab = unsafe { &*entry(whole, at as usize) };
                found += 1;
                let is_sound = slab.is_listed
                    && usize::from(slab.len) == len
                    && slab.before == before
                    && (slab.left > 0 || before == NIL && slab.after == NIL);
                if !is_sound || found > listed {
                    return false;
                }
                (before, at) = (at, slab.after);
            }
        }
        found == listed
    }
}

impl Slab {
    /// A slab of free blocks of `len` granules, on no list.
    ///
    /// # Safety
    ///
    /// The memory is the slab's, and nobody uses it.
    unsafe fn of_free_blocks(memory: NonNull<u8>, len: usize) -> Self {
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
        Self { free, before: NIL, after: NIL, left: 0, blocks, len, is_listed: false }
    }

    /// The bytes of a block.
    pub(crate) fn block_bytes(&self) -> usize {
        usize::from(self.len) * GRANULE
    }

    /// Whether the slab is on a list.
    pub(crate) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// How many blocks are in use or on a quick list.
    fn in_use(&self) -> usize {
        usize::from(if self.is_listed { self.left } else { self.blocks })
    }

    /// The bytes that are not blocks in use or on a quick list.
    pub(crate) fn spare_bytes(&self) -> usize {
        SLAB - self.in_use() * self.block_bytes()
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
    fn is_block(&self, memory: NonNull<u8>, block: NonNull<u8>) -> bool {
        let offset = block.addr().get().wrapping_sub(memory.addr().get());
        offset % self.block_bytes() == 0 && offset / self.block_bytes() < usize::from(self.blocks)
    }

    /// Checks invariant I15 of a slab with this memory: its numbers agree, and its free blocks are blocks, as many as it
    /// counts.
    pub(crate) fn is_sound(&self, memory: NonNull<u8>) -> bool {
        let (blocks, in_use) = (usize::from(self.blocks), self.in_use());
        let are_counts = usize::from(self.len) < SLAB_CLASSES
            && blocks == SLAB_LEN / usize::from(self.len)
            && if self.is_listed { in_use < blocks } else { self.left == 1 };
        if !are_counts {
            return false;
        }
        let (mut free, mut link) = (0, self.free);
        while let Some(block) = link {
            free += 1;
            if free > blocks || !self.is_block(memory, block) {
                return false;
            }
            // SAFETY: It is one of the slab's blocks. If it is free, it starts with a link. Otherwise, an address is read
            // that is no block's.
            link = unsafe { next(block) };
        }
        free == blocks - in_use
    }
}

/// For tests: breaks slabs.
#[cfg(test)]
pub(crate) mod sabotage {
    use super::*;

    /// What is made wrong in the entry of a listed slab that has a free block.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Fault {
        Blocks(i16),
        Left(i16),
        Len(u8),
        Unlisted,
        FreeElsewhere(isize),
    }

    impl Fault {
        /// # Safety
        ///
        /// The block lies in a slab.
        pub(crate) unsafe fn commit(self, whole: *mut u8, block: NonNull<u8>) {
            // SAFETY: The block lies in a slab.
            let slab = unsafe { &mut *entry(whole, number(whole, block.addr().get())) };
            match self {
                Self::Blocks(more) => slab.blocks = slab.blocks.wrapping_add_signed(more),
                Self::Left(more) => slab.left = slab.left.wrapping_add_signed(more),
                Self::Len(more) => slab.len += more,
                Self::Unlisted => slab.is_listed = false,
                Self::FreeElsewhere(bytes) => {
                    slab.free = slab
                        .free
                        .and_then(|free| NonNull::new(free.as_ptr().wrapping_offset(bytes)));
                }
            }
        }
    }

    impl Slabs {
        pub(crate) fn lose_list(&mut self, len: usize) {
            self.lists[len] = NIL;
        }

        pub(crate) fn miscount(&mut self) {
            self.spare.add(1);
        }
    }
}
