//! Addresses and memory on Windows.
//!
//! Windows can release a reservation of `VirtualAlloc` only as a whole. When a part is released, this module decommits
//! its memory. When no part has memory any more, it releases the reservation.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;

use talloc_sync::{Align, AllocError, Memory, Span};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, MEM_RESET, MEMORY_BASIC_INFORMATION,
    PAGE_NOACCESS, PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualQuery, VirtualUnlock,
};
use windows_sys::Win32::System::SystemInformation::GetTickCount64;
use windows_sys::Win32::System::Threading::{FlushProcessWriteBuffers, SwitchToThread};

/// The most attempts to map memory at an aligned address. An attempt fails if another thread takes the address first.
const TRIES: usize = 16;

/// Returns the page size in bytes, which is the same on all current machines.
pub(super) fn page_size() -> usize {
    4096
}

/// Reserves `size` bytes of addresses.
pub(super) fn reserve(size: usize) -> Result<Span, AllocError> {
    allocate(ptr::null(), size, MEM_RESERVE, PAGE_NOACCESS)
}

/// Maps `size` bytes of memory, all zeros.
pub(in super::super) fn map(size: usize, align: Align) -> Result<Span, AllocError> {
    const KIND: u32 = MEM_RESERVE | MEM_COMMIT;
    let range = allocate(ptr::null(), size, KIND, PAGE_READWRITE)?;
    if range.base().is_some_and(|base| align.is_aligned(base)) {
        return Ok(range);
    }
    // SAFETY: The range has just been mapped, so nobody uses it.
    unsafe { release(range) };
    for _ in 0..TRIES {
        let wide = reserve(size.checked_add(align.get()).ok_or(AllocError)?)?;
        let start = wide.get_base_ptr().ok_or(AllocError)?;
        // SAFETY: The range has just been reserved, so nobody uses it.
        unsafe { release(wide) };
        let start = start.wrapping_add(align.padding(start.addr()));
        if let Ok(range) = allocate(start.cast(), size, KIND, PAGE_READWRITE) {
            return Ok(range);
        }
    }
    Err(AllocError)
}

/// Reserves addresses, commits memory, or both.
fn allocate(
    start: *const c_void,
    size: usize,
    kind: u32,
    protection: u32,
) -> Result<Span, AllocError> {
    // SAFETY: `VirtualAlloc` does not change memory that is already in use.
    let start = unsafe { VirtualAlloc(start, size, kind, protection) };
    if start.is_null() { Err(AllocError) } else { Ok(Span::from_ptr_size(start.cast(), size)) }
}

/// Tells the system that it may take the memory of a range. Its contents are then undefined. `None` if the system
/// refuses.
///
/// # Safety
///
/// The range consists of whole [pages](super::page), and nobody needs their contents.
pub(in super::super) unsafe fn discard(range: Span) -> Option<Memory> {
    let start = range.get_base_ptr()?;
    // SAFETY: The pages are the caller's, and nobody needs their contents. If a call fails, nothing has changed.
    // Unlocking pages that are not locked removes them from the working set.
    let reset = unsafe {
        let reset = VirtualAlloc(start.cast(), range.size(), MEM_RESET, PAGE_READWRITE);
        VirtualUnlock(start.cast(), range.size());
        reset
    };
    (!reset.is_null()).then_some(Memory::empty())
}

/// Commits memory at reserved addresses, all zeros.
pub(in super::super) fn commit(range: Span) -> Result<(), AllocError> {
    let Some(start) = range.get_base_ptr() else { return Ok(()) };
    allocate(start.cast(), range.size(), MEM_COMMIT, PAGE_READWRITE).map(drop)
}

/// Decommits a range of addresses, and releases its reservation if no part of that has memory. Returns whether the
/// system has taken the memory.
///
/// # Safety
///
/// The addresses are reserved or mapped by this module, and nobody uses them.
pub(in super::super) unsafe fn release(range: Span) -> bool {
    let Some(start) = range.get_base_ptr() else { return false };
    // SAFETY: Nobody uses the range, by the contract of this function. Nobody uses a reservation in which no address has
    // memory either: its owner releases all of it.
    unsafe {
        let is_done = VirtualFree(start.cast(), range.size(), MEM_DECOMMIT) != 0;
        if let Some(whole) = without_memory(start.cast()) {
            VirtualFree(whole, 0, MEM_RELEASE);
        }
        is_done
    }
}

/// Returns the start of the reservation that contains `at`, if no part of it has memory.
fn without_memory(at: *const c_void) -> Option<*mut c_void> {
    let whole = region(at)?.AllocationBase;
    let mut next = whole.cast_const();
    loop {
        match region(next) {
            Some(region) if region.AllocationBase == whole => {
                if region.State == MEM_COMMIT {
                    return None;
                }
                next = next.wrapping_byte_add(region.RegionSize);
            }
            _ => return Some(whole),
        }
    }
}

/// Describes the region of pages from `at` on that have the same state.
fn region(at: *const c_void) -> Option<MEMORY_BASIC_INFORMATION> {
    let mut region = MaybeUninit::uninit();
    let size = size_of::<MEMORY_BASIC_INFORMATION>();
    // SAFETY: `region` has room for the answer.
    let written = unsafe { VirtualQuery(at, region.as_mut_ptr(), size) };
    // SAFETY: `VirtualQuery` has written the answer.
    (written == size).then(|| unsafe { region.assume_init() })
}

/// Makes all threads of the process pass a memory barrier. Returns true.
#[cfg(feature = "std")]
pub(in super::super) fn barrier() -> bool {
    // SAFETY: The function has no preconditions.
    unsafe { FlushProcessWriteBuffers() };
    true
}

/// Turns memory back into reserved addresses. Returns whether that succeeded; if not, the memory is as it was.
///
/// # Safety
///
/// The addresses have been reserved by this module, and nobody uses the memory.
#[cfg(feature = "std")]
pub(in super::super) unsafe fn decommit(range: Span) -> bool {
    let Some(start) = range.get_base_ptr() else { return true };
    // SAFETY: By the contract of this function, nobody uses the memory.
    unsafe { VirtualFree(start.cast(), range.size(), MEM_DECOMMIT) != 0 }
}

/// Returns the milliseconds since an arbitrary time, by a clock that is cheap to read.
pub(in super::super) fn now_ms() -> u64 {
    // SAFETY: The function has no preconditions.
    unsafe { GetTickCount64() }
}

/// Yields the processor to other threads.
pub(in super::super) fn pause() {
    // SAFETY: The function has no preconditions. Whether another thread ran does not matter.
    unsafe { SwitchToThread() };
}
