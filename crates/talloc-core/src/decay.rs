//! The purging policy: free memory that has not been needed for a while is purged, in small steps.
//!
//! Time is divided into *epochs*. At the end of each epoch, the policy compares the memory that may be resident
//! with the highest use in this epoch and the last one. The following operations purge the excess, each of them a
//! bounded piece. Decay over time is the idea of jemalloc (Evans 2006); the amount follows from the watermarks. A
//! program that is idle for a whole epoch gives back all free memory.

use talloc_span::{Align, Span};

use crate::arena::{Cursor, Step};
use crate::config::Config;
use crate::memory::Memory;
use crate::source::Source;
use crate::talloc::Talloc;

/// A smaller excess is not worth a system call.
const MIN_EXCESS: usize = 1 << 20;

/// The policy keeps one part in `SLACK` more than the peak use.
const SLACK: usize = 8;

/// The most bytes and pieces that one operation purges. They bound the time that it takes to a fraction of a millisecond.
const MAX_BYTES: usize = 1 << 20;
const MAX_PIECES: usize = 128;

/// Batches of cached blocks that each step coalesces first.
const FLUSHED: usize = 4;

/// For this many epochs, free memory that a sweep could not purge counts as fragments. Then a new sweep begins, because
/// the fragments may have coalesced to whole pages while the use did not change.
const FRAGMENTED: u64 = 32;

/// The speed and the granularity of purging.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Length of an epoch in milliseconds; zero disables purging.
    pub epoch: u32,
    /// The unit of purging: a page.
    pub unit: Align,
    /// Size of the smallest piece that is purged, in bytes.
    pub min_piece: usize,
}

/// The policy of a [`Source`] that takes memory back, for its [`tend`](Source::tend).
///
/// A new `Decay` is all zeros, so a static heap adds nothing to the size of an executable.
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{Align, AllocError, Config, Decay, Memory, Pace, Source, Span, Talloc};
///
/// /// One piece of memory, whose free pages are given back.
/// struct Pages {
///     memory: Option<Span>,
///     decay: Decay,
///     milliseconds: fn() -> u64,
/// }
///
/// impl<C: Config> Source<C> for Pages {
///     const RECLAIMS: bool = true;
///
///     fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
///         let memory = heap.source_mut().memory.take().ok_or(AllocError)?;
///         // SAFETY: Whoever made the source has given the memory, whose pages may be taken back.
///         unsafe { heap.arenas_mut().claim_as(memory, Memory::RECLAIMABLE) }.map_err(|_| AllocError)
///     }
///
///     fn tend(heap: &mut Talloc<C, Self>) {
///         let pace = Pace { epoch: 250, unit: Align::new(4096).unwrap(), min_piece: 16 << 10 };
///         let (mut decay, now) = (heap.source().decay.clone(), (heap.source().milliseconds)());
///         // SAFETY: Nothing becomes of the piece.
///         unsafe { decay.tend(heap, &pace, now, |_piece| Memory::empty()) };
///         heap.source_mut().decay = decay;
///     }
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Decay {
    /// The time at which the epoch ends.
    end: u64,
    /// The highest use in this epoch, and in the last one.
    high: [usize; 2],
    /// The use when it was last observed.
    used: usize,
    /// Bytes below the tops that have been purged and, as far as the policy knows, not been used since.
    purged: usize,
    /// Bytes still to be purged in this epoch.
    left: usize,
    /// All bytes that have been purged.
    total: u64,
    /// The position of the sweep, which visits each free chunk once, and pauses while there is nothing to purge.
    cursor: Cursor,
    /// Bytes below the tops that this sweep has purged, including some that an earlier sweep had purged.
    swept: usize,
    /// Bytes that were free when the sweep began and that it has not purged. When the sweep ends, these bytes are
    /// fragments: pieces that are too small to purge. They count as fragments until `fragments_end`.
    fragments: usize,
    fragments_end: u64,
}

impl Decay {
    /// A policy that has not seen a heap yet.
    pub const NEW: Self = Self {
        end: 0,
        high: [0; 2],
        used: 0,
        purged: 0,
        left: 0,
        total: 0,
        cursor: Cursor::START,
        swept: 0,
        fragments: 0,
        fragments_end: 0,
    };

    /// Records the use of the heap, and purges a bounded part of the excess, if there is any. `now` is the time in
    /// milliseconds since an arbitrary point.
    ///
    /// # Safety
    ///
    /// As for [`ArenasMut::discard`](crate::ArenasMut::discard).
    pub unsafe fn tend<C: Config, S: Source<C>>(
        &mut self,
        heap: &mut Talloc<C, S>,
        pace: &Pace,
        now: u64,
        purge: impl FnMut(Span) -> Memory,
    ) {
        if pace.epoch == 0 {
            return;
        }
        self.observe(heap.inspect().used_bytes() + heap.inspect().cached_bytes());
        if now >= self.end {
            self.end_epoch(pace, now, heap.inspect().touched_bytes());
        }
        if self.left > 0 {
            // SAFETY: `purge` leaves each piece readable and writable, and zero if it says so, by the contract of this
            // function.
            unsafe { self.step(heap, pace, purge) };
        }
        if self.left > 0 {
            heap.tend_soon();
        }
    }

