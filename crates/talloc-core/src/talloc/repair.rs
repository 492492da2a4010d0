//! Repairing a hardened heap whose free memory was overwritten.
//!
//! The marks of blocks and free chunks lie apart. From them, the sizes of the free chunks and the bins can be built
//! again. Cached blocks become free. Memory of which the marks say nothing may be a block's, and stays out of use.

use super::Talloc;
use crate::checks::State;
use crate::config::Config;
use crate::quick::Lists;

impl<C: Config, S> Talloc<C, S> {
    /// Builds the bins of all arenas again. Returns whether the heap can be used further.
    ///
    /// Takes time in proportion to the chunks.
    #[cold]
    #[inline(never)]
    pub(super) fn repair(&mut self) -> bool {
        self.quick.clear();
        self.arenas.begin_with(None);
        let mut place = None;
        loop {
            if !self.arenas.arena_at(place).rebuild() {
                return false;
            }
            self.arenas.note_change(place);
            place = match self.arenas.after(place) {
                None => break,
                next => next,
            };
        }
        self.arenas.recount();
        let Some(guard) = self.guard.get_mut() else { return false };
        guard.delayed.clear();
        guard.is_closed = false;
        let is_sound = self.verify().is_ok();
        if let Some(guard) = self.guard.get_mut() {
            guard.is_closed = !is_sound;
        }
        is_sound
    }
}
