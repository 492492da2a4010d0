//! Addresses and the memory behind them.

use core::ptr;

use rustix::io;
use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};
use talloc_sync::Span;

/// The unit of addresses and memory: a multiple of the pages of every system there is.
const UNIT: usize = 64 << 10;

/// `size` in whole units, or `None` if that is too large for an address space.
pub(super) fn round_up(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(UNIT)
}

/// Reserves `most` bytes of addresses if they are to be had, and if not, half of what there is:
/// others in the process may want some. At least `least` bytes, which are whole units.
pub(super) fn reserve(least: usize, most: usize) -> io::Result<Span> {
    let mut size = most.max(least);
    let mut range = map(size);
    while range.is_err() && size > least {
        size = half(size).max(least);
        range = map(size);
    }
    let range = range?;
    let kept = if size < most { half(size).max(least) } else { size };
    // SAFETY: Nobody knows of the range yet.
    unsafe { release(range.truncate(kept, 0)) };
    Ok(range.truncate(0, size - kept))
}

/// Half of `size` in whole units.
fn half(size: usize) -> usize {
    size / 2 / UNIT * UNIT
}

/// Reserves `size` bytes of addresses.
fn map(size: usize) -> io::Result<Span> {
    // SAFETY: New addresses, at which there is nothing.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), size, ProtFlags::empty(), FLAGS) }?;
    Ok(Span::from_ptr_size(start.cast(), size))
}

/// Makes memory of reserved addresses, all zeros.
pub(super) fn commit(range: Span) -> io::Result<()> {
    let Some(start) = range.get_base_ptr() else { return Ok(()) };
    let flags = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: More can be done there than before.
    unsafe { mm::mprotect(start.cast(), range.size(), flags) }
}

/// Gives addresses back, and the memory there if there is any.
///
/// # Safety
///
/// They have been reserved, and nobody uses them.
pub(super) unsafe fn release(range: Span) {
    let Some(start) = range.get_base_ptr() else { return };
    // SAFETY: As the caller says.
    let result = unsafe { mm::munmap(start.cast(), range.size()) };
    // It fails if the process has as many ranges as it may have, and this one was in the middle of
    // another. Then the addresses stay reserved, which does no harm.
    debug_assert!(matches!(result, Ok(()) | Err(io::Errno::NOMEM)));
}

/// Addresses for this process alone; as they have no memory, none is set aside for them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Addresses for this process alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: MapFlags = MapFlags::PRIVATE;
