//! The functions as the C standard, POSIX and the GNU C library specify them, on any heap.

use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

use errno::{Errno, set_errno};

use crate::abort::abort_at;
use crate::heap::{Counters, Heap, MIN_ALIGN, Violation};
use crate::statistics::Statistics;
use crate::zone::Zone;

/// A heap with the interface of the C library, and a zone for blocks with larger alignments.
pub(crate) struct Library<H> {
    heap: H,
    zone: Zone,
}

impl<H: Heap> Library<H> {
    pub(crate) const fn new() -> Self {
        Self { heap: H::NEW, zone: Zone::new() }
    }

    #[inline(always)]
    pub(crate) fn malloc(&self, size: usize) -> *mut c_void {
        or_no_memory(self.heap.allocate(size, MIN_ALIGN))
    }

    #[inline(always)]
    pub(crate) fn calloc(&self, count: usize, size: usize) -> *mut c_void {
        let size = count.checked_mul(size);
        or_no_memory(size.and_then(|size| self.heap.allocate_zeroed(size)))
    }

    /// # Safety
    ///
    /// `ptr` is null, or a block of this heap that is not used any more.
    #[inline(always)]
    pub(crate) unsafe fn free(&self, ptr: *mut c_void) {
        if self.zone.may_contain(ptr.addr()) {
            // SAFETY: By the contract of this function, which is the same.
            return unsafe { self.free_low(ptr) };
        }
        // SAFETY: It is not null, and not in the zone, so it is a block of the heap.
        unsafe { self.heap.free(NonNull::new_unchecked(ptr).cast()) }
    }

    /// [`free`](Self::free), for blocks of the heap and of the zone.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(never)]
    unsafe fn free_low(&self, ptr: *mut c_void) {
        let Some(block) = NonNull::new(ptr) else { return };
        match self.zone.free(ptr.addr()) {
            Some(Ok(())) => {}
            Some(Err(fault)) => abort_at("freeing", block.cast(), fault),
            // SAFETY: By the contract of this function.
            None => unsafe { self.heap.free(block.cast()) },
        }
    }

    /// # Safety
    ///
    /// As for [`free`](Self::free).
    #[inline(always)]
    pub(crate) unsafe fn free_sized(&self, ptr: *mut c_void, size: usize) {
        if self.zone.may_contain(ptr.addr()) {
            // SAFETY: By the contract of this function, which is the same.
            return unsafe { self.free_low(ptr) };
        }
        // SAFETY: It is not null, and not in the zone, so it is a block of the heap.
        unsafe { self.heap.free_sized(NonNull::new_unchecked(ptr).cast(), size) }
    }

    /// # Safety
    ///
    /// `ptr` is null, or a block of this heap that is not used any more unless this fails.
    #[inline(always)]
    pub(crate) unsafe fn realloc(&self, ptr: *mut c_void, size: usize) -> *mut c_void {
        if size == 0 || self.zone.may_contain(ptr.addr()) {
            // SAFETY: By the contract of this function.
            return unsafe { self.realloc_low(ptr, size) };
        }
        // SAFETY: It is not null, and not in the zone, so it is a block of the heap.
        or_no_memory(unsafe { self.heap.resize(NonNull::new_unchecked(ptr).cast(), size) })
    }

