//! What a hardened heap does besides: canaries, filled memory, delayed reuse, and closing when it is broken.
//!
//! | when | what |
//! |---|---|
//! | [`malloc`](Talloc::malloc) | checks that the block is as it was filled, and writes its canary ([`Talloc::seal`]) |
//! | [`free`](Talloc::free) | checks the canary ([`Talloc::is_sealed`]), fills the block and puts it in the queue ([`Talloc::retire`]) |
//! | the queue is full | checks that the oldest block is as it was filled, and frees it ([`Talloc::let_go`]) |
//! | a free chunk or a cached block is used | checks that it is one: see `arena/trust.rs` and [`Talloc::pop_sound`] |
//!
//! What is found in the middle of an operation is reported when the operation has ended ([`Talloc::settle`]), or when
//! the caller has released the heap. If the heap's own structures are broken, the heap closes: it allocates nothing
//! more, and ignores what is freed, unless it can be repaired (`talloc/repair.rs`).

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_span::Span;

use super::Talloc;
use crate::arena::Arena;
use crate::checks::{Canary, Checks, Guard, State};
use crate::config::{Config, Level};
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::misuse::{Call, Fault, Misuse};
use crate::quick::Lists;
use crate::source::Source;

/// The delayed blocks take at most this share of the bytes in use,
const DELAYED_SHARE: usize = 64;

/// but may always take as many bytes.
const LEAST_DELAYED: usize = 1 << 10;

/// A block of more than this share of the delay does not wait.
const LARGE_SHARE: usize = 8;

/// Up to so many bytes are filled without a call.
const INLINE: usize = 256;

/// The bytes of a freed block that hold its link, and are not filled.
const LINK: usize = size_of::<*mut u8>();

/// The state of the checks.
impl<C: Config, S> Talloc<C, S> {
    /// Whether the heap was found broken.
    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        C::HARDENED && self.guard.get().is_some_and(|guard| guard.is_closed)
    }

    /// Whether the heap was found broken, or is about to be closed for that.
    #[inline(always)]
    pub(super) fn is_broken(&self) -> bool {
        C::HARDENED && (self.is_closed() || self.arenas.is_broken())
    }

    /// Checks a hardened heap before all its chunks are moved, and closes it if it is broken. Returns whether it is.
    ///
    /// Takes time in proportion to the chunks of a hardened heap.
    pub(super) fn is_found_broken(&mut self) -> bool {
        if C::HARDENED && !self.is_closed() && self.verify().is_err() {
            self.close();
        }
        self.is_closed()
    }

    /// Bytes of the blocks whose reuse is delayed.
    #[inline(always)]
    pub(super) fn delayed_bytes(&self) -> usize {
        self.guard.get().map_or(0, |guard| guard.delayed.granules() * GRANULE)
    }

    /// The blocks whose reuse is delayed and their granules, in the order in which they were freed.
    ///
    /// If the queue is broken, the iterator ends early.
    pub(super) fn delayed_blocks(&self) -> impl Iterator<Item = (NonNull<u8>, usize)> + '_ {
        let guard = self.guard.get();
        let with_len = |block: NonNull<u8>| Some((block, self.len_of_cached(block)?));
        let first = guard.and_then(|guard| with_len(guard.delayed.first()?));
        core::iter::successors(first, move |(block, _)| {
            // SAFETY: The block is in the queue.
            with_len(unsafe { guard?.delayed.after(guard?.key, *block) }?)
        })
    }

    /// Whether a cached block of `len` granules starts at an address.
    #[inline(always)]
    fn is_cached_now(&self, block: NonNull<u8>, len: usize) -> bool {
        self.arenas.is_single() && self.arenas.first.is_small_cached(block.addr().get(), len)
            || self.len_of_cached(block) == Some(len)
    }

    /// The granules of a cached block, if there is one at an address.
    fn len_of_cached(&self, block: NonNull<u8>) -> Option<usize> {
        let addr = block.addr().get();
        let place = self.arenas.containing(addr)?;
        self.arenas.peek(place).len_of_cached(addr)
    }

    /// Gives a heap without blocks its key.
    pub(super) fn arm(&mut self) {
        let Some(guard) = self.guard.get_mut() else { return };
        if !guard.is_armed() {
            guard.arm(C::Checks::draw());
            let bits = if C::ENCODED { C::Checks::draw() } else { 0 };
            self.quick.set_key(bits);
        }
    }

    /// Notes what was found, to be reported at the end of the operation.
    #[cold]
    fn note(&mut self, misuse: Misuse) {
        if let Some(guard) = self.guard.get_mut() {
            guard.note(misuse);
        }
    }

    /// Closes the heap. Nothing in its free memory is used any more.
    #[cold]
    #[inline(never)]
    pub(super) fn close(&mut self) {
        let addr = match self.verify() {
            Err(violation) => violation.addr(),
            Ok(_) => None,
        };
        self.quick.clear();
        let addr = addr.or(self.arenas.first.span().base()).unwrap_or(0);
        let Some(guard) = self.guard.get_mut() else { return };
        guard.delayed.clear();
        guard.is_closed = true;
        let layout = Layout::new::<[usize; GRANULE / size_of::<usize>()]>();
        guard.note(Misuse { call: Call::Use, addr, layout, fault: Fault::Broken });
    }
}

