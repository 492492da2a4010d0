//! What a heap knows about memory that it is given.

use bitflags::bitflags;

bitflags! {
    /// What a heap may assume about memory that it is given.
    ///
    /// A flag may be omitted, but must never be false.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Memory: u8 {
        /// All bytes are zero, as in a `static` and in memory fresh from an operating system.
        ///
        /// [`Talloc::malloc_zeroed`](crate::Talloc::malloc_zeroed) need not clear a block of such memory in which no
        /// block has been before.
        const ZEROED = 1 << 0;
        /// The heap's source may take free memory back, by [`ArenasMut::discard`](crate::ArenasMut::discard) and
        /// [`ArenasMut::reclaim_arena`](crate::ArenasMut::reclaim_arena).
        ///
        /// The memory must be of the kind that the source can take back. The source for an operating system unmaps
        /// whole arenas, for example, so this flag is false for a `static`, which was never mapped.
        ///
        /// An arena loses the flag when it is extended by memory without it.
        const RECLAIMABLE = 1 << 1;
    }
}
