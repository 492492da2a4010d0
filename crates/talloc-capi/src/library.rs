//! What the C standard, POSIX and the GNU C library say that the functions do, with any heap.

use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

use errno::{Errno, set_errno};

use crate::heap::{Heap, LEAST_ALIGN};

/// A heap as a C library's.
pub(crate) struct Library<H> {
    pub(crate) heap: H,
}

impl<H: Heap> Library<H> {
    pub(crate) const fn new() -> Self {
        Self { heap: H::NEW }
    }

    #[inline(always)]
    pub(crate) fn malloc(&self, size: usize) -> *mut c_void {
        or_no_memory(self.heap.allocate(size.max(1), LEAST_ALIGN))
    }

    #[inline(always)]
    pub(crate) fn calloc(&self, count: usize, size: usize) -> *mut c_void {
        let size = count.checked_mul(size);
        or_no_memory(size.and_then(|size| self.heap.allocate_zeroed(size.max(1))))
    }

    /// # Safety
    ///
    /// `ptr` is null, or a block of this heap that is not used any more.
    #[inline(always)]
    pub(crate) unsafe fn free(&self, ptr: *mut c_void) {
        if let Some(block) = NonNull::new(ptr) {
            // SAFETY: As the caller says.
            unsafe { self.heap.free(block.cast()) }
        }
    }

    /// # Safety
    ///
    /// `ptr` is null, or a block of this heap that is not used any more unless this fails.
    #[inline(always)]
    pub(crate) unsafe fn realloc(&self, ptr: *mut c_void, size: usize) -> *mut c_void {
        let Some(block) = NonNull::new(ptr) else { return self.malloc(size) };
        if size == 0 {
            // SAFETY: As the caller says.
            unsafe { self.heap.free(block.cast()) };
            return ptr::null_mut();
        }
        // SAFETY: As the caller says.
        or_no_memory(unsafe { self.heap.resize(block.cast(), size) })
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
            // SAFETY: As the caller says.
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
        // Where there is no such power, it is refused.
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
        // SAFETY: As the caller says.
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
        // SAFETY: As the caller says.
        NonNull::new(ptr).map_or(0, |block| unsafe { self.heap.usable_size(block.cast()) })
    }

    /// Allocates a block that is aligned to a power of two, and to what all blocks are.
    fn allocate_aligned(&self, align: usize, size: usize) -> Option<NonNull<u8>> {
        self.heap.allocate(size.max(1), align.max(LEAST_ALIGN))
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
    // SAFETY: It reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // The system knows it.
    usize::try_from(size).unwrap_or(LEAST_ALIGN)
}
