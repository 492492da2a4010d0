//! When memory goes back: what has not been needed for a while is purged, a little at a time.
//!
//! Time is divided into *epochs*. At the end of each, what may hold pages is compared with the most that was
//! in use in this epoch and the last one. What exceeds that is purged by the operations that follow, each of
//! which purges a bounded piece (Evans 2006 and jemalloc's decay have the idea of time; here the watermarks
//! decide how much). A program that is idle for a whole epoch gives back all that is free.

use talloc_span::{Align, Span};

use crate::arena::Round;
use crate::config::Config;
use crate::memory::Memory;
use crate::source::Source;
use crate::talloc::Talloc;

/// Less is not worth a system call.
const MIN_EXCESS: usize = 1 << 20;

/// What is kept is more than what was in use by one part in as many.
const SLACK: usize = 8;

/// Bytes of a piece: to purge it takes a fraction of a millisecond.
const MAX_PIECE: usize = 1 << 20;

/// Bytes that one operation purges, and pieces.
const MAX_STEP: usize = 2 << 20;
const MAX_PIECES: usize = 16;

/// The policy of a [`Source`] that takes memory back, for its [`tend`](Source::tend).
///
/// ```ignore
/// fn tend(heap: &mut Talloc<C, Self>) {
///     let mut decay = core::mem::take(&mut heap.source_mut().decay);
///     // SAFETY: Pages that are given back are zero when they are used again.
///     unsafe { decay.tend(heap, now_ms(), |piece| give_back(piece)) };
///     heap.source_mut().decay = decay;
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Decay {
    /// Milliseconds of an epoch; zero switches the decay off.
    epoch: u32,
    /// The unit in which memory is purged, a page.
    unit: Align,
    /// Pieces have at least as many bytes.
    min_piece: usize,
    /// When the epoch ends.
    end: u64,
    /// The most that was in use in this epoch and in the last one.
    high: [usize; 2],
    /// What was in use when it was last looked at.
    used: usize,
    /// Bytes below the tops that have been purged and, as far as is known, not used since.
    purged: usize,
    /// Bytes that are still to be purged.
    excess: usize,
    round: u16,
    /// The highest bin that may have something to purge in this round.
    bin: usize,
}

impl Decay {
    /// Epochs of so many milliseconds, or none if that is zero. Memory is purged in multiples of `unit`, of
    /// at least `min_piece` bytes.
    #[must_use]
    pub const fn new(epoch: u32, unit: Align, min_piece: usize) -> Self {
        Self {
            epoch,
            unit,
            min_piece,
            end: 0,
            high: [0; 2],
            used: 0,
            purged: 0,
            excess: 0,
            round: 0,
            bin: usize::MAX,
        }
    }

    /// Notes what is in use and how late it is, in milliseconds from any point of time on, and purges a
    /// bounded part of what is not needed, if there is something.
    ///
    /// # Safety
    ///
    /// As for [`Talloc::discard`].
    pub unsafe fn tend<C: Config, S: Source<C>>(
        &mut self,
        heap: &mut Talloc<C, S>,
        now: u64,
        purge: impl FnMut(Span) -> Memory,
    ) {
        if self.epoch == 0 {
            return;
        }
        self.observe(heap.used_bytes() + heap.cached_bytes());
        if now >= self.end {
            self.end_epoch(now, heap.touched_bytes());
        }
        if self.excess > 0 {
            // SAFETY: The caller vouches for what `purge` leaves.
            unsafe { self.step(heap, purge) };
        }
    }

    /// Notes that the heap has been trimmed: all that is free has been given back.
    pub fn note_trim(&mut self, used: usize, touched: usize) {
        (self.used, self.high, self.excess) = (used, [used; 2], 0);
        self.purged = touched.saturating_sub(used);
    }

    fn observe(&mut self, used: usize) {
        self.purged = self.purged.saturating_sub(used.saturating_sub(self.used));
        self.used = used;
        self.high[0] = self.high[0].max(used);
    }

    fn end_epoch(&mut self, now: u64, touched: usize) {
        let epoch = u64::from(self.epoch);
        let was_idle = now - self.end >= epoch && self.end > 0;
        let needed = if was_idle { self.used } else { self.high[0].max(self.high[1]) };
        let resident = touched.saturating_sub(self.purged);
        let excess = resident.saturating_sub(needed + needed / SLACK);
        self.excess = if excess > MIN_EXCESS { resident - needed } else { 0 };
        (self.round, self.bin) = (self.round.wrapping_add(1).max(1), usize::MAX);
        self.high = [self.used, self.high[0]];
        self.end = now + epoch;
    }

    /// Purges a bounded part of the excess.
    ///
    /// # Safety
    ///
    /// As for [`tend`](Self::tend).
    unsafe fn step<C: Config, S: Source<C>>(
        &mut self,
        heap: &mut Talloc<C, S>,
        mut purge: impl FnMut(Span) -> Memory,
    ) {
        let (number, min, unit) = (self.round, self.min_piece, self.unit);
        let mut left = MAX_STEP;
        for _ in 0..MAX_PIECES {
            let round = Round { number, min, max: MAX_PIECE.min(left), unit };
            // SAFETY: The caller vouches for what `purge` leaves.
            let Some(piece) = (unsafe { heap.purge_piece(&round, self.bin, &mut purge) }) else {
                self.excess = 0;
                return;
            };
            self.excess = self.excess.saturating_sub(piece.bytes);
            if let Some(bin) = piece.bin {
                (self.bin, self.purged) = (bin, self.purged + piece.bytes);
            }
            left = left.saturating_sub(piece.bytes);
            if self.excess == 0 || left < min {
                return;
            }
        }
    }
}
