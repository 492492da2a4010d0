//! Slots of one size.

use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The turn of a slot in use.
const IN_USE: u64 = u64::MAX;

/// The slots of one size.
///
/// A slot has `stride` bytes: a guard page, and then `span` bytes of pages for a block.
pub struct Class {
    /// The offset of the first slot from the beginning of all slots.
    pub start: usize,
    pub span: usize,
    pub stride: usize,
    /// The number of the first slot among all slots.
    pub first: usize,
    pub slots: usize,
    /// The number of slots in use. It only tells whether a search for a free slot makes sense.
    used: AtomicUsize,
}

impl Class {
    pub fn new(start: usize, span: usize, page: usize, first: usize, slots: usize) -> Self {
        Self { start, span, stride: page + span, first, slots, used: AtomicUsize::new(0) }
    }

    /// Returns the offset behind the last slot.
    pub fn end(&self) -> usize {
        self.start + self.slots * self.stride
    }

    pub fn is_exhausted(&self) -> bool {
        self.used.load(Relaxed) >= self.slots
    }

    /// Takes the slot that has been free for the longest time. Returns its number among all slots, and its turn.
    ///
    /// Takes linear time in the number of slots. It is lock-free: a thread that loses a slot to another thread looks for
    /// the next one.
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

    /// Frees a slot. Slots with earlier turns are used before it.
    pub fn give(&self, turns: &[AtomicU64], number: usize, turn: u64) {
        self.used.fetch_sub(1, Relaxed);
        turns[number].store(turn, Release);
    }
}

/// Returns the free slot with the earliest turn. Slots that have never been used have turn zero.
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
