//! The memory for arenas.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use talloc_core::Span;

use crate::pattern;

/// A buffer full of canaries, which contains arenas with room to grow at both ends.
///
/// Its address is a multiple of [`Pool::ALIGN`], so that a script does the same in every run. All pointers into it have
/// one provenance, so adjacent arenas can be distinguished only by address, as in a kernel.
pub struct Pool {
    base: NonNull<u8>,
    layout: Layout,
}

impl Pool {
    /// The alignment of a pool in bytes, above the largest one in scripts.
    pub const ALIGN: usize = 1 << 21;

    /// The bytes at either end of a pool that are never part of an arena.
    pub const MARGIN: usize = 128;

    /// How many bytes at the ends of a span are checked, if not all of them.
    const NEAR: usize = 64;

    const SEED: usize = 0xca9a_51e5;

    /// Creates a pool with `size` bytes for arenas.
    pub fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size + 2 * Self::MARGIN, Self::ALIGN);
        let layout = layout.expect("the pool is smaller than the address space");
        // SAFETY: The margins alone make the layout's size nonzero.
        let base = unsafe { alloc_zeroed(layout) };
        let base = NonNull::new(base).unwrap_or_else(|| handle_alloc_error(layout));
        let pool = Self { base, layout };
        pool.restore(pool.whole());
        pool
    }

    /// Returns the memory available for arenas.
    pub fn span(&self) -> Span {
        self.whole().truncate(Self::MARGIN, Self::MARGIN)
    }

    /// Returns the bytes of the pool from offset `start` to `end`.
    pub fn at(&self, start: usize, end: usize) -> Span {
        let base = self.base.addr().get();
        self.whole().above(base + start).below(base + end)
    }

    /// Returns the offset of `addr` in the pool.
    pub fn offset(&self, addr: usize) -> usize {
        addr.wrapping_sub(self.base.addr().get())
    }

    /// Fills `span`, which must not be in use, with canaries.
    pub fn restore(&self, span: Span) {
        if let Some((start, bytes)) = self.bytes(span) {
            // SAFETY: The bytes lie in the buffer, and the caller does not use them.
            pattern::write(Self::SEED, start, unsafe { &mut *bytes });
        }
    }

    /// Fills `span`, which must not be in use, with zeros.
    pub fn clear(&self, span: Span) {
        if let Some((_, bytes)) = self.bytes(span) {
            // SAFETY: The bytes lie in the buffer, and the caller does not use them.
            unsafe { &mut *bytes }.fill(0);
        }
    }

    /// Checks that `span` is full of canaries.
    pub fn check(&self, span: Span) -> Result<(), String> {
        let Some((start, bytes)) = self.bytes(span) else { return Ok(()) };
        // SAFETY: The bytes lie in the buffer, and there are no mutable references to them.
        match pattern::difference(Self::SEED, start, unsafe { &*bytes }) {
            None => Ok(()),
            Some(at) => Err(format!("wrote outside of the arenas, at pool[{:#x}]", start + at)),
        }
    }

    /// Checks that the bytes at both ends of `span` are canaries.
    pub fn check_ends(&self, span: Span) -> Result<(), String> {
        let (low, high) = (span.base().unwrap_or(0), span.acme().unwrap_or(0));
        self.check(span.below(low.saturating_add(Self::NEAR)))?;
        self.check(span.above(high.saturating_sub(Self::NEAR)))
    }

    /// Returns the whole pool.
    pub fn whole(&self) -> Span {
        Span::from_ptr_size(self.base.as_ptr(), self.layout.size())
    }

    /// Returns the offset of the part of `span` that lies in the pool, and its bytes.
    fn bytes(&self, span: Span) -> Option<(usize, *mut [u8])> {
        let span = self.whole().fit_within(span);
        let start = self.offset(span.base()?);
        // SAFETY: `start` is the offset of a byte in the buffer.
        let base = unsafe { self.base.add(start) };
        Some((start, ptr::slice_from_raw_parts_mut(base.as_ptr(), span.size())))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: The buffer was allocated with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
