//! Aborting a program that has freed an invalid pointer.

use core::fmt::{self, Write};
use core::ptr::NonNull;

use crate::fd::Fd;

/// Reports an error, and aborts the program.
#[cold]
#[inline(never)]
pub(crate) fn abort(text: fmt::Arguments<'_>) -> ! {
    // There is no other way to report it.
    let _ = writeln!(Fd(libc::STDERR_FILENO), "talloc: {text}");
    // SAFETY: `abort` has no preconditions.
    unsafe { libc::abort() }
}

/// Reports that there is no allocated block at an address, and aborts the program.
#[cold]
#[inline(never)]
pub(crate) fn abort_at(doing: &str, ptr: NonNull<u8>, fault: impl fmt::Display) -> ! {
    abort(format_args!("{doing} {ptr:p}: {fault}"))
}
