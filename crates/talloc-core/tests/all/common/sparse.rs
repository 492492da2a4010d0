//! Memory of any size, of which only what is touched takes room.

use core::ptr::{self, NonNull};

use talloc_core::Span;

/// Pages from the operating system that nobody has touched.
pub struct Sparse {
    base: NonNull<u8>,
    size: usize,
}

impl Sparse {
    /// So many bytes, for which the system sets no memory aside.
    pub fn new(size: usize) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: New addresses, at which there is nothing.
        let base = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let base = libc::mmap(ptr::null_mut(), size, rights, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED, "no {size} bytes of addresses: is there a limit?");
            // Huge pages are touched as a whole. A system that has none refuses, which is as good.
            libc::madvise(base, size, libc::MADV_NOHUGEPAGE);
            base
        };
        Self { base: NonNull::new(base.cast()).unwrap(), size }
    }

    pub fn span(&self) -> Span {
        Span::from_ptr_size(self.base.as_ptr(), self.size)
    }

    /// Bytes of the pages that have been touched.
    pub fn touched(&self) -> usize {
        // SAFETY: It is asked for a constant.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let mut pages = vec![0_u8; self.size.div_ceil(page)];
        // SAFETY: The addresses are mapped, and there is a byte for each page.
        let result =
            unsafe { libc::mincore(self.base.as_ptr().cast(), self.size, pages.as_mut_ptr()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        pages.into_iter().filter(|page| page & 1 != 0).count() * page
    }
}

impl Drop for Sparse {
    fn drop(&mut self) {
        // SAFETY: The tests use it no more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.size) };
    }
}
