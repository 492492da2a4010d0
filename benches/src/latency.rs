//! The time of single calls: the distribution of ticks.

use crate::{
    actions::{Action, Actions, Player},
    heap::Heap,
    sizes::Sizes,
    ticks,
    workload::Workload,
};

/// The arena's size in bytes.
pub const ARENA: usize = 8 << 20;

/// The workload: blocks of 8 bytes to 16 KiB, most of them small, and some of them aligned.
const ACTIONS: Actions =
    Actions { sizes: Sizes::Log(8, 16 << 10), aligned: true, realloc: false, live: None };

/// The rows of the tables: a name, and the share of calls that took no longer.
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

/// Returns the quantile `part` of the ticks.
pub fn quantile(sorted: &[u32], part: f64) -> Option<u32> {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The ticks of every call, in order.
#[derive(Default)]
pub struct Calls {
    /// Allocations from an empty heap, before the first failure.
    pub before: Vec<u32>,
    /// Allocations under pressure: the first that fails, and all later ones.
    pub pressed: Vec<u32>,
    /// Frees.
    pub frees: Vec<u32>,
}

/// Fills the heap until an allocation fails, performs as many actions again, which keep the heap almost full, frees all
/// blocks, and starts again, until it has performed all `actions`.
pub struct Latency {
    /// The number of actions.
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
                // The failed allocation counts as under pressure.
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

/// Performs one action, and measures the time of the call. Returns false if the heap has no room.
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
    // SAFETY: the action was chosen among the blocks, and `note` gets the result of `call`.
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