    /// [`realloc`](Self::realloc), for blocks of the heap and of the zone, and for any size.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(never)]
    unsafe fn realloc_low(&self, ptr: *mut c_void, size: usize) -> *mut c_void {
        let Some(block) = NonNull::new(ptr) else { return self.malloc(size) };
        if size == 0 {
            // SAFETY: By the contract of this function.
            unsafe { self.free(ptr) };
            return ptr::null_mut();
        }
        let usable = match self.zone.size_of(ptr.addr()) {
            Some(Ok(usable)) => usable,
            Some(Err(fault)) => abort_at("resizing", block.cast(), fault),
            // SAFETY: By the contract of this function.
            None => return or_no_memory(unsafe { self.heap.resize(block.cast(), size) }),
        };
        if size <= usable && size >= usable / 2 {
            return ptr;
        }
        let new = match self.heap.allocate(size, MIN_ALIGN) {
            Some(new) => new.as_ptr(),
            // A larger block is good enough.
            None if size <= usable => return ptr,
            None => return no_memory(),
        };
        // SAFETY: The blocks are different, and both have at least the copied bytes. Nobody uses the old block any more.
        unsafe {
            new.copy_from_nonoverlapping(ptr.cast(), usable.min(size));
            self.free(ptr);
        }
        new.cast()
    }

    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc).
    pub(crate) unsafe fn reallocarray(
        &self,
        ptr: *mut c_void,
        count: usize,
        size: usize,
    ) -> *mut c_void {
        match count.checked_mul(size) {
            // SAFETY: By the contract of this function.
            Some(size) => unsafe { self.realloc(ptr, size) },
            None => or_no_memory(None),
        }
    }

    pub(crate) fn aligned_alloc(&self, align: usize, size: usize) -> *mut c_void {
        if align.is_power_of_two() {
            or_no_memory(self.allocate_aligned(align, size))
        } else {
            set_errno(Errno(libc::EINVAL));
            ptr::null_mut()
        }
    }

    pub(crate) fn memalign(&self, align: usize, size: usize) -> *mut c_void {
        // If there is no such power, `aligned_alloc` refuses the alignment zero.
        self.aligned_alloc(align.checked_next_power_of_two().unwrap_or(0), size)
    }

    /// # Safety
    ///
    /// `place` can be written to.
    pub(crate) unsafe fn posix_memalign(
        &self,
        place: *mut *mut c_void,
        align: usize,
        size: usize,
    ) -> c_int {
        if !align.is_power_of_two() || align % size_of::<*mut c_void>() != 0 {
            return libc::EINVAL;
        }
        let Some(block) = self.allocate_aligned(align, size) else { return libc::ENOMEM };
        // SAFETY: By the contract of this function.
        unsafe { place.write(block.as_ptr().cast()) };
        0
    }

    pub(crate) fn valloc(&self, size: usize) -> *mut c_void {
        self.aligned_alloc(page_size(), size)
    }

    pub(crate) fn pvalloc(&self, size: usize) -> *mut c_void {
        match size.max(1).checked_next_multiple_of(page_size()) {
            Some(size) => self.valloc(size),
            None => or_no_memory(None),
        }
    }

    /// # Safety
    ///
    /// `ptr` is null, or a block of this heap.
    pub(crate) unsafe fn malloc_usable_size(&self, ptr: *mut c_void) -> usize {
        let Some(block) = NonNull::new(ptr) else { return 0 };
        match self.zone.size_of(ptr.addr()) {
            Some(Ok(usable)) => usable,
            Some(Err(fault)) => abort_at("measuring", block.cast(), fault),
            // SAFETY: By the contract of this function.
            None => unsafe { self.heap.usable_size(block.cast()) },
        }
    }

    /// Allocates a block that is aligned to a power of two, and at least to [`MIN_ALIGN`].
    fn allocate_aligned(&self, align: usize, size: usize) -> Option<NonNull<u8>> {
        if align <= MIN_ALIGN {
            return self.heap.allocate(size, MIN_ALIGN);
        }
        if H::is_worth_own_pages(size, align) {
            return self.heap.allocate(size, align);
        }
        self.zone.allocate(size, align).or_else(|| self.heap.allocate(size, align))
    }

    #[cfg(test)]
    pub(crate) const fn without_zone() -> Self {
        Self { heap: H::NEW, zone: Zone::none() }
    }

    #[cfg(feature = "checked")]
    pub(crate) const fn heap(&self) -> &H {
        &self.heap
    }

    #[cfg(test)]
    pub(crate) const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Returns unused memory to the system.
    pub(crate) fn trim(&self) {
        self.zone.trim();
        self.heap.trim();
    }

    /// Collects the statistics of the heap and the zone.
    pub(crate) fn statistics(&self) -> Statistics {
        Statistics::new(&self.heap.statistics(), self.heap.size_classes(), self.zone.count())
    }

    /// Returns the counters of the heap and the zone. Free blocks of the zone count as cached, because they are kept for
    /// blocks of the same size.
    pub(crate) fn counters(&self) -> Counters {
        let (mut counters, zone) = (self.heap.statistics(), self.zone.count());
        let free = zone.bytes - zone.used_bytes;
        counters.used_bytes += zone.used_bytes;
        counters.free_bytes += free;
        counters.cached_bytes += free;
        counters.arena_bytes += zone.bytes;
        counters.peak_bytes += zone.bytes;
        counters
    }

    /// Checks the heap.
    ///
    /// # Errors
    ///
    /// If the heap is broken.
    pub(crate) fn verify(&self) -> Result<(), Violation> {
        self.heap.verify()
    }
}

/// A pointer to a block, or null and an error.
#[inline(always)]
fn or_no_memory(block: Option<NonNull<u8>>) -> *mut c_void {
    match block {
        Some(block) => block.as_ptr().cast(),
        None => no_memory(),
    }
}

#[cold]
#[inline(never)]
fn no_memory() -> *mut c_void {
    set_errno(Errno(libc::ENOMEM));
    ptr::null_mut()
}

/// Bytes of a page.
fn page_size() -> usize {
    // SAFETY: `sysconf` has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Every system reports its page size.
    usize::try_from(size).unwrap_or(MIN_ALIGN)
}
