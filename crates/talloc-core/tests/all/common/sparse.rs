//! Large memory, which takes up RAM only where it is touched.

use core::ptr::{self, NonNull};

use talloc_core::Span;

/// Untouched pages from the operating system.
pub struct Sparse {
    base: NonNull<u8>,
    size: usize,
}

impl Sparse {
    /// Maps `size` bytes without reserving memory for them.
    pub fn new(size: usize) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: The kernel chooses unused addresses.
        let base = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let base = libc::mmap(ptr::null_mut(), size, rights, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED, "no {size} bytes of addresses: is there a limit?");
            // Touching a huge page would touch all of it. A system without huge pages refuses the advice, which is
            // fine.
            libc::madvise(base, size, libc::MADV_NOHUGEPAGE);
            base
        };
        Self { base: NonNull::new(base.cast()).unwrap(), size }
    }

    pub fn span(&self) -> Span {
        Span::from_ptr_size(self.base.as_ptr(), self.size)
    }

    /// The size of all touched pages.
    pub fn touched(&self) -> usize {
        // SAFETY: `sysconf` has no preconditions.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let mut pages = vec![0_u8; self.size.div_ceil(page)];
        // SAFETY: The addresses are mapped, and `pages` has a byte per page.
        let result =
            unsafe { libc::mincore(self.base.as_ptr().cast(), self.size, pages.as_mut_ptr()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        pages.into_iter().filter(|page| page & 1 != 0).count() * page
    }
}

impl Drop for Sparse {
    fn drop(&mut self) {
        // SAFETY: The tests do not use the memory any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.size) };
    }
}
