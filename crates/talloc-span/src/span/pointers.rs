//! Pointers into and out of spans.

use core::ops::Range;
use core::ptr;

use super::Span;
use crate::provenance::Provenance;

/// Making spans from pointers, and pointers from spans.
impl Span {
    /// The span of `size` bytes from `ptr` on, with the provenance of `ptr`.
    ///
    /// Empty if `size` is zero.
    ///
    /// # Panics
    ///
    /// If `ptr.addr() + size` is above `usize::MAX`;
    /// [`try_from_ptr_size`](Self::try_from_ptr_size) does not.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let mut memory = [0_u8; 16];
    /// let span = Span::from_ptr_size(memory.as_mut_ptr(), 16);
    /// assert_eq!(span, Span::from(&mut memory));
    /// ```
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn from_ptr_size(ptr: *mut u8, size: usize) -> Self {
        Self::try_from_ptr_size(ptr, size).expect("ptr + size is past the last address")
    }

    /// The span of `size` bytes from `ptr` on, with the provenance of `ptr`, or `None` if
    /// `ptr.addr() + size` is above `usize::MAX`.
    ///
    /// Empty if `size` is zero.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let mut memory = [0_u8; 16];
    /// let span = Span::try_from_ptr_size(memory.as_mut_ptr(), 16);
    /// assert_eq!(span, Some(Span::from(&mut memory)));
    /// assert_eq!(Span::try_from_ptr_size(memory.as_mut_ptr(), usize::MAX), None);
    /// ```
    #[inline]
    pub fn try_from_ptr_size(ptr: *mut u8, size: usize) -> Option<Self> {
        Some(Self::try_from_base_size(ptr.addr(), size)?.with_provenance_of(ptr))
    }

    /// The same span with the provenance of `ptr`, instead of any it kept.
    ///
    /// Where `ptr` points does not matter. An empty span stays as it is.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let mut memory = [1_u8, 2, 3];
    /// let ptr = memory.as_mut_ptr();
    /// let third = Span::from_base_size(ptr.addr() + 2, 1).with_provenance_of(ptr);
    /// // SAFETY: It points to the third byte of `memory`, and has the provenance of all of it.
    /// assert_eq!(unsafe { third.get_base_ptr().unwrap().read() }, 3);
    /// ```
    #[inline]
    #[must_use]
    pub fn with_provenance_of(self, ptr: *mut u8) -> Self {
        if self.is_empty() {
            self
        } else {
            Self { provenance: Provenance::of(ptr, self.acme), ..self }
        }
    }

    /// Whether the span keeps the provenance of a pointer.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// assert!(Span::from(&mut [0_u8; 16]).has_provenance());
    /// assert!(!Span::new(0x1000, 0x2000).has_provenance());
    /// assert!(!Span::empty().has_provenance());
    /// ```
    #[inline]
    pub const fn has_provenance(self) -> bool {
        self.provenance.is_some()
    }

    /// A pointer to the first byte, or `None` if the span is empty.
    ///
    /// The pointer is null if the span starts at address zero.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let mut memory = [0_u8; 16];
    /// let ptr = memory.as_mut_ptr();
    /// assert_eq!(Span::from_ptr_size(ptr, 16).get_base_ptr(), Some(ptr));
    /// assert_eq!(Span::from_ptr_size(ptr, 0).get_base_ptr(), None);
    /// ```
    #[inline]
    pub const fn get_base_ptr(self) -> Option<*mut u8> {
        if self.is_sized() { Some(self.ptr_to(self.base)) } else { None }
    }

    /// A pointer to the byte at `addr`, or `None` if that byte does not belong to the span.
    ///
    /// ```
    /// use talloc_span::{Align, Span};
    ///
    /// let mut memory = [0_u8; 16];
    /// let span = Span::from(&mut memory);
    /// let word = span.ptr_at(Align::WORD.up(span.base().unwrap()).unwrap()).unwrap();
    /// // SAFETY: The first aligned word that starts in `memory` lies within it.
    /// unsafe { word.cast::<usize>().write(1) };
    /// assert_ne!(memory, [0; 16]);
    /// ```
    #[inline]
    pub const fn ptr_at(self, addr: usize) -> Option<*mut u8> {
        if self.contains(addr) { Some(self.ptr_to(addr)) } else { None }
    }

    /// The pointers to the first byte and one past the last, or `None` if the span is empty.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let mut memory = [0_u8; 16];
    /// let range = memory.as_mut_ptr_range();
    /// assert_eq!(Span::from(range.clone()).to_ptr_range(), Some(range));
    /// assert_eq!(Span::empty().to_ptr_range(), None);
    /// ```
    #[inline]
    pub const fn to_ptr_range(self) -> Option<Range<*mut u8>> {
        if self.is_sized() { Some(self.ptr_to(self.base)..self.ptr_to(self.acme)) } else { None }
    }

    /// A pointer to all of the bytes, or `None` if the span is empty.
    ///
    /// The slice may be longer than a Rust object can be, which is `isize::MAX` bytes; such a
    /// pointer must not be made into a reference.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let mut memory = [1_u8, 2, 3];
    /// let slice = Span::from(&mut memory).truncate(1, 0).to_slice().unwrap();
    /// // SAFETY: The slice is the last two bytes of `memory`, which nothing else uses meanwhile.
    /// assert_eq!(unsafe { &mut *slice }, [2, 3]);
    /// assert_eq!(Span::empty().to_slice(), None);
    /// ```
    #[inline]
    pub const fn to_slice(self) -> Option<*mut [u8]> {
        if self.is_sized() {
            Some(ptr::slice_from_raw_parts_mut(self.ptr_to(self.base), self.size()))
        } else {
            None
        }
    }

    /// Whether the byte at `ptr` belongs to the span.
    ///
    /// Only the address counts, not the provenance.
    ///
    /// ```
    /// use talloc_span::Span;
    ///
    /// let mut memory = [0_u8; 16];
    /// let range = memory.as_mut_ptr_range();
    /// let span = Span::from(range.clone());
    /// assert!(span.contains_ptr(range.start));
    /// assert!(!span.contains_ptr(range.end));
    /// ```
    #[inline]
    pub fn contains_ptr(self, ptr: *mut u8) -> bool {
        self.contains(ptr.addr())
    }

    /// A pointer to `addr` with the span's provenance.
    #[inline]
    const fn ptr_to(self, addr: usize) -> *mut u8 {
        self.provenance.ptr(self.acme, addr)
    }
}
