//! Addresses and memory on Unix.

use core::mem::MaybeUninit;
use core::ptr;

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::io::Errno;
use rustix::mm::{self, Advice, MapFlags, MprotectFlags, ProtFlags};
use talloc_sync::{Align, AllocError, Memory, Span};

/// The alignment that all memory from the system has.
const ALIGN: Align = Align::new(4096).unwrap();

/// Returns the page size that the system reports, in bytes; zero if it reports none.
pub(super) fn page_size() -> usize {
    // `rustix` could not be used: it reads addresses that valgrind unmaps. On Linux before 6.4, it also allocates if any
    // crate of the program enables its feature `alloc`.
    // SAFETY: `sysconf` has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(0)
}

/// Reserves `size` bytes of addresses.
pub(super) fn reserve(size: usize) -> Result<Span, AllocError> {
    map_as(size, ProtFlags::empty(), FLAGS)
}

/// Maps `size` bytes of memory, all zeros.
pub(in super::super) fn map(size: usize, align: Align) -> Result<Span, AllocError> {
    let spare = if align <= ALIGN { 0 } else { align.get() };
    let whole = size.checked_add(spare).ok_or(AllocError)?;
    let range = map_as(whole, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?;
    let lead = align.padding(range.base().ok_or(AllocError)?);
    let block = range.truncate(lead, spare - lead);
    let (below, above) = range.except(block);
    // SAFETY: Both ranges lie outside the block, and nobody else has a pointer to them.
    unsafe {
        release(below);
        release(above);
    }
    Ok(block)
}

fn map_as(size: usize, protection: ProtFlags, flags: MapFlags) -> Result<Span, AllocError> {
    // SAFETY: The address is null, so the system chooses addresses that are not in use.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), size, protection, flags) };
    start.map(|start| Span::from_ptr_size(start.cast(), size)).map_err(|_| AllocError)
}

/// Resizes a mapping, which may move unless `align` exceeds the alignment of all mappings. New bytes are zero.
///
/// # Safety
///
/// [`map`] or this function returned the range. Nobody uses the bytes beyond the new size or, if the mapping moves,
/// the old addresses.
#[cfg(target_os = "linux")]
pub(in super::super) unsafe fn resize(
    range: Span,
    size: usize,
    align: Align,
) -> Result<Span, AllocError> {
    let start = range.get_base_ptr().ok_or(AllocError)?;
    let may_move = align <= ALIGN;
    let flags = if may_move { mm::MremapFlags::MAYMOVE } else { mm::MremapFlags::empty() };
    // SAFETY: By the contract of this function, nobody uses bytes beyond the new size, nor the old addresses if the
    // mapping moves.
    match unsafe { mm::mremap(start.cast(), range.size(), size, flags) } {
        Ok(start) => Ok(Span::from_ptr_size(start.cast(), size)),
        // The process has the maximum number of mappings, or a filter refuses `mremap`. Unmapping the end still works.
        Err(_) if size < range.size() => {
            let kept = range.truncate(0, range.size() - size);
            // SAFETY: By the contract of this function, nobody uses the bytes beyond the new size.
            unsafe { release(range.except(kept).1) };
            Ok(kept)
        }
        Err(_) => Err(AllocError),
    }
}

/// Returns memory to the system, but keeps its addresses: the next access gets new memory. Reports whether the new
/// memory is zero. If the system refuses, returns `None` and leaves the memory as it was.
///
/// # Safety
///
/// The range consists of whole [pages](super::page), and nobody needs their contents.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in super::super) unsafe fn discard(range: Span) -> Option<Memory> {
    let start = range.get_base_ptr()?;
    // SAFETY: Nobody needs the contents. The system may refuse, for locked memory or huge pages.
    unsafe { mm::madvise(start.cast(), range.size(), Advice::LinuxDontNeed) }.ok()?;
    Some(if gives_zeros() { Memory::ZEROED } else { Memory::empty() })
}

/// Whether discarded memory is zero, as on Linux. Some emulators and sandboxes accept `madvise` and keep the
/// contents. The first call tries it with a page.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn gives_zeros() -> bool {
    use core::sync::atomic::AtomicU8;
    use core::sync::atomic::Ordering::Relaxed;

    const UNKNOWN: u8 = 0;
    const ZEROS: u8 = 1;
    const OTHERS: u8 = 2;
    static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);
    if FOUND.load(Relaxed) == UNKNOWN {
        // If there is no memory to try it with, the next call tries again.
        let Some(is_zero) = try_discarding() else { return false };
        FOUND.store(if is_zero { ZEROS } else { OTHERS }, Relaxed);
    }
    FOUND.load(Relaxed) == ZEROS
}

/// Writes to a page, discards it, and returns whether it is zero then.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn try_discarding() -> Option<bool> {
    let range = map(super::page().get(), ALIGN).ok()?;
    let start = range.get_base_ptr()?;
    // SAFETY: The page was mapped above, and is unmapped at the end. The volatile accesses keep the compiler from
    // moving or merging them across the call.
    unsafe {
        start.write_volatile(1);
        let is_done = mm::madvise(start.cast(), range.size(), Advice::LinuxDontNeed).is_ok();
        let is_zero = is_done && start.read_volatile() == 0;
        // Not `release`: if it cannot unmap, it discards, and would call this again.
        let _ = mm::munmap(start.cast(), range.size());
        Some(is_zero)
    }
}

