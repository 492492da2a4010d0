//! Address space and memory from the system. All functions preserve `errno`.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Release},
};

use errno::{errno, set_errno};

use super::UNIT;

/// The preferred place of a zone on 64-bit machines, which varies at random by `CHANCES` steps: below the
/// addresses that systems choose by default, so that a single comparison separates them from the zone,
/// and within the 39 bits of address space that the smallest machines have. The system need not comply.
const WISH: usize = if usize::BITS < 64 { 0 } else { 16 << 30 };
const CHANCES: usize = 1 << 14;

/// The least number of bytes that get memory at a time.
const STEP: usize = 1 << 20;

/// The preferred place of the zone of this process. Null if there is none.
pub(super) fn wish() -> *mut c_void {
    let wish = if WISH == 0 { 0 } else { WISH + chance() % CHANCES * (STEP * 2) };
    ptr::without_provenance_mut(wish)
}

/// Reserves address space, without memory, in a preferred place if that is not null and the system complies.
pub(crate) fn reserve(size: usize, wish: *mut c_void) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: A new mapping affects no other memory.
    let range = keeping_errno(|| unsafe { libc::mmap(wish, size, libc::PROT_NONE, flags, -1, 0) });
    NonNull::new(range.cast()).filter(|_| range != libc::MAP_FAILED)
}

/// Releases address space.
///
/// # Safety
///
/// The range has been reserved, and nobody uses it.
pub(crate) unsafe fn release(range: NonNull<u8>, size: usize) {
    // SAFETY: By the contract of this function, nobody uses the range.
    keeping_errno(|| unsafe { libc::munmap(range.as_ptr().cast(), size) });
}

/// The limit on the address space of the process, if there is one that the system reports.
pub(super) fn limit() -> usize {
    #[cfg(not(target_os = "openbsd"))]
    {
        let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: 0 };
        // SAFETY: The limit can be written to.
        keeping_errno(|| unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) });
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    }
    #[cfg(target_os = "openbsd")]
    usize::MAX
}

/// Returns the memory of whole pages to the system. The pages remain usable, with undefined contents.
///
/// # Safety
///
/// The pages have memory, and their contents are not needed.
pub(super) unsafe fn discard(start: NonNull<u8>, size: usize) {
    let advice = if cfg!(any(target_os = "linux", target_os = "android")) {
        libc::MADV_DONTNEED
    } else {
        libc::MADV_FREE
    };
    // A refusal is harmless.
    // SAFETY: The caller does not need the contents.
    keeping_errno(|| unsafe { libc::madvise(start.as_ptr().cast(), size, advice) });
}

/// The number of bytes from the start of a range that have memory.
pub(super) struct Committed(AtomicUsize);

impl Committed {
    pub(super) const fn none() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Makes the first `end` bytes of a range of `size` bytes usable, initially zero. Both are whole
    /// units. Returns false if the system refuses.
    ///
    /// # Safety
    ///
    /// `start` is the start of a reserved range of `size` bytes, the same one in all calls.
    pub(super) unsafe fn reach(&self, start: NonNull<u8>, size: usize, end: usize) -> bool {
        let done = self.0.load(Acquire);
        if end <= done {
            return true;
        }
        let ample = end.saturating_add(done / 8).max(done + STEP).min(size);
        let reached = [ample.next_multiple_of(UNIT).min(size), end].into_iter().find(|end| {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: It is in the range. Other threads may do the same at the same time, which has the
            // same effect.
            let result = keeping_errno(|| unsafe {
                libc::mprotect(start.add(done).as_ptr().cast(), end - done, access)
            });
            result == 0
        });
        if let Some(end) = reached {
            self.0.fetch_max(end, Release);
        }
        reached.is_some()
    }

    /// The number of bytes that have memory.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Acquire)
    }
}

/// A number that is random for each process.
fn chance() -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: The system provides each process with sixteen random bytes.
        unsafe {
            let bytes = ptr::with_exposed_provenance::<[u8; size_of::<usize>()]>(libc::getauxval(
                libc::AT_RANDOM,
            )
                as usize);
            if bytes.is_null() { 0 } else { usize::from_ne_bytes(bytes.read()) }
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let here = 0_u8;
        (&raw const here).addr() / UNIT
    }
}

fn keeping_errno<T>(call: impl FnOnce() -> T) -> T {
    let before = errno();
    let result = call();
    set_errno(before);
    result
}
