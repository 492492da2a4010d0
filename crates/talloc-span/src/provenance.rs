//! The pointer behind a span.

use core::ptr::NonNull;

/// The pointer that a span was made from, or nothing if it was made from addresses.
///
/// `Some` if and only if there is a pointer; its address is then the `acme` of the span that
/// holds it. That end is never null, which the other end may be.
#[derive(Clone, Copy)]
pub(crate) struct Provenance(Option<NonNull<u8>>);

#[allow(unsafe_code)]
// SAFETY: The pointer is only ever moved and copied, never followed: sharing or sending it is no
// more than sharing or sending an address. Whoever follows a copy answers for that access.
unsafe impl Send for Provenance {}

#[allow(unsafe_code)]
// SAFETY: As for `Send`.
unsafe impl Sync for Provenance {}

impl Provenance {
    pub(crate) const NONE: Self = Self(None);

    /// Keeps the provenance of `ptr` for a span that ends at `acme`.
    pub(crate) fn of(ptr: *mut u8, acme: usize) -> Self {
        Self(NonNull::new(ptr.with_addr(acme)))
    }

    pub(crate) const fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// Follows the end of the span from `acme` to `new_acme`, which is not null.
    pub(crate) const fn moved(self, acme: usize, new_acme: usize) -> Self {
        match self.0 {
            Some(top) => Self(NonNull::new(shift(top, acme, new_acme))),
            None => self,
        }
    }

    /// A pointer to `addr`, for a span that ends at `acme`.
    pub(crate) const fn ptr(self, acme: usize, addr: usize) -> *mut u8 {
        match self.0 {
            Some(top) => shift(top, acme, addr),
            // Unlike `with_exposed_provenance_mut`, which means the same, a cast can be `const`.
            None => addr as *mut u8,
        }
    }
}

/// `ptr`, whose address is `from`, moved to `to`.
///
/// Both addresses are known to the caller, so that this needs no look at the pointer's own, which
/// a `const fn` cannot take.
const fn shift(ptr: NonNull<u8>, from: usize, to: usize) -> *mut u8 {
    ptr.as_ptr().wrapping_byte_add(to.wrapping_sub(from))
}
