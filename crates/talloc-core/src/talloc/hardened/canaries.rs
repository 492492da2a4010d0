//! Canaries of blocks.

use core::ptr::NonNull;

use talloc_span::Span;

use crate::arena::Arena;
use crate::checks::{Canary, State};
use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::misuse::{Call, Fault};
use crate::talloc::Talloc;

impl<C: Config, S> Talloc<C, S> {
    /// The canary of a block of `size` bytes.
    #[inline(always)]
    fn canary(&self, block: NonNull<u8>, size: usize) -> Option<Canary> {
        let guard = self.guard.get()?;
        debug_assert!(guard.is_armed(), "a heap with memory has a key");
        Some(Canary::new(C::MEASURES, guard.key, block, size, Arena::<C>::block_len(size)))
    }

    /// Writes the canary of a block.
    ///
    /// # Safety
    ///
    /// The block has just been allocated for `size` bytes, or resized to them. The pointer is the heap's own.
    #[inline(always)]
    pub(in crate::talloc) unsafe fn seal(&self, block: NonNull<u8>, size: usize) {
        if C::HAS_CANARIES {
            if let Some(canary) = self.canary(block, size) {
                // SAFETY: The owner does not know the bytes behind `size`, and the pointer is valid for them.
                unsafe { canary.write() };
            }
        }
    }

    /// Whether the canary of a block is as it was written.
    #[inline(always)]
    pub(in crate::talloc) fn is_sealed(&self, ptr: NonNull<u8>, size: usize) -> bool {
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

    /// Notes a misuse if the canary of the arena below a block was overwritten, or the tail of an allocated block that
    /// ends where this one starts.
    #[inline(always)]
    pub(in crate::talloc) fn expect_sound_below(
        &mut self,
        block: NonNull<u8>,
        len: usize,
        is_sound: bool,
    ) {
        if !is_sound || C::MEASURES.tails && !self.is_tail_below_sound(block) {
            let span = Span::from_ptr_size(block.as_ptr(), len * GRANULE);
            self.note_about(Call::Free, block, len, Fault::Underflow { block: span });
        }
    }

    #[inline(never)]
    fn is_tail_below_sound(&self, block: NonNull<u8>) -> bool {
        let arena = self.arenas.containing(block.addr().get()).map(|place| self.arenas.peek(place));
        let tail = arena.and_then(|arena| arena.tail_below(block));
        self.guard.get().zip(tail).is_none_or(|(guard, tail)| {
            // SAFETY: An allocated block ends with that granule, and all blocks have tails.
            unsafe { Canary::is_tail(guard.key, tail) }
        })
    }

    /// The size with which a block of `len` granules was requested, as far as the heap knows.
    pub(in crate::talloc) fn requested_size(
        &self,
        ptr: NonNull<u8>,
        len: usize,
    ) -> Result<usize, Fault> {
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
}
