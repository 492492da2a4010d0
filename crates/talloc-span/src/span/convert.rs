//! Spans from ranges, slices and arrays.

use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::NonNull;

use super::Span;

/// The span between two addresses; empty if `start >= end`. It keeps no provenance.
///
/// ```
/// use talloc_span::Span;
///
/// assert_eq!(Span::from(10..30), Span::new(10, 30));
/// ```
impl From<Range<usize>> for Span {
    #[inline]
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// The span between two pointers, with the provenance of `start`; empty if `start >= end`.
///
/// ```
/// use talloc_span::Span;
///
/// let mut memory = [0_u8; 16];
/// assert_eq!(Span::from(memory.as_mut_ptr_range()).size(), 16);
/// ```
impl From<Range<*mut u8>> for Span {
    #[inline]
    fn from(range: Range<*mut u8>) -> Self {
        Self::new(range.start.addr(), range.end.addr()).with_provenance_of(range.start)
    }
}

/// The span between two pointers, with the provenance of `start`; empty if `start >= end`.
impl From<Range<NonNull<u8>>> for Span {
    #[inline]
    fn from(range: Range<NonNull<u8>>) -> Self {
        Self::from(range.start.as_ptr()..range.end.as_ptr())
    }
}

/// Implements `From` for a pointer to a slice of bytes or of `MaybeUninit` bytes.
macro_rules! from_slice_pointer {
    ($($pointer:ty),*) => {$(
        /// The bytes of the slice, with the provenance of the pointer.
        ///
        /// # Panics
        ///
        /// If the slice ends above `usize::MAX`, as none that is really there does.
        impl From<$pointer> for Span {
            #[inline]
            #[track_caller]
            fn from(slice: $pointer) -> Self {
                Self::from_ptr_size(slice.cast::<u8>(), slice.len())
            }
        }
    )*};
}

from_slice_pointer!(*mut [u8], *mut [MaybeUninit<u8>]);

/// The bytes of the slice, with the provenance of the pointer.
///
/// # Panics
///
/// If the slice ends above `usize::MAX`, as none that is really there does.
impl From<NonNull<[u8]>> for Span {
    #[inline]
    #[track_caller]
    fn from(slice: NonNull<[u8]>) -> Self {
        Self::from(slice.as_ptr())
    }
}

/// Implements `From` for a pointer to an array of bytes or of `MaybeUninit` bytes.
macro_rules! from_array_pointer {
    ($($byte:ty),*) => {$(
        /// The bytes of the array, with the provenance of the pointer.
        ///
        /// # Panics
        ///
        /// If the array ends above `usize::MAX`, as none that is really there does.
        impl<const N: usize> From<*mut [$byte; N]> for Span {
            #[inline]
            #[track_caller]
            fn from(array: *mut [$byte; N]) -> Self {
                Self::from_ptr_size(array.cast::<u8>(), N)
            }
        }
    )*};
}

from_array_pointer!(u8, MaybeUninit<u8>);

/// Implements `From` for a reference to bytes or `MaybeUninit` bytes.
macro_rules! from_reference {
    ($byte:ty) => {
        /// The bytes of the slice.
        ///
        /// The pointers taken from the span may be used for as long as the borrow may last: until
        /// what the reference was taken from is used again.
        ///
        /// ```
        /// use talloc_span::Span;
        ///
        /// let mut memory = vec![0_u8; 16];
        /// assert_eq!(Span::from(&mut memory[4..]).size(), 12);
        /// ```
        impl From<&mut [$byte]> for Span {
            #[inline]
            fn from(slice: &mut [$byte]) -> Self {
                Self::from(core::ptr::from_mut(slice))
            }
        }

        /// The bytes of the array.
        ///
        /// The pointers taken from the span may be used for as long as the borrow may last: until
        /// what the reference was taken from is used again.
        ///
        /// ```
        /// use core::mem::MaybeUninit;
        /// use talloc_span::Span;
        ///
        /// let mut memory = [MaybeUninit::<u8>::uninit(); 16];
        /// assert_eq!(Span::from(&mut memory).size(), 16);
        /// ```
        impl<const N: usize> From<&mut [$byte; N]> for Span {
            #[inline]
            fn from(array: &mut [$byte; N]) -> Self {
                Self::from(core::ptr::from_mut(array))
            }
        }
    };
}

from_reference!(u8);
from_reference!(MaybeUninit<u8>);
