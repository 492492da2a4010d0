//! Addresses and the memory behind them.

use core::ptr;

use rustix::io;
use rustix::mm::{self, Advice, MapFlags, MprotectFlags, ProtFlags};
use talloc_sync::{Align, Memory, Span};

/// The unit of addresses and memory: a multiple of the pages of every system there is.
const UNIT: usize = 64 << 10;

/// The unit in which memory is given back: a page where those of all systems are as large.
pub(super) const PAGE: Align = {
    let is_known = cfg!(any(target_arch = "x86", target_arch = "x86_64"));
    Align::new(if is_known { 4096 } else { UNIT }).unwrap()
};

/// `size` in whole units, or `None` if that is too large for an address space.
pub(super) fn round_up(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(UNIT)
}

/// Reserves `most` bytes of addresses if they are to be had, and if not, half of what there is:
/// others in the process may want some. At least `least` bytes, which are whole units.
pub(super) fn reserve(least: usize, most: usize) -> io::Result<Span> {
    let mut size = most.max(least);
    let mut range = map_addresses(size);
    while range.is_err() && size > least {
        size = half(size).max(least);
        range = map_addresses(size);
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
fn map_addresses(size: usize) -> io::Result<Span> {
    map_as(size, ProtFlags::empty(), FLAGS)
}

/// Memory of `size` bytes, all zeros.
pub(super) fn map(size: usize) -> io::Result<Span> {
    map_as(size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
}

fn map_as(size: usize, protection: ProtFlags, flags: MapFlags) -> io::Result<Span> {
    // SAFETY: New addresses, at which there is nothing.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), size, protection, flags) }?;
    Ok(Span::from_ptr_size(start.cast(), size))
}

/// Gives memory another size, at other addresses if need be and `may_move`. What is added is zero.
///
/// # Safety
///
/// It comes from [`map`], or an earlier call of this, and nobody else uses what is lost of it. If it
/// moves, nobody uses the old addresses any more.
#[cfg(target_os = "linux")]
pub(super) unsafe fn resize(range: Span, size: usize, may_move: bool) -> io::Result<Span> {
    let start = range.get_base_ptr().ok_or(io::Errno::INVAL)?;
    let flags = if may_move { mm::MremapFlags::MAYMOVE } else { mm::MremapFlags::empty() };
    // SAFETY: As the caller says.
    let start = unsafe { mm::mremap(start.cast(), range.size(), size, flags) }?;
    Ok(Span::from_ptr_size(start.cast(), size))
}

/// Makes memory smaller. To make it larger, the system has nothing to offer.
///
/// # Safety
///
/// It comes from [`map`], and nobody else uses what is lost of it.
#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn resize(range: Span, size: usize, _may_move: bool) -> io::Result<Span> {
    let lost = range.size().checked_sub(size).ok_or(io::Errno::NOSYS)?;
    let kept = range.truncate(0, lost);
    // SAFETY: As the caller says.
    unsafe { release(range.except(kept).1) };
    Ok(kept)
}

/// Gives memory back, but not the addresses, where there is memory again when it is used. Returns
/// what is known of that.
///
/// # Safety
///
/// It is memory in whole [`PAGE`]s, whose contents nobody wants.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) unsafe fn discard(range: Span) -> Memory {
    let Some(start) = range.get_base_ptr() else { return Memory::empty() };
    // SAFETY: As the caller says.
    match unsafe { mm::madvise(start.cast(), range.size(), Advice::LinuxDontNeed) } {
        Ok(()) => Memory::ZEROED,
        // It is locked, or has huge pages of the administrator's, and stays.
        Err(_) => Memory::empty(),
    }
}

/// Tells the system that it may take memory. What is there stays, or is lost.
///
/// # Safety
///
/// It is memory in whole [`PAGE`]s, whose contents nobody wants.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) unsafe fn discard(range: Span) -> Memory {
    if let Some(start) = range.get_base_ptr() {
        // SAFETY: As the caller says. If the system does not want it, nothing is lost.
        let _ = unsafe { mm::madvise(start.cast(), range.size(), Advice::DontNeed) };
    }
    Memory::empty()
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
    if result.is_err() {
        // The process has as many ranges as it may have, and this one was in the middle of another.
        // Then the addresses stay reserved, which does no harm.
        debug_assert_eq!(result, Err(io::Errno::NOMEM));
        // SAFETY: As the caller says.
        unsafe { discard(range) };
    }
}

/// Addresses for this process alone; as they have no memory, none is set aside for them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Addresses for this process alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: MapFlags = MapFlags::PRIVATE;