/// Canaries and filled memory.
impl<C: Config, S> Talloc<C, S> {
    /// The canary of a block of `size` bytes.
    #[inline(always)]
    fn canary(&self, block: NonNull<u8>, size: usize) -> Option<Canary> {
        let guard = self.guard.get()?;
        Some(Canary::new(C::MEASURES, guard.key, block, size, Arena::<C>::block_len(size)))
    }

    /// Writes the canary of a block.
    ///
    /// # Safety
    ///
    /// The block has just been allocated for `size` bytes, or resized to them. The pointer is the heap's own.
    #[inline(always)]
    pub(super) unsafe fn seal(&self, block: NonNull<u8>, size: usize) {
        if C::HAS_CANARIES {
            if let Some(canary) = self.canary(block, size) {
                // SAFETY: The owner does not know the bytes behind `size`, and the pointer is valid for them.
                unsafe { canary.write() };
            }
        }
    }

    /// Whether the canary of a block is as it was written.
    #[inline(always)]
    pub(super) fn is_sealed(&self, ptr: NonNull<u8>, size: usize) -> bool {
        if !C::HAS_CANARIES {
            return true;
        }
        let addr = ptr.addr().get();
        let block = if self.arenas.is_single() {
            self.arenas.first.block(ptr)
        } else {
            let Some(place) = self.arenas.containing(addr) else { return true };
            self.arenas.peek(place).block(ptr)
        };
        // SAFETY: The caller has found an allocated block of that many granules there, and so it has a canary.
        self.canary(block, size).is_none_or(|canary| unsafe { canary.is_intact() })
    }

    /// The size with which a block of `len` granules was requested, as far as the heap knows.
    pub(super) fn requested_size(&self, ptr: NonNull<u8>, len: usize) -> Result<usize, Fault> {
        let (addr, bytes) = (ptr.addr().get(), len * GRANULE);
        let Some(guard) = self.guard.get().filter(|_| C::MEASURES.tails) else { return Ok(bytes) };
        let Some(place) = self.arenas.containing(addr) else { return Ok(bytes) };
        let block = self.arenas.peek(place).block(ptr);
        // SAFETY: An allocated block of that many granules starts there, and has a tail.
        let size = unsafe { Canary::size_of(guard.key, block, len) };
        let whole = Span::from_ptr_size(block.as_ptr(), bytes);
        size.filter(|size| Arena::<C>::block_len(*size) == len)
            .ok_or(Fault::Overflow { block: whole })
    }

    /// How many bytes of a freed block are filled.
    #[inline(always)]
    fn filled(len: usize) -> core::ops::Range<usize> {
        LINK..(len * GRANULE).min(C::MEASURES.fill / LINK * LINK)
    }

    /// Fills a freed block.
    ///
    /// # Safety
    ///
    /// It has `len` granules, nobody uses it, and the pointer is valid for all of it.
    #[inline(always)]
    pub(super) unsafe fn fill(block: NonNull<u8>, len: usize) {
        let range = Self::filled(len);
        let words = usize::from_ne_bytes([C::MEASURES.filler; LINK]);
        if C::MEASURES.fill > INLINE {
            if range.start < range.end {
                // SAFETY: The bytes are the block's.
                unsafe { block.add(range.start).write_bytes(C::MEASURES.filler, range.len()) };
            }
            return;
        }
        for at in range.step_by(LINK) {
            // SAFETY: Both ends are multiples of a word, and the word is the block's.
            unsafe { block.add(at).cast::<usize>().write(words) };
        }
    }

