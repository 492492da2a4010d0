//! How long single calls take: the distribution of ticks.

use crate::{
    actions::{Action, Actions, Player},
    heap::Heap,
    sizes::Sizes,
    ticks,
    workload::Workload,
};

/// The arena's size in bytes.
pub const ARENA: usize = 8 << 20;

/// What the heap goes through: blocks of 8 bytes to 16 KiB, small ones most, some of them aligned.
const ACTIONS: Actions =
    Actions { sizes: Sizes::Log(8, 16 << 10), aligned: true, realloc: false, live: None };

/// The rows of the tables: a name, and which part of the calls took no longer.
pub const QUANTILES: [(&str, f64); 11] = [
    ("1/8", 0.125),
    ("2/8", 0.25),
    ("3/8", 0.375),
    ("4/8", 0.5),
    ("5/8", 0.625),
    ("6/8", 0.75),
    ("7/8", 0.875),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

/// The ticks that no more than this part of the calls exceeds.
pub fn quantile(sorted: &[u32], part: f64) -> Option<u32> {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The ticks of every call, in order.
#[derive(Default)]
pub struct Calls {
    /// Allocations from an empty heap until one fails, which is not among them.
    pub before: Vec<u32>,
    /// Allocations under pressure, failed ones among them: in a heap in which one has failed.
    pub pressed: Vec<u32>,
    /// Frees.
    pub frees: Vec<u32>,
}

/// Fills the heap until an allocation fails, does as many actions again, which keep it about full, frees all, and
/// begins anew, until it has done so many `actions`.
pub struct Latency {
    /// How many actions.
    pub actions: usize,
}

impl Workload for Latency {
    type Output = Calls;

    unsafe fn run<H: Heap>(&mut self, heap: &mut H) -> Calls {
        let mut calls = Calls::default();
        let mut player = Player::new(ACTIONS);
        let mut done = 0;
        while done < self.actions {
            let mut filled = 0;
            // SAFETY: all blocks are the heap's.
            unsafe {
                while act(heap, &mut player, &mut calls.before, &mut calls.frees) {
                    filled += 1;
                }
                // The failed one is an allocation under pressure.
                calls.pressed.extend(calls.before.pop());
                for _ in 0..filled {
                    act(heap, &mut player, &mut calls.pressed, &mut calls.frees);
                }
                done += 2 * filled + 1;
                player.free(heap, player.live());
            }
        }
        calls
    }
}

/// Does one action and takes the call's time. False: the heap has no room for it.
///
/// # Safety
/// All blocks are the heap's.
unsafe fn act<H: Heap>(
    heap: &mut H,
    player: &mut Player,
    allocations: &mut Vec<u32>,
    frees: &mut Vec<u32>,
) -> bool {
    let action = player.choose();
    let calls = if matches!(action, Action::Free(_)) { frees } else { allocations };
    // SAFETY: the action was chosen among the blocks, and that is what came of it.
    unsafe {
        let start = ticks::start();
        let block = player.call(heap, action);
        calls.push(ticks::since(start));
        player.note::<H>(action, block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{heap::Memory, registry::HEAPS, workload};

    #[test]
    fn quantiles() {
        let sorted: Vec<u32> = (1..=1000).collect();
        let parts = [0.125, 0.5, 0.999, 0.9999, 1.0];
        assert_eq!(parts.map(|part| quantile(&sorted, part).unwrap()), [125, 500, 999, 1000, 1000]);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn every_heap_passes_and_all_calls_are_timed() {
        let mut memory = Memory::new(ARENA);
        for heap in HEAPS {
            let mut latency = Latency { actions: 20_000 };
            // SAFETY: the memory is borrowed for the call.
            let calls = unsafe { workload::check(heap, &mut latency, memory.first(usize::MAX)) };
            let Calls { before, pressed, frees } = calls.unwrap();
            assert!(before.len() > 1000 && pressed.len() > 1000, "{}", heap.name);
            assert!(frees.len() > (before.len() + pressed.len()) / 4, "{}", heap.name);
        }
    }
}
