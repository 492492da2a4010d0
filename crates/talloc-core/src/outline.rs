//! What is printed of a heap.

use core::fmt;

use talloc_span::Span;

use crate::config::Config;
use crate::talloc::Inspect;

/// How many arenas are printed.
const SHOWN: usize = 8;

/// The arenas of a heap as they were when this was made, to be printed when nobody holds the heap.
///
/// To print may allocate. If that is from the very heap that is printed, as it is when that is the global
/// allocator, the heap's lock must not be held. [`Inspect::outline`] makes one.
pub struct Outline {
    first: [Span; SHOWN],
    count: usize,
}

impl<C: Config, S> Inspect<'_, C, S> {
    /// What [`Debug`](fmt::Debug) prints of the heap: the spans of its first eight arenas.
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
