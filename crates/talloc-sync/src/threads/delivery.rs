//! Delivery of blocks to the heap that owns them, even if its thread ends at the same time.
//!
//! A sender adds blocks to the inbox, and then checks whether the heap has an owner. An owner or a visitor gives up the
//! heap, and then checks whether the inbox has blocks:
//!
//! ```text
//! sender                      owner or visitor
//! A  adds to the inbox        X  gives the heap up
//! B  full barrier             Y  full barrier
//! C  has the heap an owner?   Z  has the inbox blocks?
//! ```
//!
//! One of the barriers comes first. If it is B, Z sees A; if it is Y, C sees X. At least one of the two therefore takes
//! the blocks back. The models in `tests/loom_threads.rs` fail if a barrier is missing.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::SeqCst;

use super::entry::Entry;
use super::inbox::Inbox;
use crate::lock::machine::fence;

/// Sends blocks to the heap that owns them. If no thread owns that heap, calls `visit`, which takes the blocks back if it
/// can get the heap, and then calls [`end_visit`].
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

/// Gives up the heap of the calling thread, which is outside of it. If blocks have arrived meanwhile, calls `visit`, as
/// [`send`] does.
pub(super) fn leave(inbox: &Inbox, entry: &Entry, visit: impl FnOnce()) {
    entry.disown();
    fence(SeqCst);
    if !inbox.is_empty() {
        visit();
    }
}

/// Gives up a visited heap. While blocks have arrived and nobody else has the heap, visits it again and calls `take_back`,
/// which takes the blocks back.
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
