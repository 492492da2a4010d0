//! A handler that extends the arena when the heap runs out of memory. It doubles the arena each time, up to a limit.
//!
//! ```sh
//! cargo run --example oom_handler
//! ```

use core::alloc::Layout;
use talloc_global::inspect::Violation;
use talloc_global::*;

/// The memory for the arena, which starts with the first 4096 bytes.
static mut MEMORY: [u8; 1 << 20] = [0; 1 << 20];

fn oom_handler(talloc: &mut Talloc, _layout: Layout) -> Result<(), AllocError> {
    // The heap has no free chunk for `_layout`. It calls this handler until the request fits or the handler returns an
    // error. So each call must add memory or fail.
    let arena_top_limit: usize = Span::from(&raw mut MEMORY).acme().ok_or(AllocError)?;

    let old_arena: Span = talloc.get_arena();

    // Doubles the arena upward, up to the limit.
    let new_arena: Span = old_arena.extend(0, old_arena.size()).below(arena_top_limit);

    if new_arena == old_arena {
        return Err(AllocError);
    }

    println!("the arena grows from {} to {} bytes", old_arena.size(), new_arena.size());

    // SAFETY: The memory up to the limit is in the array, which nothing else uses. The span of the arena was created
    // from a pointer to the whole array.
    unsafe { talloc.extend(new_arena) };

    Ok(())
}

fn main() -> Result<(), Violation> {
    let mut talloc = Talloc::with_oom_handler(oom_handler);
    let memory = Span::from(&raw mut MEMORY);
    // SAFETY: Nothing else uses the array.
    unsafe { talloc.init(memory.truncate(0, memory.size() - 4096)) };

    let mut blocks = 0;
    let layout = Layout::new::<[u64; 125]>();
    // SAFETY: The blocks are never used.
    while unsafe { talloc.malloc(layout) }.is_ok() {
        blocks += 1;
    }
    println!("{blocks} blocks of {} bytes in {} bytes", layout.size(), talloc.get_arena().size());
    talloc.verify().map(|_| ())
}
