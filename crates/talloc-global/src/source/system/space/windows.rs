//! Those of Windows.
//!
//! What `VirtualAlloc` reserves can be released as a whole only. So what is released in parts loses
//! its memory, and its addresses once none of the whole has any.

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

/// How often aligned addresses are looked for: another thread may take those that have been found.
const TRIES: usize = 16;

/// Bytes of a page, which is the same on all machines of today.
pub(super) fn page_size() -> usize {
    4096
}

/// Reserves `size` bytes of addresses.
pub(super) fn reserve(size: usize) -> Result<Span, AllocError> {
    allocate(ptr::null(), size, MEM_RESERVE, PAGE_NOACCESS)
}

/// Memory of `size` bytes, all zeros.
pub(in super::super) fn map(size: usize, align: Align) -> Result<Span, AllocError> {
    const KIND: u32 = MEM_RESERVE | MEM_COMMIT;
    let range = allocate(ptr::null(), size, KIND, PAGE_READWRITE)?;
    if range.base().is_some_and(|base| align.is_aligned(base)) {
        return Ok(range);
    }
    // SAFETY: Nobody knows of it.
    unsafe { release(range) };
    for _ in 0..TRIES {
        let wide = reserve(size.checked_add(align.get()).ok_or(AllocError)?)?;
        let start = wide.get_base_ptr().ok_or(AllocError)?;
        // SAFETY: Nobody knows of it.
        unsafe { release(wide) };
        let start = start.wrapping_add(align.padding(start.addr()));
        if let Ok(range) = allocate(start.cast(), size, KIND, PAGE_READWRITE) {
            return Ok(range);
        }
    }
    Err(AllocError)
}

/// Reserves addresses, makes memory there, or both.
fn allocate(
    start: *const c_void,
    size: usize,
    kind: u32,
    protection: u32,
) -> Result<Span, AllocError> {
    // SAFETY: What is in use there already is not changed.
    let start = unsafe { VirtualAlloc(start, size, kind, protection) };
    if start.is_null() { Err(AllocError) } else { Ok(Span::from_ptr_size(start.cast(), size)) }
}

/// Tells the system that it may take memory. What is there stays, or is lost. `None` if the system refuses.
///
/// # Safety
///
/// It is memory in whole [pages](super::page), whose contents nobody wants.
pub(in super::super) unsafe fn discard(range: Span) -> Option<Memory> {
    let start = range.get_base_ptr()?;
    // SAFETY: The pages are the caller's, and their contents are not needed. If a call fails, nothing has changed.
    // Unlocking pages that are not locked removes them from the working set.
    let reset = unsafe {
        let reset = VirtualAlloc(start.cast(), range.size(), MEM_RESET, PAGE_READWRITE);
        VirtualUnlock(start.cast(), range.size());
        reset
    };
    (!reset.is_null()).then_some(Memory::empty())
}

/// Makes memory of reserved addresses, all zeros.
pub(in super::super) fn commit(range: Span) -> Result<(), AllocError> {
    let Some(start) = range.get_base_ptr() else { return Ok(()) };
    allocate(start.cast(), range.size(), MEM_COMMIT, PAGE_READWRITE).map(drop)
}

/// Gives addresses back, and the memory there if there is any. Returns whether the system has the memory.
///
/// # Safety
///
/// They have been reserved, and nobody uses them.
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

/// Where the addresses start that were reserved together with `at`, if there is no memory at any of
/// them.
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

/// What the system knows of the addresses from `at` on, as far as it is the same for them.
fn region(at: *const c_void) -> Option<MEMORY_BASIC_INFORMATION> {
    let mut region = MaybeUninit::uninit();
    let size = size_of::<MEMORY_BASIC_INFORMATION>();
    // SAFETY: There is room for the answer.
    let written = unsafe { VirtualQuery(at, region.as_mut_ptr(), size) };
    // SAFETY: The answer has been written.
    (written == size).then(|| unsafe { region.assume_init() })
}

/// Lets all threads pass a barrier, if the system can do that.
#[cfg(feature = "std")]
pub(in super::super) fn barrier() -> bool {
    // SAFETY: It has no conditions.
    unsafe { FlushProcessWriteBuffers() };
    true
}

/// Makes mere addresses of memory again. Returns whether that is so: then they are as good as reserved just now.
///
/// # Safety
///
/// They have been reserved, and nobody uses the memory.
#[cfg(feature = "std")]
pub(in super::super) unsafe fn decommit(range: Span) -> bool {
    let Some(start) = range.get_base_ptr() else { return true };
    // SAFETY: Nobody uses the memory.
    unsafe { VirtualFree(start.cast(), range.size(), MEM_DECOMMIT) != 0 }
}

/// Milliseconds since some point of time, by a clock that is cheap to read.
pub(in super::super) fn now_ms() -> u64 {
    // SAFETY: It has no conditions.
    unsafe { GetTickCount64() }
}

/// Lets other threads run.
pub(in super::super) fn pause() {
    // SAFETY: It has no conditions. Whether another thread did run does not matter.
    unsafe { SwitchToThread() };
}
