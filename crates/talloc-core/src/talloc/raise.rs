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
        // SAFETY: `ptr` is a block of the heap with the layout `old`, aligned for `new`, by the contract of this
        // function.
        match unsafe { self.resize_known(ptr, old, new) } {
            // Only to grow can fail, so `new` is larger.
            Err(AllocError) if S::EXTENDS => {
                self.extend_under(ptr, old, new)?;
                // SAFETY: The block is as it was, since this has failed. The source has left it so, too.
                unsafe { self.resize_known(ptr, old, new) }
            }
            result => result,
        }
    }

    /// Asks the source to extend the arena under a block at its end that is to grow.
    ///
    /// # Errors
    ///
    /// If the block does not lie at the end, or the source does not provide the bytes that are lacking.
    #[cold]
    #[inline(never)]
    pub(super) fn extend_under(
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
        let lacking = arena.lacking_above(end, new_len - old_len).ok_or(AllocError)?;
        let lacking = Layout::from_size_align(lacking * GRANULE, GRANULE);
        S::acquire(self, lacking.map_err(|_| AllocError)?)
    }
}
