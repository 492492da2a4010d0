//! Building the bins of a hardened arena again from its marks.

use core::ops::Range;

use super::Arena;
use super::bits::Mark;
use crate::bin::Bins;
use crate::config::Config;

impl<C: Config> Arena<C> {
    /// Writes the sizes and links of all free chunks again, and frees the cached blocks. Returns false, and leaves the
    /// arena broken, if the marks contradict each other.
    ///
    /// Takes time in proportion to the words of the bitmap.
    pub(crate) fn rebuild(&mut self) -> bool {
        if self.is_blank() {
            self.broken.set(false);
            return true;
        }
        if self.check_bounds().is_err() || self.check_own().is_err() || !self.are_marks_sound() {
            return false;
        }
        self.renew_own_canary();
        self.bins = Bins::EMPTY;
        self.broken.set(false);
        let mut at = self.start;
        while at < self.top {
            let stretch = self.stretch(at);
            let range = at..stretch.end;
            at = stretch.end;
            // SAFETY: The stretches cover the arena up to the top, and nobody uses the memory of those that are free.
            // No two free ones touch, because what was cached becomes free only after its neighbours.
            unsafe {
                match stretch.mark {
                    Some(Mark::Free) => self.rebuild_free(range),
                    Some(_) => {}
                    None => self.bits.mark_used(range.start, range.len()),
                }
            }
        }
        self.free_cached();
        !self.broken.get()
    }

    /// Makes a free chunk of granules whose marks say that they are one.
    ///
    /// # Safety
    ///
    /// Nobody uses them.
    unsafe fn rebuild_free(&mut self, range: Range<usize>) {
        // SAFETY: The granules lie below the top, and nobody uses them.
        unsafe {
            self.bits.clear(range.start);
            self.bits.clear(range.end - 1);
            if range.end == self.top {
                // No free chunk touches the top (I4).
                self.top = range.start;
            } else {
                self.mark_free(range);
            }
        }
    }

    /// Frees all cached blocks.
    fn free_cached(&mut self) {
        let mut at = self.start;
        while at < self.top {
            let stretch = self.stretch(at);
            if stretch.mark == Some(Mark::Cached) {
                let len = stretch.end - at;
                self.take_back(at, len);
                // SAFETY: The marks say that it is a cached block, which nobody uses.
                unsafe { self.release(at, len) };
            }
            at = stretch.end;
        }
    }

    /// Whether the marks of each stretch are as they must be.
    fn are_marks_sound(&self) -> bool {
        let mut at = self.start;
        while at < self.top {
            let Stretch { mark, end } = self.stretch(at);
            // SAFETY: The stretch lies below the top.
            let is_sound = unsafe {
                match mark {
                    Some(Mark::Free) => {
                        self.bits.mark(end - 1) == Mark::Free
                            && (end - at < 3 || self.bits.has_no_marks(at + 1, end - 1))
                    }
                    _ => true,
                }
            };
            if !is_sound {
                return false;
            }
            at = end;
        }
        true
    }

    /// The chunk that starts at `at`, below the top, as the marks alone tell it.
    fn stretch(&self, at: usize) -> Stretch {
        let own = &self.own.chunk;
        if at == own.start {
            return Stretch { mark: Some(Mark::Used), end: own.end };
        }
        let limit = if at < own.start && own.start < self.top { own.start } else { self.top };
        // SAFETY: The bits below the top have been cleared before (I1).
        unsafe {
            match self.bits.mark(at) {
                Mark::Nothing => Stretch { mark: None, end: self.block_end(at) },
                Mark::Free => {
                    let end = self.bits.next_block(at, limit);
                    Stretch { mark: Some(Mark::Free), end }
                }
                mark => Stretch { mark: Some(mark), end: self.block_end(at) },
            }
        }
    }
}

/// A chunk, as the marks alone tell it.
struct Stretch {
    /// The mark of its first granule. `None` if that has none.
    mark: Option<Mark>,
    end: usize,
}
