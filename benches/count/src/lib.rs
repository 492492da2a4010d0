//! Counts the instructions of operations of the talloc allocator.
//!
//! [`heap`] is the interface of an allocator, and [`ours`] implements it for the heaps of this workspace. A workload is a
//! [`script`], such as [`pairs`] of operations. A script is [`replay`]ed on a heap, and on the [`null`] heap to get the
//! workload's own cost. A [`Program`] replays scripts under valgrind, which counts. The program of this package has the
//! [`HEAPS`] with a budget, and the program of the benchmarks has peers.

mod count;
pub mod heap;
pub mod null;
pub mod ours;
pub mod pairs;
pub mod replay;

use crate::{
    heap::Heap,
    null::{NULL, replay_on_null},
    ours::Talloc,
    replay::{Ends, Stop, replay_on},
    script::Script,
};
use anyhow::{Result, bail};
use std::{ptr::NonNull, time::Duration};
use talloc_sync::{Checked, Compact, Hardened, Micro, RealTime};

pub use count::{Cost, Program};
pub use talloc_trace::script;

const _: () = assert!(usize::BITS == 64, "the counts are for 64-bit hosts");

/// The compiler that this library was built with.
pub const COMPILER: &str = env!("TALLOC_COUNT_COMPILER");

/// The heaps that have a budget: with quick lists, without quick lists, for microcontrollers, and checked heaps.
pub const HEAPS: [&str; 5] = [
    Talloc::<Compact>::NAME,
    Talloc::<RealTime>::NAME,
    Talloc::<Micro>::NAME,
    Talloc::<Checked>::NAME,
    Talloc::<Hardened>::NAME,
];

/// [`replay_on`] a heap.
pub type Replay = unsafe fn(&Script, usize, NonNull<[u8]>, Duration) -> Result<Duration, Stop>;

/// Returns the function that replays a script on one of the [`HEAPS`], or on the [`null`] heap.
///
/// # Errors
/// If there is no heap of this name.
pub fn find(heap: &str) -> Result<Replay> {
    Ok(match heap {
        Talloc::<Compact>::NAME => replay_on::<Talloc<Compact>, Ends>,
        Talloc::<RealTime>::NAME => replay_on::<Talloc<RealTime>, Ends>,
        Talloc::<Micro>::NAME => replay_on::<Talloc<Micro>, Ends>,
        Talloc::<Checked>::NAME => replay_on::<Talloc<Checked>, Ends>,
        Talloc::<Hardened>::NAME => replay_on::<Talloc<Hardened>, Ends>,
        // The null heap uses a heap that is not counted itself, because the compiler inlines less into a heap with two
        // callers.
        NULL => replay_on_null::<Talloc<Checked<RealTime>>, Ends>,
        _ => bail!("no heap is called {heap}: the heaps are {}, {NULL}", HEAPS.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{heap::Memory, pairs::Pair, replay::ample};

    #[test]
    fn every_heap_completes_every_pair_and_says_when_it_cannot() {
        for pair in Pair::ALL {
            let script = pair.script(10_000);
            let mut memory = Memory::new(ample(&script));
            for heap in HEAPS.iter().chain([&NULL]) {
                let replay = find(heap).unwrap();
                // SAFETY: The memory is borrowed for the call.
                let mut run = |size| unsafe {
                    replay(&script, script.events().len(), memory.first(size), Duration::MAX)
                };
                assert!(run(usize::MAX).is_ok(), "{pair} on {heap}");
                assert_eq!(run(1), Err(Stop::OutOfMemory), "{pair} on {heap}");
            }
        }
        assert!(find("no such heap").is_err());
    }
}
