//! The functions of the GNU C library that tell of its heap, with this one.
//!
//! All but [`mallopt`] check the whole heap, which takes time in proportion to all blocks, while other
//! threads wait. If it is broken, they tell zeros; [`report`](crate::report) says why.

use core::ffi::{c_int, c_void};
use core::fmt::{self, Write};

use crate::fd::Fd;
use crate::functions::LIBRARY;
use crate::statistics::{MallInfo, MallInfo2, Statistics};

fn statistics() -> Statistics {
    LIBRARY.verify().unwrap_or_default()
}

/// Tells what is in the heap.
pub extern "C" fn mallinfo2() -> MallInfo2 {
    (&statistics()).into()
}

/// [`mallinfo2`] in numbers that most often are too small. What is more than they can be is told as the
/// most they can be.
pub extern "C" fn mallinfo() -> MallInfo {
    (&statistics()).into()
}

/// Writes what is in the heap to the standard error, without allocating.
pub extern "C" fn malloc_stats() {
    // If it cannot be written, there is nobody to tell.
    let _ = write!(Fd(libc::STDERR_FILENO), "{}", statistics().as_table());
}

/// Writes what is in the heap to a `FILE`, in the XML of the GNU C library: one heap, without the
/// numbers for single sizes.
///
/// Returns zero; `EINVAL` if `options` is not zero; or -1 if it cannot be written, and then `errno` says
/// why.
///
/// # Safety
///
/// `stream` is open for writing.
pub unsafe extern "C" fn malloc_info(options: c_int, stream: *mut c_void) -> c_int {
    if options != 0 {
        return libc::EINVAL;
    }
    // All is counted before anything is written, which may allocate.
    let mut stream = Stream(stream.cast());
    if write!(stream, "{}", statistics().as_xml()).is_ok() { 0 } else { -1 }
}

/// A `FILE` that is open for writing.
struct Stream(*mut libc::FILE);

impl Write for Stream {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: The file is open, and the bytes can be read.
        let written = unsafe { libc::fwrite(text.as_ptr().cast(), 1, text.len(), self.0) };
        if written == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Says whether a parameter may be set: 1 if so, else 0. Nothing is changed.
///
/// The parameters by which the GNU C library's allocator is tuned have no counterpart here. What they
/// wish for makes no difference to the program, so that it is granted. Those that a program would see
/// (`M_CHECK_ACTION`, `M_PERTURB`), and unknown ones, are refused.
pub extern "C" fn mallopt(parameter: c_int, _value: c_int) -> c_int {
    const M_MXFAST: c_int = 1;
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_TOP_PAD: c_int = -2;
    const M_MMAP_THRESHOLD: c_int = -3;
    const M_MMAP_MAX: c_int = -4;
    const M_ARENA_TEST: c_int = -7;
    const M_ARENA_MAX: c_int = -8;
    match parameter {
        M_MXFAST | M_TRIM_THRESHOLD | M_TOP_PAD | M_MMAP_THRESHOLD | M_MMAP_MAX | M_ARENA_TEST
        | M_ARENA_MAX => 1,
        _ => 0,
    }
}
