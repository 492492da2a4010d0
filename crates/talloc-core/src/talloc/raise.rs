//! Growing a block at an arena's end by extending the arena.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// [`resize_known`](Self::resize_known). The source may extend the arena for it, if it [does so](Source::EXTENDS).
    ///
    /// # Errors
    ///
    /// As for [`resize_known`](Self::resize_known).
    ///
    /// # Safety
    ///
    /// As for [`resize_known`](Self::resize_known).
    #[inline(always)]
    pub(crate) unsafe fn resize_or_extend(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a block of the heap with the layout `old`, aligned for `new`, by the contract of this function. An
        // attempt that has failed left the block as it was, and so has the source.
        let attempt = |heap: &mut Self| unsafe { heap.resize_known(ptr, old, new) };
        self.attempt_and_extend(ptr, old, new, attempt)
    }

    /// Attempts to resize a block. If that fails, attempts it again after the source has extended the arena, if it
    /// [does so](Source::EXTENDS).
    ///
    /// # Errors
    ///
    /// If both attempts fail, or the source does not extend the arena under the block.
    #[inline(always)]
    pub(super) fn attempt_and_extend(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        attempt: impl Fn(&mut Self) -> Result<NonNull<u8>, AllocError>,
    ) -> Result<NonNull<u8>, AllocError> {
        match attempt(self) {
            Err(AllocError) if S::EXTENDS => {
                self.extend_under(ptr, old, new)?;
                attempt(self)
            }
            result => result,
        }
    }

    /// Asks the source to extend the arena under a block at its end that is to grow.
    ///
    /// # Errors
    ///
    /// If the block is not to grow, does not lie at the end, or the source does not provide the bytes that are lacking.
    #[cold]
    #[inline(never)]
    fn extend_under(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<(), AllocError> {
        if new.size() > Self::MAX_BLOCK {
            return Err(AllocError);
        }
        let (old_len, new_len) =
            (Arena::<C>::block_len(old.size()), Arena::<C>::block_len(new.size()));
        let arena = self.arenas.arena_of(ptr);
        let end = arena.granule(ptr) + old_len;
        let more = new_len.checked_sub(old_len).ok_or(AllocError)?;
        let lacking = arena.lacking_above(end, more).ok_or(AllocError)?;
        let lacking = Layout::from_size_align(lacking * GRANULE, GRANULE);
        S::acquire(self, lacking.map_err(|_| AllocError)?)
    }
}
