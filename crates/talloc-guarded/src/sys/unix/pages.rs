//! Pages.

use std::ptr::{self, NonNull};

use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

/// Addresses for this process alone; as they have no memory, none is set aside for them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Addresses for this process alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: MapFlags = MapFlags::PRIVATE;

pub fn page_size() -> usize {
    // Not by `rustix`, which allocates for the answer where Linux is older than 6.4, and reads addresses that valgrind
    // unmaps.
    // SAFETY: The function has no conditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(64 << 10)
}

/// Reserves addresses, which cannot be accessed.
pub fn reserve(len: usize) -> Option<NonNull<u8>> {
    // SAFETY: New addresses, at which there is nothing.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), FLAGS) };
    NonNull::new(start.ok()?.cast())
}

/// Makes pages accessible: new ones are zero, and others keep their contents. Returns whether that is done.
///
/// # Safety
///
/// The pages have been reserved.
pub unsafe fn commit(start: NonNull<u8>, len: usize) -> bool {
    let access = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: More can be done there than before.
    unsafe { mm::mprotect(start.as_ptr().cast(), len, access) }.is_ok()
}

/// Makes pages inaccessible, and gives their memory back. Returns whether both is done: then they are as if they had
/// just been reserved.
///
/// # Safety
///
/// The pages have been reserved, and nobody uses them.
pub unsafe fn decommit(start: NonNull<u8>, len: usize) -> bool {
    let (start, flags) = (start.as_ptr().cast(), FLAGS.union(MapFlags::FIXED));
    // SAFETY: The new mapping replaces pages that nobody uses.
    let is_done = unsafe { mm::mmap_anonymous(start, len, ProtFlags::empty(), flags) }.is_ok();
    if !is_done {
        // A filter refuses the call, or the process has as many mappings as it may have.
        // SAFETY: Nobody uses the pages.
        let _ = unsafe { mm::mprotect(start, len, MprotectFlags::empty()) };
    }
    is_done
}

/// Gives addresses back.
///
/// # Safety
///
/// They have been reserved together, and nobody uses them.
pub unsafe fn release(start: NonNull<u8>, len: usize) {
    // SAFETY: Nobody uses the addresses. If the system refuses, they stay reserved.
    let _ = unsafe { mm::munmap(start.as_ptr().cast(), len) };
}