    /// Notes a misuse if a freed block is not as it was filled.
    #[inline(always)]
    fn expect_filled(&mut self, block: NonNull<u8>, len: usize) {
        // SAFETY: The block is cached, so it was filled.
        if C::MEASURES.fill > 0 && unsafe { !Self::is_filled(block, len) } {
            self.note_written(block, len);
        }
    }

    /// Whether a freed block is as it was filled.
    ///
    /// # Safety
    ///
    /// It was.
    #[inline(always)]
    unsafe fn is_filled(block: NonNull<u8>, len: usize) -> bool {
        let range = Self::filled(len);
        let words = usize::from_ne_bytes([C::MEASURES.filler; LINK]);
        let mut changed = 0;
        for at in range.step_by(LINK) {
            // SAFETY: Both ends are multiples of a word. The word is the block's, and was filled.
            changed |= unsafe { block.add(at).cast::<usize>().read() } ^ words;
        }
        changed == 0
    }

    #[cold]
    #[inline(never)]
    fn note_written(&mut self, block: NonNull<u8>, len: usize) {
        let span = Span::from_ptr_size(block.as_ptr(), len * GRANULE);
        self.note(Misuse {
            call: Call::Use,
            addr: block.addr().get(),
            // SAFETY: Granules are aligned, and a block is smaller than all memory.
            layout: unsafe { Layout::from_size_align_unchecked(len * GRANULE, GRANULE) },
            fault: Fault::WrittenAfterFree { block: span },
        });
    }
}

/// Allocating.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// What `allocate` returns, with its canary, if the heap is not closed.
    ///
    /// # Safety
    ///
    /// `allocate` returns a new block of `size` bytes.
    #[inline(always)]
    pub(super) unsafe fn guarded<T: Copy>(
        &mut self,
        size: usize,
        allocate: impl FnOnce(&mut Self) -> Result<T, AllocError>,
        block: impl FnOnce(T) -> NonNull<u8>,
    ) -> Result<T, AllocError> {
        if self.is_closed() {
            return Err(AllocError);
        }
        let result = allocate(self);
        if let Ok(found) = result {
            let block = block(found);
            // SAFETY: The block has just been allocated for as many bytes.
            unsafe {
                self.seal(block, size);
                if let Some(byte) = C::MEASURES.fresh {
                    block.write_bytes(byte, size);
                }
            }
        }
        self.settle();
        result
    }

    /// Takes the first block of a quick list, if there is one, and it is as it should be.
    #[inline(always)]
    pub(super) fn pop_sound(&mut self, len: usize) -> Option<NonNull<u8>> {
        if C::ENCODED {
            let head = self.quick.first(len)?;
            if !self.is_cached_now(head, len) {
                self.close();
                return None;
            }
        }
        let block = self.quick.pop(len)?;
        if C::HARDENED {
            self.expect_filled(block, len);
        }
        Some(block)
    }
}

