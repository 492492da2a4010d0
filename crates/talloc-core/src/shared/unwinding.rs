//! Functions that must not unwind.

use core::marker::PhantomData;
use core::mem;

/// Why a program is aborted.
pub(super) trait Reason {
    /// The message.
    const MESSAGE: &'static str;
}

/// Calls `f`. If it unwinds, aborts the program with the message of `R`.
///
/// It costs no instructions unless `f` unwinds, and no code if `f` cannot unwind.
#[inline(always)]
pub(super) fn without_unwinding<R: Reason, T>(f: impl FnOnce() -> T) -> T {
    let unwinding = Unwinding::<R>(PhantomData);
    let done = f();
    mem::forget(unwinding);
    done
}

/// Aborts the program when it is dropped during unwinding, by a second panic.
///
/// It has no bytes, which each call would have to write.
struct Unwinding<R: Reason>(PhantomData<R>);

impl<R: Reason> Drop for Unwinding<R> {
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        panic!("{}", R::MESSAGE);
    }
}
