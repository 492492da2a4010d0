//! Slots of one size.

use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The turn of a slot that is in use.
const IN_USE: u64 = u64::MAX;

/// Where the slots of one size lie, and which of them are free.
///
/// A slot has `stride` bytes: first a guard page, then `span` bytes of pages for a block.
pub struct Class {
    /// The offset of the first slot from the beginning of all slots.
    pub start: usize,
    pub span: usize,
    pub stride: usize,
    /// The number of the first slot among all slots.
    pub first: usize,
    pub slots: usize,
    /// How many are in use. It says no more than whether looking for a free one makes sense.
    used: AtomicUsize,
}

impl Class {
    pub fn new(start: usize, span: usize, page: usize, first: usize, slots: usize) -> Self {
        Self { start, span, stride: page + span, first, slots, used: AtomicUsize::new(0) }
    }

    /// The offset behind the last slot.
    pub fn end(&self) -> usize {
        self.start + self.slots * self.stride
    }

    pub fn is_exhausted(&self) -> bool {
        self.used.load(Relaxed) >= self.slots
    }

    /// Takes the slot whose turn it is: the one that has been free for the longest time. Returns its number among all
    /// slots, and the turn.
    ///
    /// Takes linear time in the number of slots. Waits for nobody: a thread that loses a slot to another one looks for
    /// the next.
    pub fn take(&self, turns: &[AtomicU64]) -> Option<(usize, u64)> {
        let turns = &turns[self.first..self.first + self.slots];
        while !self.is_exhausted() {
            let (index, turn) = oldest(turns)?;
            if turns[index].compare_exchange(turn, IN_USE, AcqRel, Relaxed).is_ok() {
                self.used.fetch_add(1, Relaxed);
                return Some((self.first + index, turn));
            }
        }
        None
    }

    /// Makes a slot free, with a turn that is later than those of the slots that are to be used before it.
    pub fn give(&self, turns: &[AtomicU64], number: usize, turn: u64) {
        self.used.fetch_sub(1, Relaxed);
        turns[number].store(turn, Release);
    }
}

/// The free slot with the earliest turn. Those that have never been used have the turn zero.
fn oldest(turns: &[AtomicU64]) -> Option<(usize, u64)> {
    let mut oldest = None;
    let mut earliest = IN_USE;
    for (index, turn) in turns.iter().enumerate() {
        let turn = turn.load(Acquire);
        if turn < earliest {
            (oldest, earliest) = (Some((index, turn)), turn);
        }
        if turn == 0 {
            break;
        }
    }
    oldest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_in_the_order_of_freeing() {
        let turns: Vec<AtomicU64> = (0..6).map(|_| AtomicU64::new(0)).collect();
        let class = Class::new(0, 4096, 4096, 2, 3);
        let take = || class.take(&turns).map(|(number, _)| number);
        assert_eq!([take(), take(), take(), take()], [Some(2), Some(3), Some(4), None]);
        for (turn, number) in [(1, 3), (2, 4), (3, 2)] {
            class.give(&turns, number, turn);
        }
        assert_eq!([take(), take(), take(), take()], [Some(3), Some(4), Some(2), None]);
    }
}
