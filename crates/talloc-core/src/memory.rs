//! What is known of memory.

use bitflags::bitflags;

bitflags! {
    /// What is known of memory that a heap is given.
    ///
    /// It may be more than the heap is told, but not less.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Memory: u8 {
        /// All bytes are zero, as in memory fresh from an operating system and in statics.
        ///
        /// Blocks of zeros that come from such memory, where no block has been before, need not be
        /// cleared.
        const ZEROED = 1 << 0;
        /// What of it is free may be taken back, by [`ArenasMut::discard`](crate::ArenasMut::discard) and
        /// [`ArenasMut::reclaim_arena`](crate::ArenasMut::reclaim_arena), which the heap's source calls: by
        /// the means of that source. The one for an operating system unmaps whole arenas, so that what it is
        /// said of must have been mapped; a `static` has not.
        ///
        /// An arena that is extended by memory of which this is not said is as that.
        const RECLAIMABLE = 1 << 1;
    }
}
