//! The slabs of one heap, and their lists.

use core::ops::Range;
use core::ptr::NonNull;

use super::entry::{NIL, entry, memory, number};
use super::{SLAB_CLASSES, SLAB_LEN, Slab};
use crate::quick::count::Count;
use crate::quick::next;

/// The slabs of a heap, listed by the size of their blocks.
pub struct Slabs {
    /// Addresses in which all blocks are this heap's: the range of the arena that grows.
    own: Range<usize>,
    /// How many slabs there are.
    count: usize,
    /// Granules of slabs that are not blocks in use or on quick lists.
    pub(super) spare: Count,
    /// The first slab of each list.
    pub(super) lists: [u32; SLAB_CLASSES],
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
pub(crate) struct Chain {
    pub(crate) first: NonNull<u8>,
    pub(crate) blocks: usize,
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
            debug_assert!((*slab).in_use > 0, "I15: a block in use is counted");
            let was_full = (*slab).free.is_none();
            block.cast::<Option<NonNull<u8>>>().write((*slab).free);
            (*slab).free = Some(block);
            (*slab).in_use -= 1;
            self.spare.add(usize::from((*slab).len));
            if was_full {
                self.list(whole, at)
            } else if (*slab).in_use == 0 {
                self.settle(whole, at)
            } else {
                Freed::ToSlab
            }
        }
    }

    /// Lists a slab that was full. If there was only a slab without blocks in use on the list, that one is removed.
    ///
    /// # Safety
    ///
    /// It is a slab of this heap, and on no list. One of its blocks is free.
    #[cold]
    unsafe fn list(&mut self, whole: *mut u8, at: usize) -> Freed {
        // SAFETY: The slabs are of this heap, the only one that writes to their entries.
        unsafe {
            let first = self.lists[usize::from((*entry(whole, at)).len)] as usize;
            self.link(whole, at);
            if first != NIL as usize && (*entry(whole, first)).in_use == 0 {
                Freed::Slab(self.remove(whole, first))
            } else {
                Freed::ToSlab
            }
        }
    }

    /// Removes a slab without blocks in use. If it is alone on its list, it stays, because the program may free and allocate
    /// by turns.
    ///
    /// # Safety
    ///
    /// It is a listed slab of this heap, and has no blocks in use.
    #[cold]
    unsafe fn settle(&mut self, whole: *mut u8, at: usize) -> Freed {
        let slab = entry(whole, at);
        // SAFETY: It is a listed slab of this heap, the only one that writes to its entry.
        unsafe {
            let is_alone = (*slab).before == NIL && (*slab).after == NIL;
            if is_alone { Freed::ToSlab } else { Freed::Slab(self.remove(whole, at)) }
        }
    }

    /// Looks for a slab without blocks in use on the lists from that of `len` granules on, and removes it. `len` is then that
    /// of the next list. Returns the slab's memory, which is an allocated block of the arena.
    pub(crate) fn remove_empty(&mut self, whole: *mut u8, len: &mut usize) -> Option<NonNull<u8>> {
        while *len < SLAB_CLASSES {
            let first = self.lists[*len] as usize;
            *len += 1;
            // A slab without blocks in use is alone on its list (I15).
            // SAFETY: It is a listed slab of this heap, the only one that writes to its entry.
            if first != NIL as usize && unsafe { (*entry(whole, first)).in_use == 0 } {
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
            debug_assert_eq!((*entry(whole, at)).in_use, 0, "I15: no block is in use");
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
    /// The memory is an allocated block of this heap, [`SLAB`](super::SLAB) bytes that are aligned to as many. The caller
    /// gives it up.
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
            (*slab).in_use += 1;
            self.spare.subtract(usize::from((*slab).len));
            if (*slab).free.is_none() {
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
    pub(crate) unsafe fn take_at(this: *mut Self, whole: *mut u8, len: usize) -> Option<Chain> {
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
            debug_assert_eq!(usize::from((*slab).len), len, "I15: it is on the list of its size");
            let blocks = usize::from((*slab).blocks - (*slab).in_use);
            let chain = Chain { first: (*slab).free.take()?, blocks };
            (*slab).in_use = (*slab).blocks;
            Self::unlink_at(this, whole, at);
            (*this).spare.subtract(blocks * len);
            Some(chain)
        }
    }
}

/// Lists and counts.
impl Slabs {
    #[allow(clippy::declare_interior_mutable_const, reason = "each use makes slabs of its own")]
    pub(crate) const NONE: Self = Self {
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
    pub(crate) unsafe fn spare_at(this: *const Self) -> usize {
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
            let list = &mut self.lists[usize::from((*slab).len)];
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
            let (before, after) = ((*slab).before, (*slab).after);
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