/// Freeing.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Frees a block: fills it, and delays its reuse.
    ///
    /// # Safety
    ///
    /// It is an allocated block of `len` granules, which the caller gives up.
    #[inline(always)]
    pub(super) unsafe fn retire(&mut self, ptr: NonNull<u8>, len: usize) {
        let arena = self.arenas.arena_of(ptr);
        let block = arena.block(ptr);
        arena.set_aside(arena.granule(block));
        // SAFETY: Nobody uses the block, and the heap's own pointer is valid for all of it.
        unsafe { Self::fill(block, len) };
        let bytes = len * GRANULE;
        if bytes > C::MEASURES.delay / LARGE_SHARE {
            // SAFETY: It is a cached block in no list.
            return unsafe { self.let_go(block, len) };
        }
        if !self.is_queue_sound() {
            return self.close();
        }
        if let Some(guard) = self.guard.get_mut() {
            // SAFETY: Nobody uses the block.
            unsafe { guard.delayed.push(guard.key, block, len) };
        }
        let share = (self.arenas.used() / DELAYED_SHARE).max(LEAST_DELAYED);
        while self.delayed_bytes() > share.min(C::MEASURES.delay) {
            if !self.let_oldest_go(false) {
                break;
            }
        }
    }

    /// Whether the last block of the queue, if there is one, is a cached block.
    #[inline(always)]
    fn is_queue_sound(&self) -> bool {
        let last = self.guard.get().and_then(|guard| guard.delayed.last());
        last.is_none_or(|last| self.len_of_cached(last).is_some())
    }

    /// Frees the block that has waited longest. Returns whether there was one.
    fn let_oldest_go(&mut self, coalesce: bool) -> bool {
        let Some(guard) = self.guard.get() else { return false };
        let Some(block) = guard.delayed.first() else { return false };
        let Some(len) = self.len_of_cached(block) else {
            self.close();
            return false;
        };
        let again =
            C::MEASURES.shuffle && !coalesce && self.guard.get_mut().is_some_and(Guard::flip);
        if let Some(guard) = self.guard.get_mut() {
            // SAFETY: It is the first block, which has `len` granules.
            unsafe { guard.delayed.pop(guard.key, len) };
            if again && guard.delayed.first().is_some() {
                // A random block waits for another turn, so the order of reuse cannot be foreseen.
                // SAFETY: Nobody uses the block.
                unsafe { guard.delayed.push(guard.key, block, len) };
                return true;
            }
        }
        // SAFETY: It is a cached block, and in no list any more.
        unsafe {
            if coalesce {
                self.coalesce_block(block, len);
            } else {
                self.let_go(block, len);
            }
        }
        true
    }

    /// Frees a block that has waited: to its quick list, or to the arena.
    ///
    /// # Safety
    ///
    /// It is a cached block of `len` granules in no list.
    #[inline(always)]
    unsafe fn let_go(&mut self, block: NonNull<u8>, len: usize) {
        if len < self.quick.classes() && self.is_listed(block) {
            // SAFETY: It has a list, is in no list, and is marked as cached.
            if unsafe { self.quick.push(block, len) } {
                self.overflow(len);
            }
        } else {
            // SAFETY: It is a cached block in no list.
            unsafe { self.coalesce_block(block, len) };
            self.note_uncached(len);
            self.tend();
        }
    }

    /// Coalesces a block that has waited.
    ///
    /// # Safety
    ///
    /// As for [`let_go`](Self::let_go).
    #[inline(never)]
    unsafe fn coalesce_block(&mut self, block: NonNull<u8>, len: usize) {
        self.expect_filled(block, len);
        self.forget(block, len);
        // SAFETY: It is a block of this heap, of `len` granules that nobody uses.
        unsafe { self.release(block, len) };
    }

    /// Coalesces all blocks that wait. Returns whether there were any.
    pub(super) fn drain(&mut self) -> bool {
        let had_any = self.delayed_bytes() > 0;
        while self.let_oldest_go(true) {}
        had_any
    }
}

/// Reporting.
impl<C: Config, S> Talloc<C, S> {
    /// Takes what was found during an operation that has ended.
    #[inline(always)]
    fn take_found(&mut self) -> Option<Misuse> {
        if !C::HARDENED {
            return None;
        }
        if self.arenas.is_broken() && !self.is_closed() {
            self.close();
        }
        self.guard.get_mut()?.found.take()
    }

    /// Reports what was found during an operation, unless the caller does that when it has released the heap.
    #[inline(always)]
    #[track_caller]
    pub(super) fn settle(&mut self) {
        let Some(guard) = self.guard.get() else { return };
        if (guard.found.is_some() || self.arenas.is_broken()) && !guard.is_quiet {
            if let Some(misuse) = self.take_found() {
                self.tell(&misuse);
            }
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn tell(&mut self, misuse: &Misuse) {
        C::misuse(misuse);
        self.reopen();
    }

    /// Lets the caller report what is found from now on.
    #[inline(always)]
    pub(crate) fn hush(&mut self) {
        if let Some(guard) = self.guard.get_mut() {
            guard.is_quiet = true;
        }
    }

    /// Returns what was found since [`hush`](Self::hush).
    #[inline(always)]
    pub(crate) fn unhush(&mut self) -> Option<Misuse> {
        self.guard.get_mut()?.is_quiet = false;
        self.take_found()
    }

    /// Repairs a heap that was found broken, if its handler allows that.
    #[cold]
    pub(crate) fn reopen(&mut self) {
        if C::Checks::REPAIRS && self.is_closed() {
            self.repair();
        }
    }
}