    /// Records that the heap has been trimmed: all free memory has been purged, `given` bytes of it by this trim.
    pub fn note_trim(&mut self, used: usize, touched: usize, given: usize) {
        let (end, purged) = (self.end, touched.saturating_sub(used));
        let total = self.total + given as u64;
        *self = Self { end, high: [used; 2], used, purged, total, ..Self::NEW };
    }

    /// Returns the total of purged bytes, for [`Source::purged_bytes`]. Bytes purged several times count each time.
    #[must_use]
    pub fn purged_bytes(&self) -> u64 {
        self.total
    }

    /// Records that the system has not taken `bytes` of what was last purged: [`purged_bytes`](Self::purged_bytes) does
    /// not include them. The policy treats them as purged, and does not try them again at once.
    pub fn note_refused(&mut self, bytes: usize) {
        self.total = self.total.saturating_sub(bytes as u64);
    }

    fn observe(&mut self, used: usize) {
        self.forget_purged(used.saturating_sub(self.used));
        self.used = used;
        self.high[0] = self.high[0].max(used);
    }

    /// Subtracts `bytes` from the purged bytes below the tops, because as many bytes are in use again or have become part
    /// of a top. The policy does not know which bytes these are. If they were not purged ones, a later sweep purges some
    /// bytes again.
    fn forget_purged(&mut self, bytes: usize) {
        self.purged = self.purged.saturating_sub(bytes);
        self.swept = self.swept.saturating_sub(bytes);
    }

    fn end_epoch(&mut self, pace: &Pace, now: u64, touched: usize) {
        let epoch = u64::from(pace.epoch);
        let was_idle = now - self.end >= epoch && self.end > 0;
        let needed = if was_idle { self.used } else { self.high[0].max(self.high[1]) };
        if now >= self.fragments_end && self.cursor.is_start() {
            self.fragments = 0;
        }
        let is_much = self.excess(needed, touched) > MIN_EXCESS;
        self.left =
            if is_much { touched.saturating_sub(needed).saturating_sub(self.swept) } else { 0 };
        if is_much && self.cursor.is_start() {
            self.fragments = touched.saturating_sub(self.used);
        }
        self.high = [self.used, self.high[0]];
        self.end = now + epoch;
    }

    /// Returns how many bytes may be resident although they are neither needed nor fragments.
    fn excess(&self, needed: usize, touched: usize) -> usize {
        let fragments = if self.cursor.is_start() { self.fragments } else { 0 };
        // Subtracted one by one, because the sum could overflow: the high watermark and the purged bytes overlap.
        [self.purged, needed, needed / SLACK, fragments]
            .into_iter()
            .fold(touched, usize::saturating_sub)
    }

    /// Purges a bounded part of the excess.
    ///
    /// # Safety
    ///
    /// As for [`tend`](Self::tend).
    unsafe fn step<C: Config, S: Source<C>>(
        &mut self,
        heap: &mut Talloc<C, S>,
        pace: &Pace,
        mut purge: impl FnMut(Span) -> Memory,
    ) {
        // Cached blocks keep their pages from being purged.
        for _ in 0..FLUSHED {
            heap.flush_next();
        }
        let (min, unit) = (pace.min_piece, pace.unit);
        // A piece has at least one unit, even if fewer bytes are left.
        let bytes = MAX_BYTES.min(self.left).max(min);
        let bytes = bytes.checked_next_multiple_of(unit.get()).unwrap_or(usize::MAX);
        let mut step = Step { min, unit, bytes, pieces: MAX_PIECES, of_tops: 0, of_chunks: 0 };
        // SAFETY: `purge` leaves each piece readable and writable, and zero if it says so, by the contract of this
        // function.
        let is_all = unsafe { heap.purge(&mut self.cursor, &mut step, &mut purge) };
        let bytes = step.of_tops + step.of_chunks;
        self.left = self.left.saturating_sub(bytes);
        self.fragments = self.fragments.saturating_sub(bytes);
        self.forget_purged(step.of_tops);
        self.swept += step.of_chunks;
        self.total += bytes as u64;
        self.purged = self.purged.max(self.swept);
        if is_all {
            self.end_sweep(pace);
        }
    }

    /// Ends the sweep: it has visited all chunks.
    fn end_sweep(&mut self, pace: &Pace) {
        (self.cursor, self.left) = (Cursor::START, 0);
        (self.purged, self.swept) = (self.swept, 0);
        self.fragments_end = self.end + FRAGMENTED * u64::from(pace.epoch);
    }
}
