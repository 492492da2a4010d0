//! The canary at the end of an arena's own chunk, in a hardened heap with canaries.
//!
//! ```text
//!  | own: control, bits, canary | block | ...
//! ```
//!
//! The bitmap lies below the chunks, so a write before the lowest block would change it. The canary lies between them. It
//! moves with the own chunk, and is checked when the block above it is freed. If the own chunk lies above all others, no
//! block is above the canary. Then nothing of the arena lies below its lowest block, and nothing is checked there.
//!
//! Its words depend on a key of the arena and on their addresses.

use super::Arena;
use crate::checks::LinkKey;
use crate::config::{Config, Level};
use crate::report::Violation;

impl<C: Config> Arena<C> {
    /// Writes the canary of the own chunk.
    ///
    /// # Safety
    ///
    /// The own chunk has room for it behind the bitmap, and nobody uses that.
    #[inline(always)]
    pub(super) unsafe fn write_own_canary(&self) {
        for (word, value) in self.own_canary() {
            // SAFETY: The word is one of the canary's, which lies in the own chunk.
            unsafe { word.write(value) };
        }
    }

    /// Whether the canary of the own chunk is as it was written.
    fn is_own_canary_intact(&self) -> bool {
        // SAFETY: The words lie in the own chunk, and were written when the chunk was given its place.
        self.own_canary().all(|(word, value)| unsafe { word.read() } == value)
    }

    /// Whether no canary lies directly below the granule `at`, or one that is as it was written. If it was changed, it
    /// is written again.
    #[inline(always)]
    pub(crate) fn expect_own_canary(&mut self, at: usize) -> bool {
        !C::HAS_CANARIES || at != self.own.chunk.end || self.renew_own_canary()
    }

    /// Writes the canary again if it was changed. Returns whether it was as it had been written.
    #[cold]
    #[inline(never)]
    pub(super) fn renew_own_canary(&mut self) -> bool {
        let is_intact = self.is_own_canary_intact();
        // SAFETY: The canary has its place in the own chunk.
        unsafe { self.write_own_canary() };
        is_intact
    }

    /// Checks invariant I8, in part: the own chunk ends with its canary.
    pub(super) fn check_own_canary(&self) -> Result<(), Violation> {
        if self.is_own_canary_intact() {
            return Ok(());
        }
        let addr = self.window.addr(self.own.chunk.end - C::OWN_CANARY);
        Err(Violation::OwnCanary { addr })
    }

    /// The words of the canary, and what each must be. Without an own chunk or without canaries, there are none.
    #[inline(always)]
    fn own_canary(&self) -> impl Iterator<Item = (*mut u64, u64)> + use<C> {
        let (window, key) = (self.window, self.canary_key);
        let len = if self.own.chunk.is_empty() { 0 } else { C::OWN_CANARY };
        let end = self.own.chunk.end;
        (end - len..end).map(move |at| {
            let word = window.ptr(at).cast::<u64>();
            (word, key.word(!word.addr()))
        })
    }
}
