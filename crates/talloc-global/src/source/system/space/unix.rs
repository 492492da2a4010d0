//! Those of Unix.

use core::mem::MaybeUninit;
use core::ptr;

use rustix::mm::{self, Advice, MapFlags, MprotectFlags, ProtFlags};
use talloc_sync::{Align, AllocError, Memory, Span};

/// The alignment that all memory from the system has.
const ALIGN: Align = Align::new(4096).unwrap();

/// Bytes of a page of this machine, which the system says when the program starts: 4, 16 or 64 KiB.
pub(super) fn page_size() -> usize {
    rustix::param::page_size()
}

/// Reserves `size` bytes of addresses.
pub(super) fn reserve(size: usize) -> Result<Span, AllocError> {
    map_as(size, ProtFlags::empty(), FLAGS)
}

/// Memory of `size` bytes, all zeros.
pub(in super::super) fn map(size: usize, align: Align) -> Result<Span, AllocError> {
    let spare = if align <= ALIGN { 0 } else { align.get() };
    let whole = size.checked_add(spare).ok_or(AllocError)?;
    let range = map_as(whole, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?;
    let lead = align.padding(range.base().ok_or(AllocError)?);
    let block = range.truncate(lead, spare - lead);
    let (below, above) = range.except(block);
    // SAFETY: Nobody knows of them.
    unsafe {
        release(below);
        release(above);
    }
    Ok(block)
}

fn map_as(size: usize, protection: ProtFlags, flags: MapFlags) -> Result<Span, AllocError> {
    // SAFETY: New addresses, at which there is nothing.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), size, protection, flags) };
    start.map(|start| Span::from_ptr_size(start.cast(), size)).map_err(|_| AllocError)
}

/// Gives memory another size, at other addresses if need be and no alignment above that of all memory
/// is asked for. What is added is zero.
///
/// # Safety
///
/// It comes from [`map`], or an earlier call of this, and nobody else uses what is lost of it. If it
/// moves, nobody uses the old addresses any more.
#[cfg(target_os = "linux")]
pub(in super::super) unsafe fn resize(
    range: Span,
    size: usize,
    align: Align,
) -> Result<Span, AllocError> {
    let start = range.get_base_ptr().ok_or(AllocError)?;
    let may_move = align <= ALIGN;
    let flags = if may_move { mm::MremapFlags::MAYMOVE } else { mm::MremapFlags::empty() };
    // SAFETY: As the caller says.
    let start = unsafe { mm::mremap(start.cast(), range.size(), size, flags) };
    start.map(|start| Span::from_ptr_size(start.cast(), size)).map_err(|_| AllocError)
}

/// Gives memory back, but not the addresses, where there is memory again when it is used. Returns
/// what is known of that.
///
/// # Safety
///
/// It is memory in whole [pages](super::page), whose contents nobody wants.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in super::super) unsafe fn discard(range: Span) -> Memory {
    let Some(start) = range.get_base_ptr() else { return Memory::empty() };
    // SAFETY: Nobody wants the contents. If the system refuses, as the memory is locked or has huge pages of the
    // administrator's, nothing is lost.
    let is_done = unsafe { mm::madvise(start.cast(), range.size(), Advice::LinuxDontNeed) }.is_ok();
    if is_done && gives_zeros() { Memory::ZEROED } else { Memory::empty() }
}

/// Whether discarded memory is zero afterwards, as Linux has it: emulators and sandboxes have not, and say so to
/// nobody. The first call tries it with a page.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn gives_zeros() -> bool {
    use core::sync::atomic::AtomicU8;
    use core::sync::atomic::Ordering::Relaxed;

    const UNKNOWN: u8 = 0;
    const ZEROS: u8 = 1;
    const OTHERS: u8 = 2;
    static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);
    if FOUND.load(Relaxed) == UNKNOWN {
        FOUND.store(if try_discarding() { ZEROS } else { OTHERS }, Relaxed);
    }
    FOUND.load(Relaxed) == ZEROS
}

