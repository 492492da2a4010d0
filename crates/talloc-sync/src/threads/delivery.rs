//! Delivery of blocks to the heap that owns them, even if its thread ends at the same time.
//!
//! Who sends blocks adds them to the inbox, and then looks whether somebody owns the heap. An owner that leaves gives
//! the heap up, and then looks into the inbox. So does everybody who has visited the heap:
//!
//! ```text
//! sender                     whoever leaves
//! A  the inbox has blocks    X  the heap is nobody's
//! B  full barrier            Y  full barrier
//! C  is it nobody's?         Z  has the inbox blocks?
//! ```
//!
//! One of the barriers comes first. If it is B, Z sees A; if it is Y, C sees X. So at least one of the two takes
//! the blocks back.
//! The models in `tests/loom_threads.rs` find out if a barrier is missing.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::SeqCst;

use super::entry::Entry;
use super::inbox::Inbox;
use crate::lock::machine::fence;

/// Sends blocks home. If nobody owns their heap, `visit` takes it for a moment, takes all blocks back, and lets it go by
/// [`end_visit`], unless somebody else has it.
///
/// # Safety
///
/// As for [`Inbox::push`].
#[inline]
pub(super) unsafe fn send(
    inbox: &Inbox,
    entry: &Entry,
    [first, last]: [NonNull<u8>; 2],
    visit: impl FnOnce(),
) {
    // SAFETY: `first` to `last` are linked, and the caller passes their ownership on, by the contract of this
    // function.
    unsafe { inbox.push(first, last) };
    fence(SeqCst);
    if entry.is_idle() {
        visit();
    }
}

/// Gives up the heap of the caller, who owns it and is outside. What others have sent meanwhile is taken back, by
/// `visit` as for [`send`].
pub(super) fn leave(inbox: &Inbox, entry: &Entry, visit: impl FnOnce()) {
    entry.disown();
    fence(SeqCst);
    if !inbox.is_empty() {
        visit();
    }
}

/// Ends a visit. While there is something in the inbox, and nobody else has the heap, it is visited again, and
/// `take_back` takes all blocks back.
pub(super) fn end_visit(inbox: &Inbox, entry: &Entry, mut take_back: impl FnMut()) {
    loop {
        entry.leave();
        fence(SeqCst);
        if inbox.is_empty() || !entry.visit() {
            return;
        }
        take_back();
    }
}
