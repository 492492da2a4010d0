//! The heap of a program whose memory is in it from the start.

use talloc_sync::Compact;
use talloc_sync::lock::Spin;

use super::{Region, StaticArena};
use crate::GlobalTalloc;

/// A heap whose memory is in a `static`: no set-up, no operating system, no `unsafe`.
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
/// The memory may also be what a linker script sets aside: see [`Region`].
pub type StaticTalloc<C = Compact> = GlobalTalloc<Spin, C, Region>;

impl StaticTalloc {
    /// A heap that has the memory of `arena` from when it is first used.
    ///
    /// If another heap has it already, nothing can be allocated. It has the default parameters;
    /// `with_source(arena.region())` makes one with others.
    #[must_use]
    pub const fn new<const N: usize>(arena: &'static StaticArena<N>) -> Self {
        Self::with_source(arena.region())
    }
}
