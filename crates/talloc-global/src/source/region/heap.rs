//! A heap with memory in a `static`.

use talloc_sync::Compact;
use talloc_sync::lock::Spin;

use super::{Region, StaticArena};
use crate::GlobalTalloc;

/// A heap with memory in a `static`. It needs no initialisation, no operating system, and no `unsafe`.
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// static ARENA: StaticArena<{ 1 << 20 }> = StaticArena::new();
/// #[global_allocator]
/// static ALLOCATOR: StaticTalloc = StaticTalloc::new(&ARENA);
///
/// fn main() {
///     let greeting = vec!["from", "the", "arena"].join(" ");
///     assert!(ALLOCATOR.0.lock().get_arena().contains_ptr(greeting.as_ptr().cast_mut()));
/// }
/// ```
///
/// The memory may also be reserved by a linker script: see [`Region`].
pub type StaticTalloc<C = Compact> = GlobalTalloc<Spin, C, Region>;

impl StaticTalloc {
    /// Makes a heap that takes the memory of `arena` when it is first used.
    ///
    /// If another heap has taken the memory, all allocations fail. The heap has the default parameters;
    /// `with_source(arena.region())` makes heaps with other parameters.
    #[must_use]
    pub const fn new<const N: usize>(arena: &'static StaticArena<N>) -> Self {
        Self::with_source(arena.region())
    }
}
