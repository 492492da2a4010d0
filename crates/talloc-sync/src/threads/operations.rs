//! Allocation, deallocation and reallocation, with the caller's heap.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

use talloc_core::{AllocError, Inspect, Lists, Parcel};

use super::host::{GRANULE, Host, Threaded};
use super::shard::Cache;
use super::{Heaps, Shard};

/// The smallest block that may be mapped individually: a smaller one would waste most of a page or more.
pub(super) const MIN_APART: usize = 64 << 10;

/// The largest alignment of a block in a heap. A larger alignment would need too much padding.
pub(super) const MAX_ALIGN: usize = 1 << 20;

/// Whether the size or alignment of a block is too large for a heap.
#[inline(always)]
fn is_for_apart<H: Host>(layout: Layout) -> bool {
    layout.size() >= H::APART || layout.align() > MAX_ALIGN
}

/// The operations of `GlobalAlloc`. No layout has the size zero.
impl<H: Host> Heaps<H> {
    /// Allocates a block.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    #[inline(always)]
    pub fn malloc(&'static self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        match pop_small::<H>(layout) {
            Some(block) => Ok(block),
            None => self.malloc_slow(layout),
        }
    }

    #[cold]
    #[inline(never)]
    fn malloc_slow(&'static self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.try_malloc(layout).map_err(|AllocError| self.refuse())
    }

    /// Allocates a block that [`pop_small`] has not returned. A failure does not count as a refused request.
    #[inline(never)]
    fn try_malloc(&'static self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if layout.size() > exact_bytes::<H>() {
            if let Some(block) = pop::<H>(layout) {
                return Ok(block);
            }
        } else if let Some(block) = pop_from_slab::<H>(layout) {
            return Ok(block);
        }
        if is_for_apart::<H>(layout) {
            return self.allocate_apart(layout);
        }
        // SAFETY: `malloc` has no preconditions.
        let attempt = || self.with(|heap| unsafe { heap.malloc(layout) });
        attempt().or_else(|AllocError| {
            self.give_up_idle();
            attempt().or_else(|AllocError| allocate_at_last::<H>(layout))
        })
    }

    /// Counts a request that no heap could serve.
    #[cold]
    fn refuse(&self) -> AllocError {
        self.refused.fetch_add(1, Relaxed);
        AllocError
    }

    /// Allocates a block. Also returns how many of its first bytes may not be zero.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    #[inline]
    pub fn malloc_dirty(&'static self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        if layout.size() <= exact_bytes::<H>() {
            return Ok((self.malloc(layout)?, layout.size()));
        }
        if let Some(block) = pop::<H>(layout) {
            return Ok((block, layout.size()));
        }
        // SAFETY: `malloc_dirty` has no preconditions.
        let attempt = || self.with(|heap| unsafe { heap.backend().malloc_dirty(layout) });
        let zeroed = |block| (block, 0);
        let allocated = if is_for_apart::<H>(layout) {
            self.allocate_apart(layout).map(zeroed)
        } else {
            attempt().or_else(|AllocError| {
                self.give_up_idle();
                attempt().or_else(|AllocError| allocate_at_last::<H>(layout).map(zeroed))
            })
        };
        allocated.map_err(|AllocError| self.refuse())
    }

    #[cold]
    #[inline(never)]
    fn allocate_apart(&'static self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if let Some(block) = H::allocate_apart(layout) {
            return Ok(block);
        }
        self.trim();
        H::allocate_apart(layout).ok_or(AllocError)
    }

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// It was allocated or last resized with this layout, by any thread, and nobody uses it.
    #[inline(always)]
    pub unsafe fn free(&'static self, ptr: NonNull<u8>, layout: Layout) {
        let len = len_of::<H>(layout);
        let cache = cache_of::<H>(H::current());
        // SAFETY: The lists are those of the calling thread, or of a shard that has no lists for any size.
        unsafe {
            // A block with a larger alignment is mapped individually, even if it is small.
            if layout.size() <= exact_bytes::<H>()
                && len < Cache::<H>::exact_classes_at(cache)
                && layout.align() <= MAX_ALIGN
            {
                self.push(cache, ptr, len);
            } else {
                self.free_slow(ptr, layout);
            }
        }
    }

    /// Puts a block on its list.
    ///
    /// # Safety
    ///
    /// The lists are the thread's own, and so is the block, of `len` granules, which have a list. Nobody uses it.
    #[inline(always)]
    unsafe fn push(&'static self, cache: *mut Cache<H>, ptr: NonNull<u8>, len: usize) {
        // SAFETY: `whole` has provenance over all blocks of the heaps. It has none over a remnant, which is a mapping of
        // its own and cannot be distinguished from a small block by its layout. `crates/SAFETY.md` lists this exception.
        unsafe {
            let block = NonNull::new_unchecked(H::whole().with_addr(ptr.addr().get()));
            if Cache::<H>::push_at(cache, block, len) {
                self.overflow(len);
            }
        }
    }

    /// Gives up some blocks of a list that holds too much.
    #[cold]
    #[inline(never)]
    fn overflow(&'static self, len: usize) {
        self.with(|heap| heap.relieve(len));
    }

    /// # Safety
    ///
    /// As for [`free`](Self::free).
    #[inline(never)]
    unsafe fn free_slow(&'static self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: The block has this layout, and the caller gives it up.
        unsafe {
            let (len, cache) = (len_of::<H>(layout), cache_of::<H>(H::current()));
            if H::is_apart(ptr.addr().get()) {
                H::free_apart(ptr, layout);
            } else if len < Cache::<H>::classes_at(cache) {
                self.push(cache, ptr, len);
            } else {
                self.with(|heap| heap.free(ptr, layout));
            }
        }
    }

    /// Resizes a block, in place or by moving it.
    ///
    /// # Errors
    ///
    /// If there is not enough memory. The block is then unchanged. Shrinking never fails.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free), if this succeeds. The block is aligned as `new` asks.
    #[inline]
    pub unsafe fn resize(
        &'static self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        if old.align() != new.align() {
            // SAFETY: `ptr` is a live block with the layout `old`, aligned for `new`, by the contract of this function.
            return unsafe { self.resize_and_align(ptr, old, new) };
        }
        let usable_size = Inspect::<Threaded<H>, H::Source>::usable_size;
        if usable_size(old.size()) == usable_size(new.size()) && new.size() < H::APART {
            return Ok(ptr);
        }
        let is_small = |layout: Layout| layout.size() <= exact_bytes::<H>();
        // SAFETY: `ptr` is a live block with the layout `old`, by the contract of this function.
        unsafe {
            if is_small(old) && is_small(new) && old.align() <= GRANULE {
                if let Ok(block) = self.relocate(ptr, old, new) {
                    return Ok(block);
                }
            }
            match self.resize_slow(ptr, old, new) {
                Err(AllocError) if new.size() <= old.size() => Ok(self.cut(ptr, old, new)),
                resized => resized.map_err(|AllocError| self.refuse()),
            }
        }
    }

    /// [Resizes](Self::resize) a block whose alignment changes. The block moves, because the alignment decides whether a
    /// block is apart: a block that stayed apart could get a layout of blocks in heaps.
    ///
    /// # Safety
    ///
    /// As for [`resize`](Self::resize).
    #[cold]
    #[inline(never)]
    unsafe fn resize_and_align(
        &'static self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a live block with the layout `old`, by the contract of this function.
        unsafe {
            match self.relocate(ptr, old, new) {
                Err(AllocError) if new.size() <= old.size() => Ok(self.cut(ptr, old, new)),
                moved => moved.map_err(|AllocError| self.refuse()),
            }
        }
    }

    /// Shrinks a block in place that could not be moved, because there was no memory. A block apart stays apart, and keeps
    /// at least [`MIN_APART`] bytes.
    ///
    /// # Safety
    ///
    /// As for [`resize`](Self::resize); the block gets no larger.
    #[cold]
    #[inline(never)]
    unsafe fn cut(&'static self, ptr: NonNull<u8>, old: Layout, new: Layout) -> NonNull<u8> {
        // SAFETY: `ptr` is a live block with the layout `old`, by the contract of this function.
        unsafe {
            if !H::is_apart(ptr.addr().get()) {
                self.with(|heap| heap.cut(ptr, old, new));
                ptr
            } else {
                let size = new.size().max(MIN_APART);
                if size >= old.size() {
                    return ptr;
                }
                // This layout is valid: it is that of the block, with a smaller size.
                let kept = Layout::from_size_align_unchecked(size, old.align());
                H::resize_apart(ptr, old, kept).unwrap_or(ptr)
            }
        }
    }

    /// # Safety
    ///
    /// As for [`resize`](Self::resize).
    #[inline(never)]
    unsafe fn resize_slow(
        &'static self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let addr = ptr.addr().get();
        // SAFETY: `ptr` is a live block with the layout `old`, by the contract of this function.
        let resized = unsafe {
            if H::is_apart(addr) && (new.size() >= MIN_APART || new.align() > MAX_ALIGN) {
                H::resize_apart(ptr, old, new).ok_or(AllocError)
            } else if H::is_apart(addr) {
                // A block of that size is freed by its layout, like those of heaps: it has to move to one.
                Err(AllocError)
            } else if new.size() >= H::APART {
                Err(AllocError)
            } else {
                self.with(|heap| heap.resize_own(ptr, old, new))
            }
        };
        // SAFETY: As above; the block is as it was.
        resized.or_else(|AllocError| unsafe { self.relocate(ptr, old, new) })
    }

    /// Moves the contents of a block to a new block, as far as they fit. If there is no memory for it, the request does not
    /// count as refused, because the block may still be resized in place.
    ///
    /// # Safety
    ///
    /// As for [`resize`](Self::resize).
    #[inline]
    unsafe fn relocate(
        &'static self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let block = match pop_small::<H>(new) {
            Some(block) => block,
            None => self.try_malloc(new)?,
        };
        // SAFETY: Both blocks have at least the copied bytes, and do not overlap. The old block is not used afterwards.
        unsafe {
            block.copy_from_nonoverlapping(ptr, old.size().min(new.size()));
            self.free(ptr, old);
        }
        Ok(block)
    }
}

