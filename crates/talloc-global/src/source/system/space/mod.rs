//! Addresses and the memory behind them.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(any(feature = "std", not(any(target_os = "linux", target_os = "android"))))]
pub(super) use system::pause;
#[cfg(target_os = "linux")]
pub(super) use system::resize;
#[cfg(feature = "std")]
pub(super) use system::{barrier, decommit};
pub(super) use system::{commit, discard, map, now_ms, release};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use system::{fault_in, want_huge_pages};

use talloc_sync::{Align, AllocError, Span};

/// The unit of addresses and memory: a multiple of the page size of every known system.
pub(super) const UNIT: usize = 64 << 10;

/// The unit in which memory is given back.
#[inline]
pub(super) fn page() -> Align {
    const SMALLEST: Align = Align::new(4096).unwrap();
    if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        return SMALLEST;
    }
    // If the page size is unknown, only whole units go back.
    Align::new(system::page_size()).unwrap_or(Align::new(UNIT).unwrap())
}

/// Rounds `size` up to whole units; `None` if that overflows.
pub(super) fn round_up(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(UNIT)
}

/// Reserves `most` bytes of addresses. If fewer are available, reserves half of them, because the rest of the process
/// needs some too, but at least `least` bytes. `least` is a multiple of the unit.
pub(super) fn reserve(least: usize, most: usize) -> Result<Span, AllocError> {
    let mut size = most.max(least);
    let mut range = system::reserve(size);
    while range.is_err() && size > least {
        size = half(size).max(least);
        range = system::reserve(size);
    }
    let range = range?;
    if size >= most {
        return Ok(range);
    }
    // SAFETY: The range has just been reserved, so nobody uses it.
    unsafe { release(range) };
    system::reserve(half(size).max(least))
}

/// Shrinks a mapping. Fails if it should grow: only Linux can do that.
///
/// # Safety
///
/// [`map`] or this function returned the range. Nobody uses the bytes beyond the new size.
#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn resize(range: Span, size: usize, _: Align) -> Result<Span, AllocError> {
    let lost = range.size().checked_sub(size).ok_or(AllocError)?;
    let kept = range.truncate(0, lost);
    // SAFETY: By the contract of this function, nobody uses the part beyond `kept`.
    unsafe { release(range.except(kept).1) };
    Ok(kept)
}

/// Does nothing: systems other than Linux decide by themselves where they use huge pages.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn want_huge_pages(_: Span, _: bool) {}

/// Does nothing: systems other than Linux have no such request.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn fault_in(_: Span) -> bool {
    false
}

/// Half of `size` in whole units.
fn half(size: usize) -> usize {
    size / 2 / UNIT * UNIT
}
