//! The parameters with the least code.

use talloc_sync::{Config, QuickLists};

/// Parameters of a [`WasmTalloc`](crate::WasmTalloc) that make for a small module: one arena, few bins,
/// no quick lists.
///
/// With one arena, memory grows no more once somebody else has made it grow by an instruction
/// `memory.grow` of its own, as another allocator in the same module might.
///
/// # Examples
///
/// ```ignore
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: WasmTalloc<WasmSmall> = WasmTalloc::configured();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WasmSmall;

impl Config for WasmSmall {
    type Index = u32;
    type Heads = [u32; 32];
    const EXACT_LOG2: u32 = 3;
    const SPLIT_LOG2: u32 = 0;
    type Quick = QuickLists<0>;
    const QUICK_BYTES: usize = 0;
    const LAST_RESORT: usize = 64;
    const SINGLE_ARENA: bool = true;
}