/// Allocates a block apart for which the heaps have no room, unless it is small.
#[cold]
pub(super) fn allocate_at_last<H: Host>(layout: Layout) -> Result<NonNull<u8>, AllocError> {
    let block = if layout.size() >= MIN_APART { H::allocate_apart(layout) } else { None };
    block.ok_or(AllocError)
}

/// The layout of a *remnant*. A remnant is the rest of a block apart that has shrunk to a small size, when there was no
/// memory to move it to. `free` cannot tell it from a small block by its layout, and puts it on a list.
const REMNANT: Layout = {
    // SAFETY: Any size up to `isize::MAX` goes with an alignment of 1.
    unsafe { Layout::from_size_align_unchecked(MIN_APART, 1) }
};

/// Frees blocks that belong to no heap: remnants.
#[cold]
pub(super) fn free_remnants<H: Host>(parcel: Parcel) {
    parcel.for_each(|block| {
        if H::is_apart(block.addr().get()) {
            // SAFETY: The only blocks apart on lists are remnants, which `cut` has reduced to `MIN_APART` bytes.
            // The parcel owned the block.
            unsafe { H::free_apart(block, REMNANT) };
        }
    });
}

/// The largest size that has a list for exactly this size, which is found fast.
#[inline(always)]
pub(super) const fn exact_bytes<H: Host>() -> usize {
    (Cache::<H>::EXACT - 1) * GRANULE
}

