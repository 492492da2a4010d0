//! Ending a program that frees what it must not.

use core::fmt::{self, Write};

use crate::fd::Fd;

/// Says what is wrong, and ends the program.
#[cold]
#[inline(never)]
pub(crate) fn abort(text: fmt::Arguments<'_>) -> ! {
    // If it cannot be written, there is nobody to tell.
    let _ = writeln!(Fd(libc::STDERR_FILENO), "talloc: {text}");
    // SAFETY: It does not return.
    unsafe { libc::abort() }
}
