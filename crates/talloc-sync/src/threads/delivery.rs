//! How blocks come home, even if the thread that owns their heap ends meanwhile.
//!
//! Who sends blocks adds them to the inbox, and then looks whether somebody owns the heap. An owner that leaves gives
//! the heap up, and then looks into the inbox. So does whoever has taken blocks back in its place:
//!
//! ```text
//! sender                     whoever leaves
//! A  the inbox has blocks    X  the heap is nobody's
//! B  full barrier            Y  full barrier
//! C  is it nobody's?         Z  has the inbox blocks?
//! ```
//!
//! Of the barriers, one comes first. If it is B, Z sees A; if it is Y, C sees X. One of the two takes the blocks back.
//! The models in `tests/loom_threads.rs` find out if a barrier is missing.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::SeqCst;

use super::entry::Entry;
use super::inbox::Inbox;
use crate::lock::machine::fence;

/// Sends blocks home. If nobody owns their heap, `visit` takes it for a moment, takes all blocks back and lets it go;
/// it returns whether it could.
///
/// # Safety
///
/// As for [`Inbox::push`].
#[inline]
pub(super) unsafe fn send(
    inbox: &Inbox,
    entry: &Entry,
    [first, last]: [NonNull<u8>; 2],
    visit: impl FnMut() -> bool,
) {
    // SAFETY: The caller gives the blocks up.
    unsafe { inbox.push(first, last) };
    fence(SeqCst);
    if entry.is_idle() {
        take_back_all(inbox, visit);
    }
}

/// Gives up the heap of the caller, who owns it and is outside. What others have sent meanwhile is taken back, as by
/// [`send`].
pub(super) fn leave(inbox: &Inbox, entry: &Entry, visit: impl FnMut() -> bool) {
    entry.disown();
    fence(SeqCst);
    take_back_all(inbox, visit);
}

/// Takes back what has come home to a heap that nobody owns, unless somebody else has it.
fn take_back_all(inbox: &Inbox, mut visit: impl FnMut() -> bool) {
    while !inbox.is_empty() && visit() {
        fence(SeqCst);
    }
}
