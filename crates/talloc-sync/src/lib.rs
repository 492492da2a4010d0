//! Locks, single-thread cells and thread caches for the talloc allocator.
