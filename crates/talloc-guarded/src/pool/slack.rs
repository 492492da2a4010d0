//! The bytes around a block, on its own pages.

use std::ops::Range;
use std::ptr::NonNull;

/// What is written there: no pointer to anything, and no likely number.
const PATTERN: u8 = 0xa7;

/// Fills a range of the pages that start at `pages`.
///
/// # Safety
///
/// The range is in memory that nobody else uses.
pub unsafe fn fill(pages: NonNull<u8>, range: Range<usize>) {
    // SAFETY: Nobody else uses the range, by the contract of this function.
    unsafe { pages.add(range.start).write_bytes(PATTERN, range.len()) }
}

/// The first byte of the range that has been overwritten.
///
/// # Safety
///
/// The range can be read, and nobody writes to it.
pub unsafe fn damaged(pages: NonNull<u8>, range: Range<usize>) -> Option<usize> {
    // SAFETY: The range can be read, and nobody writes to it. `fill` has initialised the bytes.
    let bytes = unsafe { std::slice::from_raw_parts(pages.add(range.start).as_ptr(), range.len()) };
    // Without an early exit, which is many bytes at a time.
    if bytes.iter().fold(0, |found, byte| found | (byte ^ PATTERN)) == 0 {
        return None;
    }
    bytes.iter().position(|byte| *byte != PATTERN).map(|index| range.start + index)
}
