//! The functions of the GNU C library that report on the heap, for this heap.
//!
//! They count free pieces, in time proportional to their number. Other threads may have to wait for that time.
//! [`report`](crate::report) also checks the heap.

use core::ffi::{c_int, c_void};
use core::fmt::{self, Write};

use crate::fd::Fd;
use crate::functions::LIBRARY;
use crate::statistics::{MallInfo, MallInfo2, Statistics};

fn statistics() -> Statistics {
    LIBRARY.statistics()
}

/// Returns the statistics of the heap.
pub extern "C" fn mallinfo2() -> MallInfo2 {
    (&statistics()).into()
}

/// [`mallinfo2`], with fields of type `int`, which saturate.
pub extern "C" fn mallinfo() -> MallInfo {
    (&statistics()).into()
}

/// Writes the statistics of the heap to the standard error, without allocating.
pub extern "C" fn malloc_stats() {
    // An error cannot be reported.
    let _ = write!(Fd(libc::STDERR_FILENO), "{}", statistics().as_table());
}

/// Writes the statistics of the heap to a `FILE`, in the XML of the GNU C library: a single heap, with a
/// line for the free pieces of each range of sizes.
///
/// Returns zero; `EINVAL` if `options` is not zero; or -1, with `errno` set, if writing fails.
///
/// # Safety
///
/// `stream` is open for writing.
pub unsafe extern "C" fn malloc_info(options: c_int, stream: *mut c_void) -> c_int {
    if options != 0 {
        return libc::EINVAL;
    }
    // The statistics are complete before the first write, which may allocate.
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

/// Returns 1 if the parameter is accepted, else 0. Changes nothing in either case.
///
/// Accepts the parameters that only tune performance (`M_MXFAST`, `M_TRIM_THRESHOLD`, `M_TOP_PAD`,
/// `M_MMAP_THRESHOLD`, `M_MMAP_MAX`, `M_ARENA_TEST`, `M_ARENA_MAX`): they have no counterpart here, and the
/// program cannot observe the difference. Rejects those with an effect that it can observe
/// (`M_CHECK_ACTION`, `M_PERTURB`), and unknown ones.
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
