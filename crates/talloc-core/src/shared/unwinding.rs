//! Where nothing may unwind.

use core::marker::PhantomData;
use core::mem;

/// Why a program is aborted.
pub(super) trait Reason {
    /// The message.
    const MESSAGE: &'static str;
}

/// Calls `f`; should it unwind, aborts with the message of `R`.
///
/// Nothing is executed for it unless it does, and nothing is compiled where `f` cannot.
#[inline(always)]
pub(super) fn without_unwinding<R: Reason, T>(f: impl FnOnce() -> T) -> T {
    let unwinding = Unwinding::<R>(PhantomData);
    let done = f();
    mem::forget(unwinding);
    done
}

/// Aborts when it is dropped, which is when something unwinds: so does a panic in a destructor that runs
/// because of another one.
///
/// It has no bytes, as they would be written in each call.
struct Unwinding<R: Reason>(PhantomData<R>);

impl<R: Reason> Drop for Unwinding<R> {
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        panic!("{}", R::MESSAGE);
    }
}
