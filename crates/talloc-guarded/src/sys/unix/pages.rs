//! Pages.

use std::ptr::{self, NonNull};

use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

/// Addresses for this process alone. They have no memory yet, so the system does not account for any.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Addresses for this process alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: MapFlags = MapFlags::PRIVATE;

pub fn page_size() -> usize {
    // `rustix` could not be used: it reads addresses that valgrind unmaps, and allocates on Linux before 6.4.
    // SAFETY: `sysconf` has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(64 << 10)
}

/// Reserves inaccessible addresses.
pub fn reserve(len: usize) -> Option<NonNull<u8>> {
    // SAFETY: The address is null, so the system chooses addresses that are not in use.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), FLAGS) };
    NonNull::new(start.ok()?.cast())
}

/// Makes pages accessible. New pages are zero; other pages keep their contents. Returns whether that succeeded.
///
/// # Safety
///
/// [`reserve`] returned the range that contains the pages.
pub unsafe fn commit(start: NonNull<u8>, len: usize) -> bool {
    let access = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: The call only adds access to the pages.
    unsafe { mm::mprotect(start.as_ptr().cast(), len, access) }.is_ok()
}

/// Makes pages inaccessible, and returns their memory to the system, so they are as new. Returns whether both succeeded.
///
/// # Safety
///
/// [`reserve`] returned the range that contains the pages, and nobody uses them.
pub unsafe fn decommit(start: NonNull<u8>, len: usize) -> bool {
    let (start, flags) = (start.as_ptr().cast(), FLAGS.union(MapFlags::FIXED));
    // SAFETY: By the contract of this function, nobody uses the pages that the new mapping replaces.
    let is_done = unsafe { mm::mmap_anonymous(start, len, ProtFlags::empty(), flags) }.is_ok();
    if !is_done {
        // A filter refuses the call, or the process has the maximum number of mappings.
        // SAFETY: By the contract of this function, nobody uses the pages.
        let _ = unsafe { mm::mprotect(start, len, MprotectFlags::empty()) };
    }
    is_done
}

/// Unmaps a reserved range.
///
/// # Safety
///
/// [`reserve`] returned the range, and nobody uses it.
pub unsafe fn release(start: NonNull<u8>, len: usize) {
    // SAFETY: By the contract of this function, nobody uses the range. If the system refuses, it stays reserved.
    let _ = unsafe { mm::munmap(start.as_ptr().cast(), len) };
}