/// Writes to a page, discards it, and returns whether it is zero then. If there is no page, it counts as not.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn try_discarding() -> bool {
    let Ok(range) = map(page_size(), ALIGN) else { return false };
    let Some(start) = range.get_base_ptr() else { return false };
    // SAFETY: The page is nobody else's, and is given up at the end. The volatile accesses are not moved across the
    // call, nor is one assumed to read what the other wrote.
    unsafe {
        start.write_volatile(1);
        let is_done = mm::madvise(start.cast(), range.size(), Advice::LinuxDontNeed).is_ok();
        let is_zero = is_done && start.read_volatile() == 0;
        // `release` would discard what it cannot unmap, and so come here again.
        let _ = mm::munmap(start.cast(), range.size());
        is_zero
    }
}

/// Tells the system that it may take memory. What is there stays, or is lost.
///
/// # Safety
///
/// It is memory in whole [pages](super::page), whose contents nobody wants.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(in super::super) unsafe fn discard(range: Span) -> Memory {
    if let Some(start) = range.get_base_ptr() {
        // SAFETY: As the caller says. If the system does not want it, nothing is lost.
        let _ = unsafe { mm::madvise(start.cast(), range.size(), Advice::DontNeed) };
    }
    Memory::empty()
}

/// Makes memory of reserved addresses, all zeros.
pub(in super::super) fn commit(range: Span) -> Result<(), AllocError> {
    let Some(start) = range.get_base_ptr() else { return Ok(()) };
    let flags = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: More can be done there than before.
    unsafe { mm::mprotect(start.cast(), range.size(), flags) }.map_err(|_| AllocError)
}

/// Gives addresses back, and the memory there if there is any.
///
/// # Safety
///
/// They have been reserved, and nobody uses them.
pub(in super::super) unsafe fn release(range: Span) {
    let Some(start) = range.get_base_ptr() else { return };
    // SAFETY: Nobody uses the addresses.
    if unsafe { mm::munmap(start.cast(), range.size()) }.is_err() {
        // A filter refuses it, or the process has as many ranges as it may have, and this one was in the middle of
        // another. Then the addresses stay reserved, which does no harm.
        // SAFETY: Nobody wants the contents.
        unsafe { discard(range) };
    }
}

/// Addresses for this process alone; as they have no memory, none is set aside for them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Addresses for this process alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: MapFlags = MapFlags::PRIVATE;

/// Lets all threads pass a barrier, if the system can do that.
///
/// The process registers for it when it is first needed. Where a filter of system calls kills the process for
/// one, nothing that needs it must be called: `SystemTalloc::verify`.
#[cfg(all(feature = "std", target_os = "linux"))]
pub(in super::super) fn barrier() -> bool {
    use rustix::thread::{MembarrierCommand, membarrier};
    membarrier(MembarrierCommand::PrivateExpedited).is_ok()
        || membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
            && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}

/// Other systems have no such thing.
#[cfg(all(feature = "std", not(target_os = "linux")))]
pub(in super::super) fn barrier() -> bool {
    false
}

/// Makes mere addresses of memory again. Returns whether that is so: then they are as good as reserved just now.
///
/// # Safety
///
/// They have been reserved, and nobody uses the memory.
#[cfg(feature = "std")]
pub(in super::super) unsafe fn decommit(range: Span) -> bool {
    let Some(start) = range.get_base_ptr() else { return true };
    let flags = FLAGS.union(MapFlags::FIXED);
    // SAFETY: New addresses take the place of those that nobody uses.
    unsafe { mm::mmap_anonymous(start.cast(), range.size(), ProtFlags::empty(), flags) }.is_ok()
}

/// Milliseconds since some point of time, by a clock that is cheap to read.
pub(in super::super) fn now_ms() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: There is room for the answer. If there is no such clock, the time stands still.
    let now = unsafe {
        libc::clock_gettime(CLOCK, now.as_mut_ptr());
        now.assume_init()
    };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Lets other threads run.
#[cfg(any(feature = "std", not(any(target_os = "linux", target_os = "android"))))]
pub(in super::super) fn pause() {
    rustix::thread::sched_yield();
}
