//! Heap efficiency: the share of live bytes in the arena when an allocation fails.

use crate::{
    actions::{Actions, Player},
    heap::Heap,
    sizes::Sizes,
    workload::Workload,
};
use cpu_time::ThreadTime;
use std::time::Duration;

/// Random actions on an arena of a fixed size.
#[derive(Clone, Copy)]
pub struct Class {
    /// The name in tables.
    pub name: &'static str,
    /// The arena's size in bytes: room for a few thousand blocks.
    pub arena: usize,
    actions: Actions,
}

/// A class without alignments and without reallocation.
const fn class(name: &'static str, arena: usize, sizes: Sizes) -> Class {
    Class { name, arena, actions: Actions { sizes, aligned: false, realloc: false, live: None } }
}

const LOG: Class = class("log 8 B-64 KiB", 16 << 20, Sizes::Log(8, 64 << 10));

/// The rows of the table.
pub const CLASSES: [Class; 7] = [
    class("8-64 B", 1 << 20, Sizes::Uniform(8, 64)),
    class("4-256 B", 1 << 20, Sizes::Uniform(4, 256)),
    class("4 B-4 KiB", 8 << 20, Sizes::Uniform(4, 4 << 10)),
    class("1-64 KiB", 64 << 20, Sizes::Uniform(1 << 10, 64 << 10)),
    LOG,
    Class { name: "log, alignments", actions: Actions { aligned: true, ..LOG.actions }, ..LOG },
    Class { name: "log, realloc", actions: Actions { realloc: true, ..LOG.actions }, ..LOG },
];

/// A workload that fills the arena several times.
pub struct Fill<'a> {
    /// The class of random actions.
    pub class: &'a Class,
    /// The number of times that the arena is filled.
    pub failures: usize,
    /// The time limit, which applies after the first failure.
    pub limit: Duration,
}

/// Returns the requested live bytes at each failure. After a failure, a random half of the blocks is freed. All fillings
/// except the first are thus those of a used heap.
impl Workload for Fill<'_> {
    type Output = Vec<usize>;

    unsafe fn run<H: Heap>(&mut self, heap: &mut H) -> Vec<usize> {
        let start = ThreadTime::now();
        let mut player = Player::new(self.class.actions);
        let mut full = Vec::new();
        while full.len() < self.failures && (full.is_empty() || start.elapsed() < self.limit) {
            // SAFETY: all blocks are the heap's.
            while unsafe { player.act(heap) } {}
            full.push(player.live_bytes());
            // SAFETY: all blocks are the heap's, and there are twice as many.
            unsafe { player.free(heap, player.live() / 2) };
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{heap::Memory, registry::HEAPS, workload};

    #[test]
    fn every_heap_fills_its_arena_and_passes() {
        let class = Class { arena: 200_000, ..CLASSES[1] };
        let mut memory = Memory::new(class.arena);
        for heap in HEAPS {
            let mut fill = Fill { class: &class, failures: 3, limit: Duration::MAX };
            // SAFETY: the memory is borrowed for the call.
            let full = unsafe { workload::check(heap, &mut fill, memory.first(usize::MAX)) };
            let full = full.unwrap();
            assert_eq!(full.len(), 3);
            let usual = class.arena / 3..class.arena;
            assert!(full.iter().all(|live| usual.contains(live)), "{}: {full:?}", heap.name);
        }
    }
}
