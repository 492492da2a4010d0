//! The short description of a heap that `Debug` prints.

use core::fmt;

use talloc_span::Span;

use crate::config::Config;
use crate::talloc::Inspect;

/// How many arenas are printed.
const SHOWN: usize = 8;

/// A copy of the spans of a heap's first arenas, to print after the heap's lock has been released. [`Inspect::outline`]
/// makes one.
///
/// Printing may allocate. If the heap is the global allocator, that would wait for the heap's lock for ever while the
/// lock is held.
pub struct Outline {
    first: [Span; SHOWN],
    count: usize,
}

impl<C: Config, S> Inspect<'_, C, S> {
    /// Returns what [`Debug`](fmt::Debug) prints of the heap: the spans of its first eight arenas. Takes a few steps
    /// per arena.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "spin")] {
    /// use talloc_core::{Talloc, Tallock};
    ///
    /// static HEAP: Tallock = Talloc::new().spin_lock();
    ///
    /// // The lock is released before anything is printed.
    /// let outline = HEAP.0.lock().inspect().outline();
    /// assert_eq!(format!("{outline:?}"), "Talloc { arenas: [], .. }");
    /// # }
    /// ```
    #[must_use]
    pub fn outline(self) -> Outline {
        let mut first = [Span::empty(); SHOWN];
        let mut count = 0;
        for arena in self.heap.arenas() {
            if let Some(place) = first.get_mut(count) {
                *place = arena;
            }
            count += 1;
        }
        Outline { first, count }
    }
}

impl fmt::Debug for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talloc").field("arenas", &Arenas(self)).finish_non_exhaustive()
    }
}

/// The spans, as a list.
struct Arenas<'a>(&'a Outline);

impl fmt::Debug for Arenas<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outline { first, count } = self.0;
        let mut list = f.debug_list();
        list.entries(&first[..SHOWN.min(*count)]);
        if *count > SHOWN { list.finish_non_exhaustive() } else { list.finish() }
    }
}