/// Tells the system that it may take the memory of a range. Its contents are then undefined. `None` if the system
/// refuses.
///
/// # Safety
///
/// The range consists of whole [pages](super::page), and nobody needs their contents.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(in super::super) unsafe fn discard(range: Span) -> Option<Memory> {
    let start = range.get_base_ptr()?;
    // SAFETY: The pages are the caller's, and their contents are not needed. If the call fails, nothing has changed.
    unsafe { mm::madvise(start.cast(), range.size(), Advice::DontNeed) }.ok()?;
    Some(Memory::empty())
}

/// Commits memory at reserved addresses, all zeros.
pub(in super::super) fn commit(range: Span) -> Result<(), AllocError> {
    let Some(start) = range.get_base_ptr() else { return Ok(()) };
    let flags = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: The call only adds access to the range.
    unsafe { mm::mprotect(start.cast(), range.size(), flags) }.map_err(|_| AllocError)
}

/// Advises the system whether to use huge pages for memory of the range that is touched for the first time. Pages that
/// are already there stay.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in super::super) fn want_huge_pages(range: Span, are_wanted: bool) {
    let Some(start) = range.get_base_ptr() else { return };
    let advice = if are_wanted { Advice::LinuxHugepage } else { Advice::LinuxNoHugepage };
    // A kernel without huge pages refuses. Then the memory has small pages.
    // SAFETY: The advice changes neither contents nor access.
    let _ = unsafe { mm::madvise(start.cast(), range.size(), advice) };
}

/// Brings in the pages of a range, as writing to each of them would. Contents do not change. Returns whether the system
/// knows the request, which Linux 5.14 introduced.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in super::super) fn fault_in(range: Span) -> bool {
    let Some(start) = range.get_base_ptr() else { return true };
    // SAFETY: The request changes neither contents nor access.
    let done = unsafe { mm::madvise(start.cast(), range.size(), Advice::LinuxPopulateWrite) };
    done != Err(Errno::INVAL)
}

/// Unmaps a range of addresses, with any memory there. Returns whether the system has taken the memory.
///
/// # Safety
///
/// The addresses are reserved or mapped by this module, and nobody uses them.
pub(in super::super) unsafe fn release(range: Span) -> bool {
    let Some(start) = range.get_base_ptr() else { return false };
    // `munmap` fails if a filter refuses it, or if it would split a mapping and the process has the maximum number of
    // mappings. The addresses then stay reserved, which is harmless.
    // SAFETY: Nobody uses the addresses, by the contract of this function.
    unsafe { mm::munmap(start.cast(), range.size()).is_ok() || discard(range).is_some() }
}

/// Addresses for this process alone. They have no memory yet, so the system does not account for any.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Addresses for this process alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: MapFlags = MapFlags::PRIVATE;

/// Makes all threads of the process pass a memory barrier. Returns false if the system cannot do that.
///
/// Registers the process at the first call. If a filter kills the process for `membarrier`, do not call
/// `SystemTalloc::verify` or `statistics`, and do not set `TALLOC_STATS`.
#[cfg(all(feature = "std", target_os = "linux"))]
pub(in super::super) fn barrier() -> bool {
    use rustix::thread::{MembarrierCommand, membarrier};
    membarrier(MembarrierCommand::PrivateExpedited).is_ok()
        || membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
            && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}

/// Other Unix systems have no such barrier.
#[cfg(all(feature = "std", not(target_os = "linux")))]
pub(in super::super) fn barrier() -> bool {
    false
}

/// Turns memory back into reserved addresses. Returns whether that succeeded; if not, the memory is as it was.
///
/// # Safety
///
/// The addresses have been reserved by this module, and nobody uses the memory.
#[cfg(feature = "std")]
pub(in super::super) unsafe fn decommit(range: Span) -> bool {
    let Some(start) = range.get_base_ptr() else { return true };
    let flags = FLAGS.union(MapFlags::FIXED);
    // SAFETY: By the contract of this function, nobody uses the range that the new mapping replaces.
    unsafe { mm::mmap_anonymous(start.cast(), range.size(), ProtFlags::empty(), flags) }.is_ok()
}

/// Returns the milliseconds since an arbitrary time, by a clock that is cheap to read.
pub(in super::super) fn now_ms() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: The pointer is valid for a `timespec`. If the call fails, the value stays zero, and time stands still.
    let now = unsafe {
        libc::clock_gettime(CLOCK, now.as_mut_ptr());
        now.assume_init()
    };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Yields the processor to other threads.
#[cfg(any(feature = "std", not(any(target_os = "linux", target_os = "android"))))]
pub(in super::super) fn pause() {
    rustix::thread::sched_yield();
}
