//! Addresses from the system, and memory for them.
//!
//! `errno` stays as it is, whatever these calls come to.

use core::ptr::{self, NonNull};
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Release},
};

use errno::{errno, set_errno};

use super::UNIT;

/// Where on 64-bit machines a zone is to be, and up to how much higher by chance: below the
/// addresses that systems give unasked, so that these tell themselves apart from the zone's with one
/// comparison, and within what a machine with three levels of page tables has. It is only a wish.
const WISH: usize = if usize::BITS < 64 { 0 } else { 16 << 30 };
const CHANCES: usize = 1 << 14;

/// Bytes that memory is made of at a time, at the least.
const STEP: usize = 1 << 20;

/// Reserves addresses, which cannot be accessed yet.
pub(super) fn reserve(size: usize) -> Option<NonNull<u8>> {
    let wish = if WISH == 0 { 0 } else { WISH + chance() % CHANCES * (STEP * 2) };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    let wish = ptr::without_provenance_mut(wish);
    // SAFETY: These are new addresses, wherever they are.
    let range = keeping_errno(|| unsafe { libc::mmap(wish, size, libc::PROT_NONE, flags, -1, 0) });
    NonNull::new(range.cast()).filter(|_| range != libc::MAP_FAILED)
}

/// Gives addresses back.
///
/// # Safety
///
/// They have been reserved, and nobody uses them.
pub(super) unsafe fn release(range: NonNull<u8>, size: usize) {
    // SAFETY: The caller gives them up.
    keeping_errno(|| unsafe { libc::munmap(range.as_ptr().cast(), size) });
}

/// The most addresses that the process may have, as far as there is a limit.
pub(super) fn limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: 0 };
    // SAFETY: The limit can be written to.
    keeping_errno(|| unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) });
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Gives the memory of whole pages back. They are zero, or as they were, when they are used again.
///
/// # Safety
///
/// They have memory, in which nothing is of use.
pub(super) unsafe fn discard(start: NonNull<u8>, size: usize) {
    let advice = if cfg!(any(target_os = "linux", target_os = "android")) {
        libc::MADV_DONTNEED
    } else {
        libc::MADV_FREE
    };
    // If the system keeps it, nothing is lost.
    // SAFETY: The caller does not need what is there.
    keeping_errno(|| unsafe { libc::madvise(start.as_ptr().cast(), size, advice) });
}

/// How far a range of addresses has memory, from its start.
pub(super) struct Committed(AtomicUsize);

impl Committed {
    pub(super) const fn none() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Sees to it that the range has memory up to `end`, of the `size` bytes that are reserved. It has
    /// zeros when it is first used. All numbers of bytes are whole units.
    ///
    /// Returns whether it has.
    ///
    /// # Safety
    ///
    /// `start` is that of a reserved range of `size` bytes, always the same one.
    pub(super) unsafe fn reach(&self, start: NonNull<u8>, size: usize, end: usize) -> bool {
        let done = self.0.load(Acquire);
        if end <= done {
            return true;
        }
        let ample = end.saturating_add(done / 8).max(done + STEP).min(size);
        let reached = [ample.next_multiple_of(UNIT).min(size), end].into_iter().find(|end| {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: It is in the range. If another thread does the same, it is done twice.
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

    /// Bytes that have memory.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Acquire)
    }
}

/// A number that differs from process to process.
fn chance() -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: The system gives each process sixteen random bytes to read.
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