/// Returns the granules of a block.
#[inline(always)]
fn len_of<H: Host>(layout: Layout) -> usize {
    Inspect::<Threaded<H>, H::Source>::usable_size(layout.size()) / GRANULE
}

/// Takes a block from the caller's lists of exact sizes.
#[inline(always)]
fn pop_small<H: Host>(layout: Layout) -> Option<NonNull<u8>> {
    if layout.size() <= exact_bytes::<H>() { pop::<H>(layout) } else { None }
}

/// Takes a block from the caller's lists, unless its alignment exceeds that of all blocks.
#[inline(always)]
pub(super) fn pop<H: Host>(layout: Layout) -> Option<NonNull<u8>> {
    if layout.align() > GRANULE {
        return None;
    }
    // SAFETY: The thread owns the shard, or the shard's lists are always empty.
    unsafe { Cache::<H>::pop_at(cache_of(H::current()), len_of::<H>(layout)) }
}

/// Takes a block from a slab of the caller's heap, unless its alignment exceeds that of all blocks. No list has a block.
#[inline(always)]
pub(super) fn pop_from_slab<H: Host>(layout: Layout) -> Option<NonNull<u8>> {
    // A constant condition: without slabs, nothing is looked up.
    H::SLABS_FROM?;
    if layout.align() > GRANULE {
        return None;
    }
    let cache = cache_of::<H>(H::current());
    // SAFETY: The thread owns the shard, or the shard's lists are always empty and it has no slabs.
    unsafe {
        // After an overflow, the arenas must hear of the request.
        if (*cache).overflows() == 0 {
            Cache::<H>::refill_at(cache, len_of::<H>(layout));
        }
    }
    pop::<H>(layout)
}

/// The quick lists of a shard.
#[inline(always)]
fn cache_of<H: Host>(shard: *const Shard<H>) -> *mut Cache<H> {
    // SAFETY: It is one of the heaps' shards, which are static.
    unsafe { (*shard).cache() }
}
