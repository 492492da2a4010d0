//! The bytes around a block on its pages.

use std::ops::Range;
use std::ptr::NonNull;

/// The pattern of these bytes. It makes neither a valid pointer nor a likely number.
const PATTERN: u8 = 0xa7;

/// Fills a range of the pages that start at `pages`.
///
/// # Safety
///
/// The range is valid for writes, and nobody else uses it.
pub unsafe fn fill(pages: NonNull<u8>, range: Range<usize>) {
    // SAFETY: By the contract of this function.
    unsafe { pages.add(range.start).write_bytes(PATTERN, range.len()) }
}

/// Returns the first overwritten byte of the range.
///
/// # Safety
///
/// The range is valid for reads, [`fill`] has initialised it, and nobody writes to it meanwhile.
pub unsafe fn damaged(pages: NonNull<u8>, range: Range<usize>) -> Option<usize> {
    // SAFETY: By the contract of this function.
    let bytes = unsafe { std::slice::from_raw_parts(pages.add(range.start).as_ptr(), range.len()) };
    // Without an early exit, the loop compares many bytes at a time.
    if bytes.iter().fold(0, |found, byte| found | (byte ^ PATTERN)) == 0 {
        return None;
    }
    bytes.iter().position(|byte| *byte != PATTERN).map(|index| range.start + index)
}
